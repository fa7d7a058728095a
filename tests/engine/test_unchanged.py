"""A model that is replaced between the plan and the run is not measured under the name of the one that was planned."""

from pathlib import Path

import pytest

from mdprotocol.engine.unchanged import check_unchanged
from mdprotocol.errors import CheckpointError
from mdprotocol.plan.identity import hashed, model_facts
from plugins.models.ase.model import AseModel

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
