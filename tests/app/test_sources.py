"""Where a protocol comes from, and what it may load: nothing that is not installed, unless the caller allows it."""

from __future__ import annotations

from pathlib import Path

import pytest
from app_kit import Gate

from mdprotocol.app import Source, prepare, stored
from mdprotocol.app.sources import existing
from mdprotocol.errors import ProtocolError, UsageError

PLUGIN = """\
from typing import ClassVar, Literal
from mdprotocol.api import Metric, Quantity, hookimpl

class OwnMetric(Metric):
    "A metric of the user's own."
    type: Literal["own_metric"] = "own_metric"
    quantities: ClassVar = {"x": Quantity("1", "x")}

    def measure(self, run):
        return {"x": 1.0}

@hookimpl
def mdprotocol_metrics():
    return [OwnMetric]
"""


@pytest.fixture
def local(gate: Gate) -> Path:
    """A protocol that names plugin code beside it."""
    (gate.folder / "own.py").write_text(PLUGIN)
    return gate.write(plugins=["own.py"])


def test_overrides_are_part_of_the_protocol(gate: Gate) -> None:
    prepared = prepare(Source(gate.path, ("seed=9", "simulations.nve.replicas=3")))
    assert (prepared.protocol.seed, prepared.protocol.simulations["nve"].replicas) == (9, 3)
    assert prepared.base == gate.folder


def test_files_of_models_are_demanded_only_where_asked(gate: Gate) -> None:
    (gate.folder / "weights.txt").unlink()
    assert prepare(Source(gate.path)).protocol.name == "gate"
    with pytest.raises(ProtocolError, match=r"weights\.txt"):
        prepare(Source(gate.path), files=True)


def test_code_that_a_protocol_names_is_refused_at_its_place_with_the_way_out(local: Path) -> None:
    with pytest.raises(ProtocolError, match=r"gate\.yaml:\d+:\d+: plugins\.0: .*'own\.py'.*--allow-local-plugins"):
        prepare(Source(local))


def test_a_module_that_no_package_brings_is_refused(gate: Gate) -> None:
    with pytest.raises(ProtocolError, match=r"plugins\.0: .*the module 'json' as a plugin, but no installed package"):
        prepare(Source(gate.write(plugins=["json"])))


def test_with_leave_it_is_loaded(local: Path) -> None:
    asked: list[str] = []

    def allow(name: str) -> bool:
        asked.append(name)
        return True

    assert "own_metric" in prepare(Source(local, allow_local=allow)).registry.names("metrics")
    assert asked == ["own.py"]


def test_what_the_user_typed_needs_no_leave(gate: Gate, local: Path) -> None:
    gate.write()
    prepared = prepare(Source(gate.path, plugins=(str(gate.folder / "own.py"),)))
    assert "own_metric" in prepared.registry.names("metrics")


def test_a_results_folder_brings_its_own_protocol(ran: Gate) -> None:
    source = stored(ran.results, ("criteria.drift.max=7",))
    prepared = prepare(source)
    assert source.path == ran.results / "protocol.yaml"
    assert (prepared.protocol.name, prepared.protocol.criteria["drift"].max) == ("gate", 7)
    assert prepare(source, files=True)  # its files are found from there


def test_a_folder_without_a_protocol_is_no_results_folder(tmp_path: Path) -> None:
    for call in (existing, stored):
        with pytest.raises(UsageError, match=r"is not a results folder \(it has no protocol\.yaml\)"):
            call(tmp_path)
