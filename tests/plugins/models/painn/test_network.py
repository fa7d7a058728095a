"""The network: exact forces, symmetries, smooth at the cutoff, repulsive at short range, batches equal molecules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase.build import molecule
from ase.data import covalent_radii
from torch import Tensor

from mdprotocol_plugins.models.painn.network import Architecture, PaiNN, all_pairs, parameter_count

CUTOFF = 5.0
ELEMENTS = (1, 6, 7, 8)
SMALL = Architecture(hidden=16, blocks=2, radial=8, filter_width=12, cutoff_A=CUTOFF, elements=ELEMENTS)
SIZES = {
    427_292: Architecture(hidden=96, blocks=3, radial=20, filter_width=244, cutoff_A=CUTOFF, elements=ELEMENTS),
    77_203: Architecture(hidden=64, blocks=2, radial=12, filter_width=40, cutoff_A=CUTOFF, elements=ELEMENTS),
    21_459: Architecture(hidden=32, blocks=2, radial=12, filter_width=28, cutoff_A=CUTOFF, elements=ELEMENTS),
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def network() -> PaiNN:
    torch.manual_seed(3)
    net = PaiNN(SMALL).double()
    # Random weights make a nearly flat surface; louder ones make every path through the network count.
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.3)
    net.atomic_energy.copy_(torch.tensor([-10.0, -40.0, -70.0, -100.0]))
    return net


@pytest.fixture(scope="module")
def ethanol() -> tuple[Tensor, Tensor]:
    atoms = molecule("CH3CH2OH")
    rattled = atoms.positions + 0.05 * np.random.default_rng(5).standard_normal((len(atoms), 3))
    return torch.tensor(atoms.numbers), torch.tensor(rattled)


def evaluate(net: PaiNN, numbers: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    n = len(numbers)
    energy, forces = net.energy_and_forces(numbers, positions, all_pairs([n]), torch.zeros(n, dtype=torch.int64), 1)
    return energy[0], forces


def rotation(seed: int) -> Tensor:
    q, r = np.linalg.qr(np.random.default_rng(seed).standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    return torch.tensor(q if np.linalg.det(q) > 0 else q[:, [1, 0, 2]])


def test_forces_are_the_negative_gradient(network, ethanol):
    numbers, positions = ethanol
    _, forces = evaluate(network, numbers, positions)
    h = 1e-4
    numeric = torch.zeros_like(positions)
    for atom in range(len(numbers)):
        for axis in range(3):
            shift = torch.zeros_like(positions)
            shift[atom, axis] = h
            energies = [evaluate(network, numbers, positions + s * shift)[0] for s in (2, 1, -1, -2)]
            numeric[atom, axis] = (energies[0] - 8 * energies[1] + 8 * energies[2] - energies[3]) / (12 * h)
    assert forces.abs().max() > 0.1
    torch.testing.assert_close(forces, numeric, rtol=0, atol=1e-6)


@pytest.mark.parametrize("improper", [False, True], ids=["rotation", "rotation and reflection"])
def test_rotating_the_molecule_rotates_the_forces(network, ethanol, improper):
    numbers, positions = ethanol
    turn = rotation(1) * (-1.0 if improper else 1.0)
    energy, forces = evaluate(network, numbers, positions)
    turned_energy, turned_forces = evaluate(network, numbers, positions @ turn.T)
    torch.testing.assert_close(turned_energy, energy, rtol=0, atol=1e-8)
    torch.testing.assert_close(turned_forces, forces @ turn.T, rtol=0, atol=1e-8)


def test_moving_the_molecule_changes_nothing(network, ethanol):
    numbers, positions = ethanol
    energy, forces = evaluate(network, numbers, positions)
    moved_energy, moved_forces = evaluate(network, numbers, positions + torch.tensor([3.0, -20.0, 7.0]))
    torch.testing.assert_close(moved_energy, energy, rtol=0, atol=1e-8)
    torch.testing.assert_close(moved_forces, forces, rtol=0, atol=1e-8)


def test_the_order_of_atoms_does_not_matter(network, ethanol):
    numbers, positions = ethanol
    order = torch.tensor(np.random.default_rng(2).permutation(len(numbers)))
    energy, forces = evaluate(network, numbers, positions)
    permuted_energy, permuted_forces = evaluate(network, numbers[order], positions[order])
    torch.testing.assert_close(permuted_energy, energy, rtol=0, atol=1e-8)
    torch.testing.assert_close(permuted_forces, forces[order], rtol=0, atol=1e-8)


def test_no_net_force_and_no_torque(network, ethanol):
    numbers, positions = ethanol
    _, forces = evaluate(network, numbers, positions)
    torch.testing.assert_close(forces.sum(0), torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-8)
    torque = torch.linalg.cross(positions, forces).sum(0)
    torch.testing.assert_close(torque, torch.zeros(3, dtype=torch.float64), rtol=0, atol=1e-8)


def pair_curve(net: PaiNN, distances: np.ndarray, z: tuple[int, int] = (6, 8)) -> tuple[np.ndarray, np.ndarray]:
    """Energy and the force that drives two atoms apart, at each distance."""
    m = len(distances)
    positions = torch.zeros(2 * m, 3, dtype=torch.float64)
    positions[1::2, 0] = torch.tensor(distances)
    molecule = torch.arange(m).repeat_interleave(2)
    energy, forces = net.energy_and_forces(torch.tensor(z * m), positions, all_pairs([2] * m), molecule, m)
    return energy.numpy(), forces[1::2, 0].numpy()


def test_everything_goes_to_zero_at_the_cutoff(network):
    """Energy, force and the force's slope, from both sides: the envelope is C-infinity."""
    distances = np.linspace(4.6, 5.2, 241)
    energy, force = pair_curve(network, distances)
    apart = energy[-1]
    near = distances > 4.9
    assert np.abs(energy - apart)[near].max() < 1e-8
    assert np.abs(force)[near].max() < 1e-6
    assert np.abs(np.gradient(force, distances))[near].max() < 1e-4
    assert np.abs(energy - apart)[distances < 4.65].max() > 1e-14
    np.testing.assert_array_equal(force[distances >= CUTOFF], 0.0)


def test_curve_has_no_kink_anywhere(network):
    """The force is the slope of the energy on a fine grid that crosses the end of the repulsion and the cutoff."""
    distances = np.linspace(0.9, 5.2, 2151)
    energy, force = pair_curve(network, distances)
    step = distances[1] - distances[0]
    # Trapezoids of the force give the energy's change to third order, so a kink or a jump of either shows.
    work = -0.5 * (force[1:] + force[:-1]) * step
    scale = np.maximum(1.0, np.abs(force[1:]))
    assert (np.abs(np.diff(energy) - work) / scale).max() < 1e-4


def test_far_and_coincident_cutoff_pairs_are_finite_in_float32():
    torch.manual_seed(0)
    net = PaiNN(SMALL)
    for d in (CUTOFF, CUTOFF - 1e-6, CUTOFF - 1e-3, CUTOFF + 1e-6, 400.0):
        positions = torch.tensor([[0.0, 0, 0], [d, 0, 0]], dtype=torch.float64)
        energy, forces = evaluate(net, torch.tensor([6, 1]), positions)
        assert torch.isfinite(energy)
        assert torch.isfinite(forces).all()


def test_gradients_of_training_are_finite_at_the_cutoff():
    torch.manual_seed(0)
    net = PaiNN(SMALL)
    positions = torch.tensor([[0.0, 0, 0], [CUTOFF - 1e-6, 0, 0], [0, 1.0, 0]])
    energy, forces = net.energy_and_forces(
        torch.tensor([6, 1, 1]), positions, all_pairs([3]), torch.zeros(3, dtype=torch.int64), 1, training=True
    )
    (energy.sum() + (forces**2).sum()).backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


@pytest.mark.parametrize("z", [(1, 1), (1, 6), (6, 6), (6, 8), (7, 8)])
def test_short_range_is_repulsive(z):
    """With a silent network what is left is the repulsion: it pushes from 0.5 of a bond length and grows inwards."""
    net = PaiNN(SMALL).double()
    with torch.no_grad():
        for parameter in net.readout.parameters():
            parameter.zero_()
    bond = covalent_radii[z[0]] + covalent_radii[z[1]]
    distances = np.linspace(0.3, 0.7, 9) * bond
    energy, force = pair_curve(net, distances, z)
    assert (force > 5.0)[distances <= 0.5 * bond + 1e-9].all()
    assert (np.diff(energy) < 0).all()
    assert (np.diff(force) < 0).all()
    _, beyond = pair_curve(net, np.array([1.001 * bond, 1.5 * bond]), z)
    np.testing.assert_array_equal(beyond, 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_batch_equals_its_molecules(dtype, network):
    tolerance = 1e-10 if dtype == torch.float64 else 1e-4
    molecules = [molecule(name) for name in ("H2O", "CH4", "CH3CH2OH", "HCN")]
    counts = [len(m) for m in molecules]
    net = PaiNN(SMALL).to(dtype)
    net.load_state_dict(network.state_dict())
    energies, forces = net.energy_and_forces(
        torch.tensor(np.concatenate([m.numbers for m in molecules])),
        torch.tensor(np.concatenate([m.positions for m in molecules])),
        all_pairs(counts),
        torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts)),
        len(counts),
    )
    for k, (atoms, part) in enumerate(zip(molecules, forces.split(counts), strict=True)):
        energy, force = evaluate(net, torch.tensor(atoms.numbers), torch.tensor(atoms.positions))
        torch.testing.assert_close(energies[k], energy, rtol=0, atol=tolerance)
        torch.testing.assert_close(part, force, rtol=0, atol=tolerance)


def test_shift_vectors_are_periodic_images(network):
    numbers, box = torch.tensor([8, 1]), 6.0
    direct = torch.tensor([[0.5, 0, 0], [-0.5, 0, 0]], dtype=torch.float64)
    wrapped = torch.tensor([[0.5, 0, 0], [box - 0.5, 0, 0]], dtype=torch.float64)
    shift = torch.tensor([[-box, 0, 0]], dtype=torch.float64)
    zero = torch.zeros(2, dtype=torch.int64)
    expected = network.energy_and_forces(numbers, direct, all_pairs([2]), zero, 1)
    found = network.energy_and_forces(numbers, wrapped, all_pairs([2]), zero, 1, shifts=shift)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_a_single_atom_has_its_own_energy_and_no_force(network):
    energy, forces = evaluate(network, torch.tensor([8]), torch.zeros(1, 3, dtype=torch.float64))
    assert torch.isfinite(energy)
    assert torch.equal(forces, torch.zeros_like(forces))


def test_one_thread_is_deterministic(network, ethanol):
    first, second = evaluate(network, *ethanol), evaluate(network, *ethanol)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])


@pytest.mark.parametrize(("wanted", "architecture"), SIZES.items(), ids=map(str, SIZES))
def test_sizes_are_those_of_the_phase(wanted, architecture):
    assert parameter_count(PaiNN(architecture)) == pytest.approx(wanted, rel=0.01)


def test_pairs_beyond_the_cutoff_may_stay_in(network, ethanol):
    """On a GPU they do, so that it is not waited for: they must add exactly nothing, at the cutoff and far beyond."""
    numbers, positions = ethanol[0], ethanol[1].clone()
    positions[-1] += torch.tensor([20.0, 0.0, 0.0], dtype=positions.dtype)
    arguments = numbers, positions, all_pairs([len(numbers)]), torch.zeros(len(numbers), dtype=torch.int64), 1
    energy, forces = network.energy_and_forces(*arguments)
    try:
        network.compact = False
        with_all, forces_with_all = network.energy_and_forces(*arguments)
    finally:
        network.compact = True
    assert torch.allclose(energy, with_all, rtol=0, atol=1e-12)
    assert torch.allclose(forces, forces_with_all, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("norm_eps", "harmonic"), [(1e-8, False), (0.05, True)])
def test_a_site_of_high_symmetry_has_a_curvature_where_norms_are_rounded(norm_eps, harmonic):
    """Methane's carbon moved off its site: all vector channels vanish there, and norms with a sharp tip have a kink."""
    torch.manual_seed(5)
    sizes = Architecture(**{**SMALL.__dict__, "norm_eps": norm_eps})
    net, atoms = PaiNN(sizes).double(), molecule("CH4")

    def curvature(h: float) -> float:
        moved = atoms.positions.copy()
        moved[0] += h * np.array([0.6, 0.8, 0.0])
        _, forces = evaluate(net, torch.tensor(atoms.numbers), torch.tensor(moved))
        return float((forces[0] @ torch.tensor([0.6, 0.8, 0.0], dtype=torch.float64)) / h)

    near, far = curvature(1e-5), curvature(1e-3)
    assert (abs(near / far - 1.0) < 0.02) is harmonic
