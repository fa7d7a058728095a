"""A model that is replaced between the plan and the run is not measured under the name of the one that was planned."""

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import xarray as xr
from engine_kit import SpringModel, make_batch, settings, triangle

from mdprotocol.contracts import ForceField, Model, ProbeMetric, Quantity, Subject
from mdprotocol.engine.batch import run_batch
from mdprotocol.engine.probe import run_probes
from mdprotocol.engine.unchanged import check_unchanged
from mdprotocol.errors import CheckpointError
from mdprotocol.plan.identity import hashed, model_facts
from mdprotocol.plan.types import Probe, ProbeBatch
from mdprotocol.store import ResultsFolder
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet
from mdprotocol_plugins.models.ase.model import AseModel

CODE = """\
import os
from ase.calculators.lj import LennardJones
import nets.deep.scaling
SPLITS = ["train", "test"]
HERE = os.path.dirname(os.path.abspath(__file__))
def make(**options):
    return LennardJones(sigma=float(open(HERE + "/sigma.txt").read()))
"""


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "of_ours.py").write_text(CODE)
    (tmp_path / "sigma.txt").write_text("1.0")
    (tmp_path / "nets" / "deep").mkdir(parents=True)  # folders without `__init__.py`
    (tmp_path / "nets" / "deep" / "scaling.py").write_text("")
    (tmp_path / "weights.pt").write_text("one")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = AseModel(calculator="of_ours:make", arguments={"weights": "weights.pt"})
    return model, tmp_path, hashed(model_facts(model, tmp_path))


def test_what_stayed_as_it_was_passes(planned) -> None:
    model, folder, digest = planned
    check_unchanged(model, str(folder), digest)


@pytest.mark.parametrize("name", ["weights.pt", "sigma.txt", "of_ours.py", "nets/deep/scaling.py"])
def test_a_file_that_was_replaced_is_found(planned, name: str) -> None:
    model, folder, digest = planned
    with (folder / name).open("a") as file:
        file.write("2\n" if not name.endswith(".py") else "X = 1\n")
    with pytest.raises(CheckpointError, match="changed after this was planned"):
        check_unchanged(model, str(folder), digest)


def test_a_file_that_is_gone_is_found(planned) -> None:
    model, folder, digest = planned
    (folder / "weights.pt").unlink()
    with pytest.raises(CheckpointError, match="changed after this was planned"):
        check_unchanged(model, str(folder), digest)


class Stored(Model):
    """Springs whose file is replaced once the model has been loaded so many times."""

    type: Literal["stored"] = "stored"
    path: str
    replaced_when: str = ""

    def files(self, base: Path) -> tuple[Path, ...]:
        return (base / self.path,)

    def load(self, base: Path) -> ForceField:
        if self.replaced_when == "loaded":
            (base / self.path).write_text("another")
        found = SpringModel().load(base)
        return Later(found, base / self.path) if self.replaced_when == "asked" else found


class Later(ForceField):
    """Its file is replaced when it is asked first."""

    def __init__(self, springs: ForceField, path: Path) -> None:
        self._springs, self._path = springs, path

    def prepare(self, topology: Any) -> Any:
        self._path.write_text("another")
        return self._springs.prepare(topology)


@pytest.mark.parametrize("when", ["loaded", "asked"])
def test_no_run_is_labelled_by_a_reference_that_was_replaced(tmp_path: Path, when: str) -> None:
    (tmp_path / "reference.pt").write_text("planned")
    reference = Stored(path="reference.pt", replaced_when=when)
    batch = make_batch(
        settings(VelocityVerlet(), 4, reference_every=2),
        SpringModel(),
        triangle(),
        reference=reference,
        reference_digest=digest_of(reference, tmp_path),
        base=str(tmp_path),
    )
    with pytest.raises(CheckpointError, match="the reference's files or code changed after this was planned"):
        run_batch(batch, tmp_path / "out", lambda event: None)
    assert not list((tmp_path / "out").rglob("*.nc"))
    (tmp_path / "reference.pt").write_text("planned")
    sound = Stored(path="reference.pt")
    run_batch(replace(batch, reference=sound, reference_digest=digest_of(sound, tmp_path)), tmp_path / "out", print)
    assert len(list((tmp_path / "out").rglob("*.nc"))) == len(batch.runs)


class Compares(ProbeMetric):
    """Asks the reference."""

    type: Literal["compares"] = "compares"
    quantities = {"x": Quantity("1", "x")}
    needs_reference = True

    def probe(self, subject: Subject) -> xr.Dataset:
        assert subject.reference is not None
        subject.reference.evaluate(subject.structure)
        return xr.Dataset({"x": ((), 1.0, {"units": "1"})})

    def measure(self, run: xr.Dataset) -> dict[str, float]:
        return {"x": 1.0}


@pytest.mark.parametrize("when", ["loaded", "asked"])
def test_no_probe_is_measured_against_a_reference_that_was_replaced(tmp_path: Path, when: str) -> None:
    (tmp_path / "reference.pt").write_text("planned")
    reference = Stored(path="reference.pt", replaced_when=when)
    probe = Probe("m", "s", "compares", Compares(), 1, (1,), "0" * 64)
    batch = ProbeBatch("m", SpringModel(), (probe,), {"s": triangle()}, str(tmp_path), reference)
    batch = replace(batch, reference_digest=digest_of(reference, tmp_path))
    if when == "loaded":
        with pytest.raises(CheckpointError, match="the reference's files"):
            run_probes(batch, tmp_path / "out", lambda event: None)
    else:
        run_probes(batch, tmp_path / "out", lambda event: None)
        problem = ResultsFolder(tmp_path / "out").problem(probe.id, probe.identity)
        assert "the reference's files or code changed" in problem
    assert not list((tmp_path / "out").rglob("*.nc"))


def digest_of(model: Model, base: Path) -> str:
    return hashed(model_facts(model, base))
