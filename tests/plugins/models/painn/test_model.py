"""PaiNN as a model: exact forces, symmetries, batches, cells, kernels, and what it refuses."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from mdprotocol.api import CheckpointError, Structure, StructureError, Topology, UsageError
from mdprotocol.registry import build_registry
from mdprotocol.testing import make_structure, molecule_structure
from mdprotocol.testing.checks import check_batch, check_force_field, check_gradient, check_other_cells
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol.testing.structures import rattled
from mdprotocol_plugins.models.painn import model as model_module
from mdprotocol_plugins.models.painn.checkpoint import ArchitectureCard, save_checkpoint
from mdprotocol_plugins.models.painn.fused import kernel as kernel_module
from mdprotocol_plugins.models.painn.model import PainnModel
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN
from mdprotocol_plugins.systems.builtin import Builtin

SIZES = ArchitectureCard(hidden=16, blocks=2, radial=8, filter_width=12, cutoff_A=3.0, elements=(1, 6, 8))
ETHANOL = molecule_structure("CH3CH2OH", rattle_A=0.05)
ORIGINAL = Path(__file__).parents[4] / "checkpoints" / "original.safetensors"


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A folder with a checkpoint of random weights, loud enough that every path through the network counts."""
    torch.manual_seed(3)
    network = PaiNN(Architecture(**SIZES.model_dump()))
    state = {name: 1.3 * value.numpy() for name, value in network.state_dict().items()}
    state["atomic_energy"] = np.array([-10.0, -40.0, -100.0])
    folder = tmp_path_factory.mktemp("checkpoint")
    save_checkpoint(folder / "small.safetensors", "small", SIZES, state, {})
    return folder


def load(folder: Path, **options):
    return PainnModel(checkpoint="small.safetensors", **options).load(folder)


@pytest.fixture(scope="module")
def exact(folder):
    return load(folder, dtype="float64")


def box(copies: tuple[int, int, int] = (1, 1, 1), length: float = 3.4) -> Structure:
    """Water in a box narrower than two cutoffs, so that atoms meet several images; repeated."""
    water = molecule_structure("H2O", rattle_A=0.05)
    shifts = np.array([[a, b, c] for a in range(copies[0]) for b in range(copies[1]) for c in range(copies[2])])
    positions = (shifts[:, None] * length + water.positions[None]).reshape(-1, 3)
    return make_structure(np.tile(water.numbers, len(shifts)), positions, cell=length * np.array(copies, dtype=float))


def test_molecules_pass_all_checks(exact) -> None:
    check_force_field(exact, ETHANOL)


def test_crystals_pass_all_checks(exact) -> None:
    check_force_field(exact, box())


def test_slabs_pass_all_checks(exact) -> None:
    check_force_field(exact, dataclasses.replace(box(), pbc=np.array([True, False, True])))


def test_skewed_cells_pass_all_checks(exact) -> None:
    skewed = np.array([[3.4, 0, 0], [1.5, 3.2, 0], [-0.9, 1.1, 3.3]])
    check_force_field(exact, dataclasses.replace(box(), cell=skewed))


@pytest.mark.parametrize("copies", [(2, 1, 1), (2, 2, 2)])
def test_a_supercell_has_the_energy_of_its_units(exact, copies) -> None:
    energy, forces = exact.evaluate(box())
    large, large_forces = exact.evaluate(box(copies))
    count = int(np.prod(copies))
    assert large == pytest.approx(count * energy, abs=1e-8)
    assert np.allclose(large_forces, np.tile(forces, (count, 1)), atol=1e-8)


def test_a_skewed_description_of_the_same_crystal_is_the_same(exact) -> None:
    plain = box()
    other = dataclasses.replace(plain, cell=np.array([[1, 0, 0], [2, 1, 0], [-1, 3, 1]]) @ plain.cell)
    assert exact.evaluate(other)[0] == pytest.approx(exact.evaluate(plain)[0], abs=1e-8)


def test_crossing_the_boundary_changes_nothing(exact) -> None:
    structure = box((2, 1, 1))
    moved = structure.positions.copy()
    moved[4] += structure.cell[0] - 2 * structure.cell[2]
    energy, forces = exact.evaluate(structure)
    other, other_forces = exact.evaluate(structure, moved)
    assert other == pytest.approx(energy, abs=1e-9)
    assert np.allclose(forces, other_forces, atol=1e-9)


def test_a_wide_box_is_as_good_as_none(exact) -> None:
    wide = dataclasses.replace(ETHANOL, cell=30 * np.eye(3), pbc=np.ones(3, dtype=bool))
    energy, forces = exact.evaluate(ETHANOL)
    other, other_forces = exact.evaluate(wide)
    assert other == pytest.approx(energy, abs=1e-10)
    assert np.allclose(forces, other_forces, atol=1e-10)


@pytest.mark.parametrize("pbc", [(True, True, True), (True, True, False)])
def test_lists_follow_the_cell(folder, exact, pbc) -> None:
    crystal = dataclasses.replace(box(), pbc=np.array(pbc))
    check_other_cells(exact, crystal, 0.0)
    check_other_cells(fused_or_skip(folder), crystal, 0.0)


def test_a_cell_that_changes_in_one_copy_leaves_the_others_as_they_were(folder) -> None:
    crystal, open_one = box(), ETHANOL
    topology = Topology.of([crystal, open_one, crystal])
    x = torch.from_numpy(np.concatenate([s.positions for s in (crystal, open_one, crystal)]))
    wider = topology.cells.copy()
    wider[2] *= 1.05
    n = len(crystal) + len(open_one)
    for found in (load(folder, kernel="torch"), fused_or_skip(folder)):
        evaluate = found.prepare(topology)
        before, after = (evaluate(x, torch.from_numpy(cells)) for cells in (topology.cells, wider))
        assert torch.equal(before.forces[:n], after.forces[:n])
        alone = found.evaluate(dataclasses.replace(crystal, cell=wider[2]))[1]
        np.testing.assert_allclose(after.forces[n:].numpy(), alone, atol=1e-6)


def test_a_broken_cell_gives_no_answer_for_its_copy_only(folder) -> None:
    crystal = box()
    topology = Topology.of([crystal, crystal])
    x = torch.from_numpy(np.tile(crystal.positions, (2, 1)))
    for found in (load(folder, kernel="torch"), fused_or_skip(folder)):
        evaluate, cells = found.prepare(topology), torch.from_numpy(topology.cells.copy())
        sound = evaluate(x, cells)
        cells[0, 0, 0] = torch.nan
        broken = evaluate(x, cells)
        assert broken.errors == {0: "its cell is not finite"}
        assert broken.energy[0].isnan()
        assert torch.equal(broken.forces[len(crystal) :], sound.forces[len(crystal) :])


def test_a_stress_that_is_asked_for_late_is_that_of_its_own_cell(folder, exact) -> None:
    crystal = box()
    x, cells = torch.from_numpy(crystal.positions.copy()), torch.from_numpy(crystal.cell[None].copy())
    for found in (exact, fused_or_skip(folder)):
        evaluate = found.prepare(Topology.of([crystal]))
        first = evaluate(x, cells)
        at_once = first.stress().clone()
        evaluate(x, 1.05 * cells)
        assert torch.allclose(first.stress(), at_once, atol=1e-12)


def test_mixed_batches_equal_single_copies(exact) -> None:
    methane = molecule_structure("CH4", rattle_A=0.05)
    check_batch(exact, [ETHANOL, methane, ETHANOL, molecule_structure("H2O", 0.1)], 1e-10)
    check_batch(exact, [box(), ETHANOL, box((2, 1, 1))], 1e-10)


def test_energy_does_not_depend_on_the_history_of_the_list(exact) -> None:
    structure = box((2, 2, 1))
    evaluate = in_own_cells(exact, Topology.of([structure]))
    random = np.random.default_rng(1)
    x = structure.positions.copy()
    for _ in range(12):
        x = x + random.normal(scale=0.08, size=x.shape)
        found = evaluate(torch.from_numpy(x))
        energy, forces = exact.evaluate(structure, x)
        assert float(found.energy[0]) == energy
        assert np.array_equal(found.forces.numpy(), forces)


def test_broken_positions_give_nan_for_their_copy_only(exact) -> None:
    for structure in (ETHANOL, box()):
        evaluate = in_own_cells(exact, Topology.of([structure, structure]))
        x = torch.from_numpy(np.tile(structure.positions, (2, 1)))
        sound = evaluate(x)
        x[2, 1] = torch.nan
        found = evaluate(x)
        n = len(structure)
        assert torch.isnan(found.energy).tolist() == [True, False]
        assert bool(torch.isnan(found.forces[:n]).all())
        assert torch.allclose(found.forces[n:], sound.forces[n:])
        assert torch.isnan(in_own_cells(exact, Topology.of([structure]))(x[:n]).energy).all()
        x[2, 1] = 1e12
        assert torch.isnan(evaluate(x).energy).tolist() == [True, False]


def test_float32_is_close_to_float64(folder, exact) -> None:
    single = load(folder, kernel="torch")
    energy, forces = exact.evaluate(ETHANOL)
    other, other_forces = single.evaluate(ETHANOL)
    assert other == pytest.approx(energy, abs=2e-5)
    assert np.allclose(forces, other_forces, atol=1e-4)
    check_gradient(single, ETHANOL, 2e-2)
    assert (single.dtype, single.kernel, single.device) == ("float32", "torch", "cpu")


def test_facts_of_the_model(folder, exact) -> None:
    single = load(folder)
    count = sum(np.prod(shape) for name, shape in SIZES.shapes().items() if name != "atomic_energy")
    assert single.parameters == exact.parameters == count
    assert exact.weights_bytes == 2 * single.weights_bytes == 8 * (count + 3)
    names = [file.name for file in PainnModel(checkpoint="small.safetensors").files(folder)]
    assert names == ["small.safetensors", "small.json"]


def test_unknown_elements_and_charges_are_refused(folder, exact) -> None:
    with pytest.raises(StructureError, match="not trained on N, Ar; it knows H, C, O"):
        exact.prepare(Topology.of([make_structure([7, 18, 1], np.eye(3))]))
    with pytest.raises(StructureError, match="neutral systems only, not charge -1"):
        exact.prepare(Topology.of([dataclasses.replace(ETHANOL, charge=-1)]))
    with pytest.raises(StructureError, match="not trained on N"):
        load(folder, kernel="fused").prepare(Topology.of([molecule_structure("NH3")]))


def test_damaged_and_missing_checkpoints(folder, tmp_path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        PainnModel(checkpoint="none.safetensors").load(tmp_path)
    data = bytearray((folder / "small.safetensors").read_bytes())
    data[-1] ^= 1
    (tmp_path / "small.safetensors").write_bytes(data)
    (tmp_path / "small.json").write_bytes((folder / "small.json").read_bytes())
    with pytest.raises(CheckpointError, match="SHA-256"):
        PainnModel(checkpoint="small.safetensors").load(tmp_path)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named(folder) -> None:
    with pytest.raises(UsageError, match="no such device"):
        load(folder, device="cuda")
    assert load(folder, device="auto").device == "cpu"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_cuda_device_agrees(folder, exact) -> None:
    on_gpu = load(folder, device="cuda", dtype="float64")
    check_force_field(on_gpu, ETHANOL)
    assert np.allclose(on_gpu.evaluate(box())[1], exact.evaluate(box())[1], atol=1e-9)


# -------------------------------------------------------------------------------------------------------- fused


def fused_or_skip(folder: Path):
    try:
        kernel_module._loops()
    except kernel_module.KernelUnavailable as error:
        pytest.skip(str(error))
    return load(folder)


def test_the_lists_of_a_device_give_the_energies_of_those_with_a_skin(folder, exact) -> None:
    """As on a GPU, with every pair, wherever atoms have drifted to: energies, forces and stresses, mixed in one batch."""
    there = load(folder, dtype="float64")
    there.device = "cpu:0"
    batch = [box(), box((5, 4, 4), 4.2), box((4, 5, 4), 4.2)]
    topology, rng = Topology.of(batch), np.random.default_rng(4)
    x = np.concatenate([structure.positions for structure in batch])
    here, lists = in_own_cells(exact, topology), in_own_cells(there, topology)
    for _ in range(3):
        x = x + rng.normal(scale=0.1, size=x.shape) + topology.cells[topology.owner, rng.integers(3)]
        one, two = here(torch.from_numpy(x)), lists(torch.from_numpy(x))
        torch.testing.assert_close(two.energy, one.energy, rtol=0, atol=1e-8)
        torch.testing.assert_close(two.forces, one.forces, rtol=0, atol=1e-9)
        assert one.stress is not None
        assert two.stress is not None
        torch.testing.assert_close(two.stress(), one.stress(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("student", ["original", "tiny", "ultra_tiny"])
def test_the_students_forces_are_the_network_s_within_a_ten_thousandth(student: str) -> None:
    """On geometries as far from rest as hot dynamics goes; a coarser table would be off by more."""
    fused = PainnModel(checkpoint=f"{student}.safetensors").load(ORIGINAL.parent)
    plain = fused.plain("float64")
    alanine = Builtin(name="alanine").build("alanine", ORIGINAL.parent)
    shaken = Topology.of([rattled(alanine, 0.07, seed) for seed in range(20)])
    x = torch.from_numpy(np.concatenate([rattled(alanine, 0.07, seed).positions for seed in range(20)]))
    forces, exact = in_own_cells(fused, shaken)(x).forces, in_own_cells(plain, shaken)(x).forces
    assert fused.kernel == "fused" or pytest.skip("the fused kernel cannot run here")
    assert exact.abs().max() > 10.0
    assert (forces - exact).abs().max() < 1e-4


def test_fused_kernel_is_taken_and_agrees(folder, exact) -> None:
    found = fused_or_skip(folder)
    energy, forces = found.evaluate(ETHANOL)
    expected, expected_forces = exact.evaluate(ETHANOL)
    assert (found.kernel, found.notices) == ("fused", ())
    assert energy == pytest.approx(expected, abs=1e-4)
    assert np.allclose(forces, expected_forces, atol=1e-3)
    check_batch(found, [ETHANOL, molecule_structure("CH4"), ETHANOL], 0.0)


SKEWED = ([[3.4, 0, 0], [1.1, 3.3, 0], [-0.7, 0.9, 3.6]], True)
SLAB = ((3.4, 3.4, 9.0), (True, True, False))
CHAIN = make_structure(np.resize([6, 8, 1], 120), np.arange(120)[:, None] * np.array([[1.3, 0.2, 0]]))


@pytest.mark.parametrize("cell", [((3.4, 3.4, 3.4), True), SKEWED, SLAB])
def test_fused_crystals_agree_also_when_they_are_narrower_than_two_cutoffs(folder, exact, cell) -> None:
    water = molecule_structure("H2O", rattle_A=0.05)
    crystal = make_structure(water.numbers, water.positions, cell=cell[0], pbc=cell[1])
    found = fused_or_skip(folder)
    energy, forces = found.evaluate(crystal)
    expected, expected_forces = exact.evaluate(crystal)
    assert (found.kernel, found.notices) == ("fused", ())
    assert energy == pytest.approx(expected, abs=1e-4)
    assert np.allclose(forces, expected_forces, atol=1e-4)


def test_fused_crystals_molecules_and_chains_in_one_batch_are_bitwise_what_they_are_alone(folder, exact) -> None:
    found = fused_or_skip(folder)
    check_batch(found, [box((2, 1, 1)), ETHANOL, CHAIN, box()], 0.0)
    assert np.allclose(found.evaluate(CHAIN)[1], exact.evaluate(CHAIN)[1], atol=1e-4)


def test_fused_energy_does_not_depend_on_the_age_of_the_list(folder) -> None:
    found, crystal = fused_or_skip(folder), box((2, 2, 1))
    moved = torch.from_numpy(crystal.positions + 0.05)
    used = in_own_cells(found, Topology.of([crystal]))
    used(torch.from_numpy(crystal.positions.copy()))
    old, new = used(moved), in_own_cells(found, Topology.of([crystal]))(moved)
    assert torch.equal(old.energy, new.energy)
    assert torch.equal(old.forces, new.forces)


def test_a_thousand_atoms_have_the_energy_of_their_units(folder) -> None:
    found = fused_or_skip(folder)
    energy, forces = found.evaluate(box())
    many, many_forces = found.evaluate(box((7, 7, 7)))
    assert many == pytest.approx(343 * energy, abs=1e-2)
    assert np.allclose(many_forces, np.tile(forces, (343, 1)), atol=1e-4)
    assert found.kernel == "fused"


def test_fused_virial_is_the_derivative_by_a_strain(folder) -> None:
    found, crystal = fused_or_skip(folder), box((1, 2, 1))
    found.evaluate(crystal)
    call = found._fused_call(Topology.of([crystal]))
    call(crystal.positions)
    step, numeric = 1e-3, np.zeros((3, 3))
    for a in range(3):
        for b in range(3):
            ends = []
            for sign in (1, -1):
                strain = np.eye(3)
                strain[a, b] += sign * step
                strained = dataclasses.replace(
                    crystal, positions=crystal.positions @ strain, cell=crystal.cell @ strain
                )
                ends.append(found.evaluate(strained)[0])
            numeric[a, b] = (ends[0] - ends[1]) / (2 * step)
    assert np.abs(numeric).max() > 0.5
    assert np.allclose(call.virial[0], numeric, atol=2e-2 * np.abs(numeric).max())
    x, topology = torch.from_numpy(crystal.positions.copy()), Topology.of([crystal, crystal])
    fused = in_own_cells(found, topology)(torch.cat([x, x])).stress()
    assert torch.allclose(fused, in_own_cells(found.plain(), topology)(torch.cat([x, x])).stress(), atol=1e-5)


def test_a_fused_copy_far_away_or_broken_is_nan_and_comes_back(folder) -> None:
    found, crystal = fused_or_skip(folder), box((2, 1, 1))
    evaluate = in_own_cells(found, Topology.of([crystal, crystal]))
    x = torch.from_numpy(np.tile(crystal.positions, (2, 1)))
    sound = evaluate(x)
    for bad in (torch.nan, torch.inf, 1e10):
        broken = x.clone()
        broken[1, 2] = bad
        seen = evaluate(broken)
        assert bool(seen.energy[0].isnan())
        assert seen.forces[:6].isnan().all()
        assert torch.equal(seen.forces[6:], sound.forces[6:])
    assert torch.equal(evaluate(x).energy, sound.energy)


def test_fused_by_name_says_what_it_cannot(folder) -> None:
    for options in ({"dtype": "float64"}, {"device": "cuda"}):
        with pytest.raises(ValidationError, match="float32 on the cpu"):
            PainnModel(checkpoint="x", kernel="fused", **options)


class Missing:
    def __init__(self, *_) -> None:
        raise kernel_module.KernelUnavailable("no numba here")


class Wrong(kernel_module.FusedKernel):
    """A kernel whose forces are 1 % off."""

    def prepare(self, numbers, offsets, pairs=None):
        inner = super().prepare(numbers, offsets, pairs)

        def evaluate(positions):
            energy, forces = inner(positions)
            return energy, 1.01 * forces

        return evaluate


@pytest.mark.parametrize(("kernel", "reason"), [(Missing, "no numba here"), (Wrong, "differ from plain torch")])
def test_a_fused_kernel_that_is_missing_or_wrong_is_not_used(folder, exact, monkeypatch, kernel, reason) -> None:
    fused_or_skip(folder)
    monkeypatch.setattr(kernel_module, "FusedKernel", kernel)
    found = load(folder)
    for _ in range(2):
        assert np.allclose(found.evaluate(ETHANOL)[1], exact.evaluate(ETHANOL)[1], atol=1e-4)
    assert found.kernel == "torch"
    assert len(found.notices) == 1
    assert reason in found.notices[0]
    with pytest.raises(UsageError, match=reason):
        load(folder, kernel="fused").evaluate(ETHANOL)


class WrongLater(kernel_module.FusedKernel):
    """A kernel that is right on the lattice it is tried on, and wrong where atoms are as in a molecule."""

    def prepare(self, numbers, offsets, pairs=None):
        inner = super().prepare(numbers, offsets, pairs)

        def evaluate(positions):
            energy, forces = inner(positions)
            off = np.abs(positions[: offsets[1]] - model_module._shaken_lattice(int(offsets[1]))).max() > 1e-6
            return energy, 1.01 * forces if off else forces

        return evaluate


def test_the_first_answer_on_a_molecule_is_checked_too(folder, exact, monkeypatch) -> None:
    fused_or_skip(folder)
    monkeypatch.setattr(kernel_module, "FusedKernel", WrongLater)
    found = load(folder)
    evaluator = in_own_cells(found, Topology.of([ETHANOL, ETHANOL]))
    assert found.kernel == "fused"
    x = torch.from_numpy(np.concatenate([ETHANOL.positions, ETHANOL.positions + 0.01]))
    for _ in range(2):
        right = in_own_cells(exact, Topology.of([ETHANOL, ETHANOL]))(x).forces
        assert torch.allclose(evaluator(x).forces, right, atol=1e-4)
    assert found.kernel == "torch"
    assert len(found.notices) == 1
    with pytest.raises(UsageError, match="differ from plain torch"):
        load(folder, kernel="fused").evaluate(ETHANOL)


def test_a_first_answer_that_is_broken_is_checked_when_it_is_whole(folder) -> None:
    fused_or_skip(folder)
    found = load(folder)
    evaluator = in_own_cells(found, Topology.of([ETHANOL]))
    x = torch.from_numpy(ETHANOL.positions.copy())
    broken = x.clone()
    broken[0, 0] = torch.nan
    assert evaluator(broken).energy.isnan().all()
    assert found.kernel == "fused"
    assert evaluator(x).energy.isfinite().all()


def test_plain_is_the_same_model_in_torch(folder, exact) -> None:
    plain = load(folder).plain()
    energy, forces = plain.evaluate(ETHANOL)
    assert plain.kernel == "torch"
    assert plain.dtype == "float64"
    assert energy == exact.evaluate(ETHANOL)[0]
    assert np.array_equal(forces, exact.evaluate(ETHANOL)[1])


def test_the_committed_checkpoint_through_the_component() -> None:
    found = PainnModel(checkpoint=ORIGINAL.name, dtype="float64").load(ORIGINAL.parent)
    assert abs(found.parameters / 427_292 - 1) < 0.01
    check_force_field(found, molecule_structure("H2O", rattle_A=0.05))
    fast = PainnModel(checkpoint=ORIGINAL.name).load(ORIGINAL.parent)
    assert np.allclose(fast.evaluate(ETHANOL)[1], found.evaluate(ETHANOL)[1], atol=1e-3)


def test_it_is_registered() -> None:
    assert build_registry().entries["models"]["painn"].component is PainnModel
