"""MLFF-Distiller's checkpoints: the three writers' forms, the published reference numbers, the faults, refusals."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import molecule
from scipy.spatial.transform import Rotation

from mdprotocol.api import CheckpointError, Decision, MDProtocolError, Outcome, Structure, StructureError, Topology
from mdprotocol.app import Source, check, prepare, run
from mdprotocol.testing.evaluating import in_own_cells
from mdprotocol_plugins.models.mlff_distiller.checkpoint import Sizes, load_state
from mdprotocol_plugins.models.mlff_distiller.model import MLFFDistiller
from mdprotocol_plugins.models.mlff_distiller.network import Student

SHARED = Path(__file__).parents[4].parent / "shared" / "mlff_distiller"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the users' own checkpoint is not beside the project")
SIZES = Sizes(hidden=16, blocks=2, radial=6, max_z=20, cutoff_A=4.0)


def structure(numbers, positions, pbc: bool = False) -> Structure:
    numbers, positions = np.asarray(numbers), np.asarray(positions, dtype=float)
    cell = 12.0 * np.eye(3) if pbc else np.zeros((3, 3))
    return Structure("s", numbers, positions, np.ones(len(numbers)), cell, np.full(3, pbc))


def shaken(name: str, seed: int = 0) -> Structure:
    atoms = molecule(name)
    return structure(atoms.numbers, atoms.positions + np.random.default_rng(seed).normal(0, 0.05, (len(atoms), 3)))


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    network = Student(SIZES)
    network.rbf.centers.copy_(torch.linspace(0, 4, 6))
    network.rbf.widths.fill_(0.8)
    for interaction in network.interactions:
        torch.nn.init.normal_(interaction.update.mixing_matrix)
    return network.state_dict()


def written(path: Path, writer: str, state: dict[str, torch.Tensor]) -> Path:
    """A checkpoint as one of the project's three writers leaves it, with a `config` that is wrong on purpose."""
    if writer == "model.save":
        config = {"hidden_dim": 999, "num_interactions": 9, "num_rbf": 99, "cutoff": 4.0, "max_z": 7}
        content = {"model_state_dict": state, "config": config | {"use_torch_cluster": False}, "num_parameters": 1}
    elif writer == "trainer":
        prefixed = {f"model.{name}": value for name, value in state.items()}
        content = {"epoch": 3, "global_step": 10, "model_state_dict": prefixed, "best_val_loss": 0.1}
        content |= {"config": {"learning_rate": 1e-3, "cutoff": 4.0}, "training_history": [], "metadata": {}}
    else:
        content = {"epoch": 3, "model_state_dict": state, "config": {"cutoff": 4.0}, "total_params": 1}
        content |= {"model_size_mb": 0.1, "best_val_loss": 0.1, "train_losses": [0.2], "val_losses": [0.3]}
    torch.save(content, path)
    return path


def load(path: Path, dtype: str = "float64"):
    return MLFFDistiller(checkpoint=path.name, dtype=dtype).load(path.parent)


@needs_shared
def test_matches_the_published_energies_and_forces() -> None:
    force_field = load(SHARED / "tiny_77k.pt")
    cases = json.loads((SHARED / "tiny_77k_reference.json").read_text(encoding="utf-8"))["cases"]
    assert len(cases) == 4
    for case in cases:
        energy, forces = force_field.evaluate(structure(case["numbers"], case["positions_A"]))
        assert energy == pytest.approx(case["energy_eV"], abs=1e-5)
        np.testing.assert_allclose(forces, case["forces_eV_per_A"], atol=1e-5)
    assert force_field.parameters == 77_203


@needs_shared
def test_float32_stays_close_and_a_batch_equals_its_parts() -> None:
    exact, fast = load(SHARED / "tiny_77k.pt"), load(SHARED / "tiny_77k.pt", "float32")
    parts = [shaken("H2O"), shaken("CH3CH2OH"), shaken("CH4")]
    x = torch.from_numpy(np.concatenate([p.positions for p in parts]))
    together = in_own_cells(exact, Topology.of(parts))(x)
    for b, part in enumerate(parts):
        energy, forces = exact.evaluate(part)
        assert float(together.energy[b]) == pytest.approx(energy, abs=1e-10)
        mine = slice(*np.concatenate([[0], np.cumsum([len(p) for p in parts])])[b : b + 2])
        np.testing.assert_allclose(together.forces[mine].numpy(), forces, atol=1e-10)
    np.testing.assert_allclose(
        in_own_cells(fast, Topology.of(parts))(x).forces.numpy(), together.forces.numpy(), atol=1e-3
    )


@needs_shared
def test_its_known_faults_are_there() -> None:
    """FORMAT.md: the energy depends on the orientation by 50 to 900 meV, and jumps at the cutoff by 0.01 to 0.8 eV."""
    force_field = load(SHARED / "tiny_77k.pt")
    ethanol = shaken("CH3CH2OH")
    turned = [Rotation.random(random_state=k).apply(ethanol.positions) for k in range(12)]
    energies = [force_field.evaluate(ethanol, positions)[0] for positions in turned]
    assert 0.05 < max(energies) - min(energies) < 0.9
    pair = [force_field.evaluate(structure([6, 6], [[0, 0, 0], [d, 0, 0]]))[0] for d in (5.0 - 1e-6, 5.0 + 1e-6)]
    assert abs(pair[1] - pair[0]) > 0.01


@pytest.mark.parametrize("writer", ["model.save", "trainer", "compact trainer"])
def test_every_writer_gives_the_same_model(tmp_path: Path, state, writer: str) -> None:
    path = written(tmp_path / "best_model.pt", writer, state)
    sizes, tensors = load_state(path)
    assert sizes == SIZES
    assert tensors.keys() == state.keys()
    network = Student(SIZES).double()
    network.load_state_dict(state)
    water = shaken("H2O")
    pairs, owner = torch.tensor([[0, 0, 1], [1, 2, 2]]), torch.zeros(3, dtype=torch.int64)
    args = (torch.from_numpy(water.numbers), torch.from_numpy(water.positions), pairs, owner, 1)
    assert load(path).evaluate(water)[0] == pytest.approx(float(network.energy_and_forces(*args)[0]), abs=1e-12)


def test_without_a_cutoff_it_is_five(tmp_path: Path, state) -> None:
    torch.save({"model_state_dict": state}, tmp_path / "m.pt")
    assert load_state(tmp_path / "m.pt")[0].cutoff_A == 5.0


def test_forces_are_the_gradient(tmp_path: Path, state) -> None:
    force_field = load(written(tmp_path / "m.pt", "model.save", state))
    start, h = shaken("CH3OH"), 1e-5
    _, forces = force_field.evaluate(start)
    for atom, axis in ((0, 0), (2, 1), (5, 2)):
        step = np.zeros_like(start.positions)
        step[atom, axis] = h
        up, down = (force_field.evaluate(start, start.positions + sign * step)[0] for sign in (1, -1))
        assert -(up - down) / (2 * h) == pytest.approx(forces[atom, axis], abs=1e-6)


def test_single_atom_has_no_force(tmp_path: Path, state) -> None:
    _, forces = load(written(tmp_path / "m.pt", "model.save", state)).evaluate(structure([8], [[0.0, 0.0, 0.0]]))
    assert np.array_equal(forces, np.zeros((1, 3)))


def test_periodic_systems_and_unknown_elements_are_refused(tmp_path: Path, state) -> None:
    force_field = load(written(tmp_path / "m.pt", "model.save", state))
    with pytest.raises(StructureError, match="periodic"):
        force_field.evaluate(structure([8, 1, 1], np.eye(3), pbc=True))
    with pytest.raises(StructureError, match="atomic number 29 is unknown to it; it knows 1 to 20"):
        force_field.evaluate(structure([29, 29], [[0, 0, 0], [2, 0, 0]]))


class Evil:
    def __reduce__(self):
        return (print, ("executed",))


def damaged(path: Path, how: str, state: dict[str, torch.Tensor]) -> None:
    changed = dict(state)
    if how == "code":
        torch.save({"model_state_dict": state, "extra": Evil()}, path)
    elif how == "not a zip":
        path.write_bytes(b"PK\x03\x04 nothing")
    elif how == "compressed":
        written(path.with_suffix(".whole"), "model.save", state)
        with (
            zipfile.ZipFile(path.with_suffix(".whole")) as old,
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for entry in old.infolist():
                new.writestr(entry.filename, old.read(entry))
    elif how == "a list":
        torch.save([1, 2], path)
    elif how == "missing tensor":
        del changed["energy_head.4.bias"]
        torch.save({"model_state_dict": changed}, path)
    elif how == "extra tensor":
        torch.save({"model_state_dict": changed | {"more": torch.zeros(1)}}, path)
    elif how == "wrong shape":
        torch.save({"model_state_dict": changed | {"energy_head.4.bias": torch.zeros(2)}}, path)
    elif how == "nan":
        torch.save({"model_state_dict": changed | {"energy_head.4.bias": torch.tensor([float("nan")])}}, path)
    elif how == "cutoff":
        torch.save({"model_state_dict": state, "config": {"cutoff": float("inf")}}, path)


@pytest.mark.parametrize(
    "how",
    [
        "code",
        "not a zip",
        "compressed",
        "a list",
        "missing tensor",
        "extra tensor",
        "wrong shape",
        "nan",
        "cutoff",
        "gone",
    ],
)
def test_what_is_not_a_student_is_refused(tmp_path: Path, state, how: str, capsys) -> None:
    damaged(tmp_path / "bad.pt", how, state)
    with pytest.raises(CheckpointError, match=r"bad\.pt"):
        load(tmp_path / "bad.pt")
    assert "executed" not in capsys.readouterr().out


PHASE = {"original": ((128, 3, 20), 427_292), "tiny": ((64, 2, 12), 77_203), "ultra_tiny": ((32, 2, 10), 21_459)}
"""FORMAT.md: hidden width, blocks, radial functions; parameters."""


def trained(network: torch.nn.Module) -> dict[str, object]:
    """What a trainer keeps beside the weights: optimizer and scheduler after one step, history, metadata."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    scheduler.step(0.5)
    history = [{"epoch": 0, "train_loss": 0.2, "val_loss": 0.3}]
    return {
        "optimizer_state_dict": optimizer.state_dict(),
        "scheduler_state_dict": scheduler.state_dict(),
        "training_history": history,
        "metadata": {"created": "2025-11-24", "device": "cuda", "cutoffs": (5.0,)},
    }


@pytest.mark.parametrize("writer", ["model.save", "trainer", "compact trainer"])
@pytest.mark.parametrize("name", PHASE)
def test_the_three_students_of_the_phase_load_from_every_writer(tmp_path: Path, name: str, writer: str) -> None:
    (hidden, blocks, radial), count = PHASE[name]
    torch.manual_seed(2)
    network = Student(Sizes(hidden, blocks, radial, max_z=100, cutoff_A=5.0))
    network.rbf.centers.copy_(torch.linspace(0, 5, radial))
    path = written(tmp_path / "best_model.pt", writer, network.state_dict())
    if writer == "trainer":
        torch.save(torch.load(path, weights_only=True) | trained(network), path)
    force_field = load(path)
    assert force_field.parameters == count
    energy, forces = force_field.evaluate(shaken("CH3OH"))
    assert np.isfinite(energy)
    assert np.abs(forces.sum(axis=0)).max() < 1e-9


PROTOCOLS = Path(__file__).parents[4] / "protocols"


@pytest.fixture
def dropped(tmp_path: Path) -> Path:
    """The protocols with the users' file where m6_mlff_distiller.yaml says it is to be dropped."""
    for folder in ("protocols", "checkpoints"):
        (tmp_path / folder).mkdir()
    for file in PROTOCOLS.glob("m6_*.yaml"):
        shutil.copy(file, tmp_path / "protocols")
    shutil.copy(SHARED / "tiny_77k.pt", tmp_path / "checkpoints" / "tiny_77k.pt")
    return tmp_path / "protocols" / "m6_mlff_distiller.yaml"


CHECKPOINT = "models.student.checkpoint=../checkpoints/tiny_77k.pt"


@needs_shared
def test_its_protocol_can_be_run_with_the_users_file(dropped: Path) -> None:
    prepared, plan = check(Source(dropped, (CHECKPOINT,)))
    assert list(prepared.protocol.models) == ["student"]
    assert {run.system for run in plan.runs} == {"water", "methane", "alanine"}
    with pytest.raises(MDProtocolError, match=r"best_model\.pt"):
        check(Source(dropped))


@needs_shared
@pytest.mark.slow
def test_its_verdict_finds_the_faults(dropped: Path, tmp_path: Path) -> None:
    """FORMAT.md: not invariant under rotation, a jump at the cutoff, a molecule flown apart within 0.2 ps."""
    shorter = [f"simulations.{name}=null" for name in ("nve_50ps", "timestep", "teacher", "nvt")]
    kept = ("no_crash", "force_rmse", "rotation", "smooth_energy")
    shorter += [f"criteria.{name}=null" for name in validated(dropped).criteria if name not in kept]
    shorter += ["simulations.nve_10ps.duration_ps=0.5", "simulations.nve_10ps.equilibration.duration_ps=0.1"]
    shorter += [
        "simulations.nve_10ps.reference_every_fs=50",
        "simulations.matched=null",
        "recommendations=[]",
        "selftest={}",
    ]
    finished = run(Source(dropped, (CHECKPOINT, *shorter)), tmp_path / "results", "test", lambda event: None)
    (verdict,) = finished.verdicts
    assert verdict.decision is Decision.REJECTED
    outcomes = {criterion.name: criterion.outcome for criterion in verdict.criteria}
    assert outcomes == dict.fromkeys(kept, Outcome.FAIL)


def validated(protocol: Path):
    """The protocol as it stands, its checkpoint not looked at."""
    return prepare(Source(protocol)).protocol
