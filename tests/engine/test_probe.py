"""Probes: one that has no answer is stored as failed, with its reason; one that breaks is reported and leaves no file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
import xarray as xr
from engine_kit import SpringModel, triangle

from mdprotocol.api import NoAnswer, NotMeasurable, ProbeMetric, Quantity, StructureError
from mdprotocol.assess.measuring import Part, measure_part
from mdprotocol.engine.events import ProbeFinished
from mdprotocol.engine.probe import run_probes
from mdprotocol.errors import Interrupted
from mdprotocol.plan.types import Probe, ProbeBatch
from mdprotocol.protocol.schema import LabelRules
from mdprotocol.store import ResultsFolder


class Asked(ProbeMetric):
    """Does what its test says."""

    type: Literal["asked"] = "asked"
    quantities: ClassVar = {"q": Quantity("1", "q")}
    does: ClassVar[dict[str, Callable[[], Any]]] = {}
    how: str = "answers"

    def probe(self, subject: Any) -> xr.Dataset:
        return self.does[self.how]()

    def measure(self, run: xr.Dataset) -> Any:
        return {"q": float(run["q"])}


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


@pytest.fixture
def probed(tmp_path: Path) -> Callable[..., tuple[Any, dict[str, str], ResultsFolder, list[Any]]]:
    """Do probes of these kinds; their failures, what is measured of each, the folder, and the events."""

    def do(**does: Callable[[], Any]) -> tuple[Any, dict[str, str], ResultsFolder, list[Any]]:
        Asked.does = does
        events: list[Any] = []
        probes = tuple(Probe("m", "s", how, Asked(how=how), 1, (1,), how * 8) for how in does)
        failures = run_probes(ProbeBatch("m", SpringModel(), probes, {"s": triangle()}, "."), tmp_path, events.append)
        part = Part(tmp_path, {how: Asked(how=how) for how in does}, frozenset(), LabelRules(), probes=probes)
        found = measure_part(part)
        reasons = {how: found.reading(f"{how}.q", probe.id).reason for how, probe in zip(does, probes, strict=True)}
        return failures, reasons, ResultsFolder(tmp_path), [e for e in events if isinstance(e, ProbeFinished)]

    return do


def test_a_probe_without_an_answer_is_stored_with_its_reason(probed: Any) -> None:
    refusals = {
        "metric": NotMeasurable("no pairs"),
        "label": NoAnswer("no SCF"),
        "model": StructureError("no Cu"),
    }
    failures, reasons, folder, finished = probed(**{how: raising(error) for how, error in refusals.items()})
    assert failures == {}
    assert reasons == {how: f"the probe failed: {error}" for how, error in refusals.items()}
    for how, error in refusals.items():
        stored = folder.attributes(f"probes/m/s/{how}.nc")
        assert stored is not None
        assert (stored["outcome"], stored["failure_detail"], stored["identity"]) == ("failed", str(error), how * 8)
    assert [event.problem for event in finished] == [""] * len(refusals)


def test_a_probe_that_breaks_is_a_failure_and_costs_no_other(probed: Any) -> None:
    answer = xr.Dataset({"q": ((), 1.0, {"units": "1"})})
    failures, reasons, folder, finished = probed(breaks=raising(ZeroDivisionError("0 atoms")), answers=lambda: answer)
    assert list(failures) == ["probes/m/s/breaks"]
    (failure,) = failures.values()
    assert str(failure) == "ZeroDivisionError: 0 atoms"
    assert "test_probe.py" in failure.traceback
    assert reasons == {"breaks": "the probe failed: ZeroDivisionError: 0 atoms", "answers": ""}
    assert folder.identity("probes/m/s/breaks.nc") is None
    assert [event.problem for event in finished] == ["ZeroDivisionError: 0 atoms", ""]


def test_who_is_asked_to_stop_stops(probed: Any) -> None:
    with pytest.raises(Interrupted):
        probed(stops=raising(Interrupted(2)))
