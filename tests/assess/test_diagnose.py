"""Which broken property explains which failed criterion: by what the metrics test, with no metric named in the rules."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import pytest

from mdprotocol.api import Metric, ProbeMetric, Property, Quantity, Sign, properties
from mdprotocol.assess.diagnose import Row, can_move, diagnose, in_order, without_physics
from mdprotocol.plan.followup import PROBE
from mdprotocol.registry import build_registry
from mdprotocol.verdicts import CriterionResult, Decision, Diagnosis, Level, ModelVerdict, Outcome

METRICS: dict[str, Any] = {cls.type_name(): cls(type=cls.type_name()) for cls in build_registry().classes("metrics")}
POLARISATION = Property("polarisation", "dipoles follow the field", cause="frozen dipoles")


class Dipoles(ProbeMetric):
    """Whether dipoles follow the field (of another plugin)."""

    type: Literal["dipoles"] = "dipoles"
    quantities: ClassVar = {"lag": Quantity("1", "how far they stay behind", "max")}
    tests: ClassVar = frozenset({POLARISATION})
    signs: ClassVar = (Sign("lag", 0.1, POLARISATION, "dipoles stay behind by {:.2g}"),)

    def probe(self, subject: Any) -> Any:
        raise AssertionError("not here")

    def measure(self, run: Any) -> Any:
        return {}


def failed(metric: str, quantity: str) -> ModelVerdict:
    result = CriterionResult("mine", Level.MUST, "", f"{metric}.{quantity}", "", None, 0.0, Outcome.FAIL)
    return ModelVerdict("model", Decision.REJECTED, (), (result,))


def causes(metric: Metric, quantity: str, *rows: tuple[str, float]) -> list[Diagnosis]:
    probes = [m for m in (*METRICS.values(), Dipoles()) if isinstance(m, ProbeMetric)]
    found = [Row(PROBE, name, "water", (), value, "") for name, value in rows]
    return list(diagnose(failed(metric.type, quantity), {metric.type: metric}, found, probes))


@pytest.mark.parametrize(
    ("broken", "moved", "unmoved"),
    [
        (properties.CONSERVATIVE, ["force_error", "energy_drift", "stability"], []),
        (properties.MEMORYLESS, ["force_error", "energy_drift"], []),
        (properties.SYMMETRY, ["force_error", "stability", "temperature"], ["energy_drift", "reversibility"]),
        (properties.SMOOTHNESS, ["energy_drift", "stability"], ["force_error", "bond_lengths"]),
        (properties.SHORT_RANGE, ["stability", "survival"], ["energy_drift", "temperature", "force_error"]),
    ],
)
def test_a_broken_property_moves_what_it_declares(broken: Property, moved: list[str], unmoved: list[str]) -> None:
    assert [name for name in moved if not can_move(broken, METRICS[name])] == []
    assert [name for name in unmoved if can_move(broken, METRICS[name])] == []


def test_time_memory_and_records_have_no_cause_in_the_physics() -> None:
    without = {name for name, metric in METRICS.items() if without_physics(metric)}
    assert without == {"inference_time", "resources", "kernel_error", "masses"}


def test_quick_probes_come_first() -> None:
    probes = [m for m in METRICS.values() if isinstance(m, ProbeMetric) and m.signs]
    assert [p.type for p in in_order(probes)] == ["symmetry", "smoothness", "short_range_wall", "force_consistency"]


def test_a_metric_of_another_plugin_names_the_cause_of_a_first_party_criterion() -> None:
    (cause,) = causes(METRICS["force_error"], "rmse", ("dipoles.lag", 0.5), ("symmetry.rotation_force", 0.0))
    assert (cause.cause, cause.evidence) == ("frozen dipoles", "dipoles stay behind by 0.5 (water)")


def test_a_criterion_on_it_names_what_it_recognises_and_nothing_else() -> None:
    rows = (("dipoles.lag", 0.5), ("symmetry.rotation_force", 1.0))
    assert [cause.cause for cause in causes(Dipoles(), "lag", *rows)] == ["frozen dipoles"]
    assert causes(Dipoles(), "lag", ("dipoles.lag", 0.05)) == []


def test_a_metric_that_declares_nothing_is_explained_by_whatever_is_broken() -> None:
    class Plain(Metric):
        """Declares nothing."""

        type: Literal["plain"] = "plain"
        quantities: ClassVar = {"x": Quantity("1", "x")}

        def measure(self, run: Any) -> Any:
            return {}

    assert [c.cause for c in causes(Plain(), "x", ("smoothness.energy_jump", 30.0))] == ["energy discontinuity"]
