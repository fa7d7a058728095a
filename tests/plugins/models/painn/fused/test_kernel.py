"""The fused kernel against the plain network: the same energies and forces, faster and to the last bit reproducible."""

from __future__ import annotations

import copy
import subprocess
import sys

import numpy as np
import pytest
import torch
from ase.build import molecule

import mdprotocol_plugins.models.painn.fused as package
from mdprotocol_plugins.models.painn.fused import kernel as fused
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN, all_pairs

ELEMENTS = (1, 6, 7, 8)
SIZES = {
    "original": Architecture(96, 3, 20, 244, 5.0, ELEMENTS),
    "tiny": Architecture(64, 2, 12, 40, 5.0, ELEMENTS),
    "ultra_tiny": Architecture(32, 2, 12, 28, 5.0, ELEMENTS),
}
ODD = {
    "padded": Architecture(20, 2, 8, 12, 4.5, (8, 1, 6)),
    "one block": Architecture(32, 1, 8, 16, 5.0, ELEMENTS),
    "long cutoff": Architecture(34, 2, 10, 16, 9.0, ELEMENTS),
    "rounded norms": Architecture(40, 2, 10, 16, 5.0, ELEMENTS, norm_eps=0.05),
}


def network(sizes: Architecture, seed: int = 1) -> PaiNN:
    """Random weights, a little larger than torch's own, so that molecules feel forces of some eV/Å."""
    torch.manual_seed(seed)
    found = PaiNN(sizes)
    with torch.no_grad():
        for block in found.blocks:
            block.filter[2].weight.mul_(2.0)
    found.atomic_energy[:] = torch.linspace(-500.0, -10.0, len(sizes.elements), dtype=torch.float64)
    return found


def kernel(sizes: Architecture, seed: int = 1) -> fused.FusedKernel:
    state = {name: tensor.numpy() for name, tensor in network(sizes, seed).state_dict().items()}
    return fused.FusedKernel(state, sizes)


def plain(sizes: Architecture, numbers, positions, offsets, dtype=torch.float64, seed: int = 1):
    model = copy.deepcopy(network(sizes, seed)).to(dtype)
    counts = np.diff(offsets).tolist()
    owner = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    energy, forces = model.energy_and_forces(
        torch.as_tensor(numbers), torch.as_tensor(positions), all_pairs(counts), owner, len(counts)
    )
    return energy.numpy(), forces.numpy()


def cluster(atoms: int, elements=ELEMENTS, seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Atoms at random, none closer than 0.9 Å, in a ball somewhat wider than the cutoff."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    while len(found) < atoms:
        at = rng.uniform(-3.5, 3.5, 3)
        if all(np.linalg.norm(at - other) > 0.9 for other in found):
            found.append(at)
    return rng.choice(elements, atoms), np.array(found)


def systems(elements=ELEMENTS) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rattled water, methane, a molecule of alanine's size, and a random cluster of more atoms than a chunk holds."""
    rng = np.random.default_rng(7)
    found = []
    for name in ("H2O", "CH4", "C5H8"):
        atoms = molecule(name)
        found.append((atoms.numbers, atoms.positions + rng.normal(scale=0.05, size=(len(atoms), 3))))
    return [*found, cluster(29, elements)]


def joined(parts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = [len(numbers) for numbers, _ in parts]
    numbers = np.concatenate([numbers for numbers, _ in parts])
    return numbers, np.concatenate([x for _, x in parts]), np.concatenate([[0], np.cumsum(counts)])


@pytest.mark.parametrize("name", [*SIZES, *ODD])
def test_agrees_with_the_network(name):
    sizes = (SIZES | ODD)[name]
    numbers, x, offsets = joined(systems(sizes.elements))
    energy, forces = kernel(sizes).prepare(numbers, offsets)(x)
    expected_energy, expected_forces = plain(sizes, numbers, x, offsets)
    assert np.abs(expected_forces).max() > 1.0, "the comparison would say nothing"
    assert np.abs(energy - expected_energy).max() < 2e-5
    assert np.abs(forces - expected_forces).max() < 5e-5


@pytest.mark.parametrize("shrink", [0.5, 0.7])
def test_agrees_at_short_distances(shrink):
    sizes = SIZES["original"]
    numbers, x, offsets = joined([(n, shrink * x) for n, x in systems()[:3]])
    energy, forces = kernel(sizes).prepare(numbers, offsets)(x)
    expected_energy, expected_forces = plain(sizes, numbers, x, offsets)
    scale = np.abs(expected_forces).max()
    assert scale > 20.0
    assert np.abs(forces - expected_forces).max() < 1e-5 * scale
    assert np.abs(energy - expected_energy).max() < 1e-4


def test_filters_and_their_derivatives_are_the_network_s():
    sizes = SIZES["tiny"]
    model = network(sizes).double()
    d = np.linspace(0.3, sizes.cutoff_A - 1e-3, 50)
    state = {name: tensor.numpy() for name, tensor in network(sizes).state_dict().items()}
    value, slope = fused.radial_filters(state, 1, d, sizes.radial, sizes.cutoff_A)
    from mdprotocol_plugins.models.painn.network import envelope, radial_basis

    t = torch.tensor(d)
    expected = model.blocks[1].filter(radial_basis(t, sizes.radial, sizes.cutoff_A))
    expected = expected * envelope(t, sizes.cutoff_A)[:, None]
    assert np.allclose(value, expected.detach().numpy(), rtol=1e-12, atol=1e-14)
    up, _ = fused.radial_filters(state, 1, d + 1e-5, sizes.radial, sizes.cutoff_A)
    down, _ = fused.radial_filters(state, 1, d - 1e-5, sizes.radial, sizes.cutoff_A)
    assert np.allclose(slope, (up - down) / 2e-5, rtol=1e-6, atol=1e-7)


def test_the_table_is_refined_until_it_is_accurate():
    sizes = SIZES["tiny"]
    state = {name: tensor.numpy().copy() for name, tensor in network(sizes).state_dict().items()}
    calm = fused.FusedKernel(state, sizes)
    for block in range(sizes.blocks):
        state[f"blocks.{block}.filter.0.weight"] *= 3.0
    wild = fused.FusedKernel(state, sizes)
    assert wild.interval_A < calm.interval_A
    intervals = round(sizes.cutoff_A / wild.interval_A)
    assert all(fused.slope_error(state, sizes, block, intervals) < fused.SLOPE_ERROR for block in range(sizes.blocks))


@pytest.mark.parametrize("name", SIZES)
def test_a_molecule_is_bitwise_the_same_alone_and_in_any_batch(name):
    loaded = kernel(SIZES[name])
    parts = systems()
    parts = [parts[k] for k in (0, 1, 2, 0, 3, 0, 1, 0, 2, 0, 0, 1)]
    for order in (list(range(len(parts))), list(range(len(parts)))[::-1]):
        numbers, x, offsets = joined([parts[k] for k in order])
        evaluate = loaded.prepare(numbers, offsets)
        energy, forces = evaluate(x)
        again_energy, again_forces = evaluate(x)
        assert np.array_equal(energy, again_energy)
        assert np.array_equal(forces, again_forces)
        for k, part in enumerate(order):
            n, at = parts[part]
            alone_energy, alone_forces = loaded.prepare(n, np.array([0, len(n)]))(at)
            assert np.array_equal(alone_energy[0], energy[k])
            assert np.array_equal(alone_forces, forces[offsets[k] : offsets[k + 1]])


def test_forces_are_the_derivative_of_its_own_energy():
    # Over a step of 0.01 Å, ten times the table's own interval would show a table that is not differentiated as it is
    # read; the energy's float32 rounding, 1e-6 eV, allows 1e-4 eV/Å.
    numbers, x = systems()[1]
    steps = [(k, axis, sign) for k in range(len(numbers)) for axis in range(3) for sign in (1, -1)]
    moved = np.repeat(x[None], len(steps), axis=0)
    for row, (k, axis, sign) in enumerate(steps):
        moved[row, k, axis] += sign * 0.004
    offsets = np.arange(len(steps) + 1) * len(numbers)
    loaded = kernel(SIZES["ultra_tiny"])
    energy, _ = loaded.prepare(np.tile(numbers, len(steps)), offsets)(moved.reshape(-1, 3))
    _, forces = loaded.prepare(numbers, offsets[:2])(x)
    expected, _ = plain(SIZES["ultra_tiny"], np.tile(numbers, len(steps)), moved.reshape(-1, 3), offsets)
    difference = -(energy[::2] - energy[1::2]).reshape(-1, 3) / 0.008
    curvature = difference + (expected[::2] - expected[1::2]).reshape(-1, 3) / 0.008
    assert np.abs(difference - forces).max() < 2e-3
    assert np.abs(curvature).max() < 5e-4


def test_forces_and_torques_sum_to_zero():
    numbers, x, offsets = joined(systems()[2:3])
    _, forces = kernel(SIZES["tiny"]).prepare(numbers, offsets)(x + 1000.0)
    assert np.abs(forces.sum(axis=0)).max() < 1e-10
    assert np.abs(np.cross(x, forces).sum(axis=0)).max() < 1e-4


def trajectory(evaluate, x, masses, steps=1500, dt=0.05) -> np.ndarray:
    """Total energy, eV, along velocity Verlet from rest (masses in u, time in Å sqrt(u/eV) = 10.18 fs)."""
    v = np.zeros_like(x)
    energy, forces = evaluate(x)
    found = []
    for _ in range(steps):
        v += 0.5 * dt * forces / masses
        x = x + dt * v
        energy, forces = evaluate(x)
        v += 0.5 * dt * forces / masses
        found.append(energy[0] + 0.5 * float((masses * v * v).sum()))
    return np.array(found)


def test_conserves_energy_no_worse_than_plain_float32():
    sizes = SIZES["ultra_tiny"]
    numbers, x = systems()[0]
    offsets = np.array([0, 3])
    masses = np.where(numbers == 1, 1.008, 15.999)[:, None]
    mine = trajectory(kernel(sizes).prepare(numbers, offsets), x, masses)
    model = network(sizes)
    pairs, owner = all_pairs([3]), torch.zeros(3, dtype=torch.int64)

    def evaluate(positions):
        energy, forces = model.energy_and_forces(torch.as_tensor(numbers), torch.as_tensor(positions), pairs, owner, 1)
        return energy.numpy(), forces.numpy()

    theirs = trajectory(evaluate, x, masses)
    assert np.ptp(mine) < 1.2 * np.ptp(theirs) + 1e-6


def test_a_broken_molecule_is_broken_alone():
    loaded = kernel(SIZES["tiny"])
    parts = systems()[:3]
    numbers, x, offsets = joined([*parts, (np.array([8]), np.zeros((1, 3)))])
    evaluate = loaded.prepare(numbers, offsets)
    energy, forces = evaluate(x)
    for bad in (np.nan, np.inf):
        y = x.copy()
        y[offsets[1] + 2, 1] = bad
        broken_energy, broken_forces = evaluate(y)
        inside = np.zeros(len(x), dtype=bool)
        inside[offsets[1] : offsets[2]] = True
        assert np.array_equal(np.isnan(broken_energy), [False, True, False, False])
        assert np.isnan(broken_forces[inside]).all()
        assert np.array_equal(broken_forces[~inside], forces[~inside])
        assert np.array_equal(broken_energy[[0, 2, 3]], energy[[0, 2, 3]])
    y = x.copy()
    y[-1] = np.nan
    assert np.array_equal(np.isnan(evaluate(y)[0]), [False, False, False, True])


def test_a_network_that_is_not_a_number_says_so():
    sizes = SIZES["ultra_tiny"]
    state = {name: tensor.numpy().copy() for name, tensor in network(sizes).state_dict().items()}
    state["blocks.1.update.0.bias"][3] = np.nan
    numbers, x = systems()[0]
    energy, forces = fused.FusedKernel(state, sizes).prepare(numbers, np.array([0, 3]))(x)
    assert np.isnan(energy).all()
    assert np.isnan(forces).any()


def test_atoms_beyond_the_cutoff_and_single_atoms():
    sizes = SIZES["tiny"]
    loaded = kernel(sizes)
    water, x = systems()[0]
    numbers = np.concatenate([water, [6], [8]])
    positions = np.concatenate([x, [[5.0 + 4.0, 0.0, 0.0]], [[0.0, 0.0, 0.0]]])
    offsets = np.array([0, 4, 5])
    energy, forces = loaded.prepare(numbers, offsets)(positions)
    expected_energy, expected_forces = plain(sizes, numbers, positions, offsets)
    assert np.allclose(energy, expected_energy, atol=1e-5)
    assert np.allclose(forces, expected_forces, atol=1e-5)
    assert np.array_equal(forces[3:], np.zeros((2, 3)))
    near = loaded.prepare(np.array([1, 1]), np.array([0, 2]))
    for d in (5.0 - 1e-9, 5.0, 5.0 + 1e-9, np.nextafter(5.0, 0.0)):
        assert np.abs(near(np.array([[0.0, 0.0, 0.0], [d, 0.0, 0.0]]))[1]).max() < 1e-6
    energy, _ = loaded.prepare(np.zeros(0, dtype=int), np.array([0]))(np.zeros((0, 3)))
    assert energy.shape == (0,)


def test_atoms_on_top_of_each_other_give_numbers_not_a_crash():
    energy, forces = kernel(SIZES["tiny"]).prepare(np.array([1, 1]), np.array([0, 2]))(np.zeros((2, 3)))
    assert energy[0] > 1e6
    assert forces.shape == (2, 3)


def test_says_what_it_cannot_do():
    loaded = kernel(SIZES["ultra_tiny"])
    with pytest.raises(ValueError, match=r"elements \[17\] are unknown"):
        loaded.prepare(np.array([1, 17]), np.array([0, 2]))
    with pytest.raises(ValueError, match="prepared for"):
        loaded.prepare(np.array([1, 8]), np.array([0, 2]))(np.zeros((3, 3)))


def test_without_numba_it_is_unavailable(monkeypatch):
    kernel(SIZES["ultra_tiny"])
    monkeypatch.delattr(package, "loops")
    monkeypatch.setitem(sys.modules, f"{package.__name__}.loops", None)
    with pytest.raises(fused.KernelUnavailable, match="numba"):
        kernel(SIZES["ultra_tiny"])


def test_importing_it_imports_neither_numba_nor_torch():
    code = "import sys, mdprotocol_plugins.models.painn.fused.kernel; print([m for m in ('numba', 'torch') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
