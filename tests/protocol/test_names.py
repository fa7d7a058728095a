"""Names that hide others, or that a reader or a disk takes for one, are refused at their key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry

Write = Callable[..., Path]


def problems(path: Path, registry: Registry) -> list[str]:
    with pytest.raises(ProtocolError) as caught:
        validate(read_document(path), registry)
    return [str(problem).rpartition("/")[2] for problem in caught.value.problems]


@pytest.mark.parametrize(
    ("old", "new", "place", "parts"),
    [
        ("criteria:\n", "metrics:\n  crash: {type: drift}\ncriteria:\n", "16:3: metrics.crash: ",
         ["would hide the metric 'crash'", "type 'drift'"]),
        ("criteria:\n", "metrics:\n  crash: drift\ncriteria:\n", "16:3: metrics.crash: ", ["would hide"]),
        ("criteria:\n", "metrics:\n  Crash: {type: drift}\ncriteria:\n", "16:3: metrics.Crash: ",
         ["would hide the metric 'crash'"]),
        ("criteria:\n", "metrics:\n  one: {type: drift}\n  ONE: {type: crash}\ncriteria:\n", "17:3: metrics.ONE: ",
         ["too like 'one'"]),
        ("  force:", "  must:", "21:3: criteria.must: ", ["'must' is a level"]),
        ("  force:", "  Nice:", "21:3: criteria.Nice: ", ["'Nice' is a level"]),
        ("  force:", "  DRIFT:", "21:3: criteria.DRIFT: ", ["too like 'drift'"]),
        ("  long:", "  Short:", "8:3: systems.Short: ", ["too like 'short'"]),
        ("  long:", "  short.:", "8:3: systems.short.: ", ["too like 'short'"]),
        ("  good:", "  Reference:", "4:3: models.Reference: ", ["cannot be called 'Reference'"]),
        ("  good:", "  GOOD: {type: spring, checkpoint: good.json}\n  good:", "5:3: models.good: ", ["too like 'GOOD'"]),
        ("criteria:\n", "  NVE: {timestep_fs: 1, duration_ps: 1, temperatures_K: [300]}\ncriteria:\n",
         "15:3: simulations.NVE: ", ["too like 'nve'"]),
    ],
)  # fmt: skip
def test_a_name_that_can_be_taken_for_another_is_refused(
    write: Write, registry: Registry, old: str, new: str, place: str, parts: list[str]
) -> None:
    [message] = problems(write((old, new)), registry)
    assert message.startswith(f"p.yaml:{place}"), message
    assert all(part in message for part in parts), message


def test_expanded_names_that_differ_in_case_are_one(write: Write, registry: Registry) -> None:
    other = "  NVE_1fs: {timestep_fs: 2, duration_ps: 1, temperatures_K: [300]}\n"
    [message] = problems(
        write(("timestep_fs: 0.5", "timestep_fs: [0.5, 1]"), ("criteria:\n", other + "criteria:\n")), registry
    )
    assert "simulations.NVE_1fs: the expanded name 'NVE_1fs' is also one of 'nve'" in message


@pytest.mark.parametrize(
    "metrics", ["drift: {type: drift, skip_ps: 0.1}", "late: {type: drift, skip_ps: 0.1}", "teacher: {type: drift}"]
)
def test_what_hides_nothing_is_allowed(write: Write, registry: Registry, metrics: str) -> None:
    path = write(("criteria:\n", f"metrics:\n  {metrics}\ncriteria:\n"))
    assert len(validate(read_document(path), registry).metrics) == 1


@pytest.mark.parametrize(
    ("where", "place"),
    [
        ("{system: [short, short]}", "21:84: criteria.force.where.system.1: short is a duplicate"),
        ("{temperature: [300, 300.0]}", "21:87: criteria.force.where.temperature.1: 300 is a duplicate"),
        ("{simulation: [nve, nve]}", "21:86: criteria.force.where.simulation.1: nve is a duplicate"),
    ],
)
def test_where_names_a_value_once(write: Write, registry: Registry, where: str, place: str) -> None:
    [message] = problems(write(("{simulation: nve}", where)), registry)
    assert message.startswith(f"p.yaml:{place}; name it once"), message
