"""What has changed since the data was made is listed: criteria and metrics; and runs that lie beside the planned ones."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pytest
from app_kit import PROTOCOL, Gate

from mdprotocol.app import RunOptions, Source, judge, report, run, stored
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision


def test_runs_under_other_seeds_are_counted(ran: Gate) -> None:
    ran.run("seed=4")
    finished = ran.run("seed=5")
    said = "4 further runs of this model under other seeds or settings, 0 failed"
    assert [finished.verdicts[0].further_runs, ran.judge().verdicts[0].further_runs] == [said, said]
    assert said in (ran.results / "verdict.md").read_text()


def test_failed_ones_are_said_to_have_failed(gate: Gate) -> None:
    gate.run("simulations.nve.guards={max_temperature_factor: 1.000001, max_temperature_offset_K: 0}", "simulations.nve."
             "integrator={type: langevin, friction_per_ps: 900}", "simulations.nve.temperatures_K=[1]",
             "simulations.nve.duration_ps=1")  # fmt: skip
    failed = sum(attrs["outcome"] == "failed" for _, attrs in ResultsFolder(gate.results).runs())
    finished = gate.run()
    said = f"2 further runs of this model under other seeds or settings, {failed} failed"
    assert finished.verdicts[0].further_runs == said


def test_runs_of_an_earlier_checkpoint_are_not_runs_of_this_model(ran: Gate) -> None:
    (ran.folder / "weights.txt").write_text("trained on")
    assert ran.run().verdicts[0].further_runs == ""


LOOSER: dict[tuple[str, ...], tuple[str, ...]] = {
    ("criteria.drift.max=1e9",): ("drift.max 1000 → 1e9",),
    ("criteria.drift.level=nice", "criteria.size=null"): ("drift.level must → nice", "size removed"),
    ("criteria.drift.confidence=0.6",): ("drift.confidence 0.95 → 0.6",),
    ("criteria.drift.where={temperature: 300}",): ("drift.where.temperature nothing → 300",),
    ("metrics.drift_of_mine={type: energy_drift}", "criteria.drift.metric=drift_of_mine.per_atom"): (
        "drift.metric energy_drift.per_atom → drift_of_mine.per_atom",
        "metrics.drift_of_mine added",
    ),
    ("recommendations=[{use: everything, requires: [no_crash]}]",): ("recommendations changed",),
}


@pytest.mark.parametrize("sets", LOOSER)
def test_what_is_judged_otherwise_is_listed(ran: Gate, sets: tuple[str, ...]) -> None:
    for finished in (ran.judge(*sets), report(ran.results, stored(ran.results)), ran.run(*sets)):
        assert set(LOOSER[sets]) <= set(finished.verdicts[0].changed)
        for report_file in ("verdict.json", "verdict.md", "junit.xml"):
            assert LOOSER[sets][0].partition(" → ")[0].replace("_", "") in (
                ran.results / report_file
            ).read_text().replace("\\", "").replace("_", "")
        facts = json.loads((ran.results / "provenance.json").read_text())["criteria"]
        assert facts["when_the_data_was_made"]["criteria"]["drift"]["max"] == 1000
        assert facts["now"]
    assert ran.run().verdicts[0].changed == ()
    assert "now" not in json.loads((ran.results / "provenance.json").read_text())["criteria"]


def test_data_taken_over_was_made_for_the_criteria_of_its_folder(ran: Gate) -> None:
    finished = ran.run("criteria.drift.max=1e9", out="S", reuse=(ran.results,))
    assert finished.executed == 0
    assert finished.verdicts[0].changed == ("drift.max 1000 → 1e9",)


def test_data_of_a_folder_that_does_not_say_what_it_was_made_for_may_be_for_any(ran: Gate) -> None:
    (ran.results / "plan.json").unlink()
    finished = ran.run("criteria.drift.max=1e9", out="S", reuse=(ran.results,))
    assert finished.executed == 0
    [changed] = finished.verdicts[0].changed
    assert changed.startswith("the criteria that stood when")
    assert changed.endswith("are not known")


METRIC = """\
from typing import ClassVar, Literal
from mdprotocol.api import Metric, Quantity, hookimpl

class TopSpeed(Metric):
    "Largest speed."
    type: Literal["top_speed"] = "top_speed"
    needs: ClassVar = frozenset({"velocity"})
    quantities: ClassVar = {"max": Quantity("Å/fs", "largest speed", "max")}

    def measure(self, run):
        return {"max": 1.0 * float(abs(run["velocity"]).max())}

@hookimpl
def mdprotocol_metrics():
    return [TopSpeed]
"""


def test_code_of_a_metric_that_changed_after_the_data_is_listed(gate: Gate) -> None:
    """A metric that was made kinder is a bound that was loosened; each command is a process of its own."""
    plugin, kinder = gate.folder / "speed.py", gate.folder / "kinder.py"
    plugin.write_text(METRIC)
    kinder.write_text(METRIC.replace("1.0 *", "1e-9 *"))
    own = {"level": "must", "metric": "top_speed.max", "max": 1e-6}
    gate.write(plugins=["speed.py"], criteria={**PROTOCOL["criteria"], "slow": own})

    def allowed(source: Source) -> Source:
        return replace(source, allow_local=lambda name: True)

    chosen = RunOptions(diagnosis=False)
    first = run(allowed(Source(gate.path)), gate.results, "", lambda event: None, chosen).verdicts[0]
    assert first.decision is Decision.REJECTED
    assert judge(gate.results, allowed(stored(gate.results))).verdicts[0].changed == ()
    other = judge(gate.results, allowed(stored(gate.results, (f"plugins=[{kinder}]",)))).verdicts[0]
    assert (other.decision, other.changed) == (Decision.APPROVED, ("code of metric top_speed changed",))
    assert "code of metric top_speed changed" in (gate.results / "verdict.md").read_text().replace("\\", "")
    assert (
        "top_speed" in json.loads((gate.results / "provenance.json").read_text())["criteria"]["now"]["code_of_metrics"]
    )


def test_new_data_is_judged_by_the_criteria_that_it_was_made_for(ran: Gate) -> None:
    assert ran.run("criteria.drift.max=1e9", fresh=True).verdicts[0].changed == ()


def test_criteria_are_not_forgotten_by_another_plan_between(ran: Gate, interrupted: Any) -> None:
    loose = "criteria.drift.max=1e9"
    interrupted(lambda: ran.run(loose, "seed=4"))
    assert ran.run(loose).verdicts[0].changed == ("drift.max 1000 → 1e9",)


def test_criteria_of_data_from_elsewhere_are_not_known(ran: Gate) -> None:
    for part in ("runs", "probes"):
        shutil.copytree(ran.results / part, ran.folder / "S" / part)
    (line,) = ran.run("criteria.drift.max=1e9", out="S").verdicts[0].changed
    assert line == "the criteria that stood when 3 runs and probes were made are not known"


def test_what_is_no_longer_planned_is_said(gate: Gate) -> None:
    gate.write(systems={**PROTOCOL["systems"], "al": {"type": "bulk", "name": "Al", "cubic": True}})
    gate.run()
    gate.write()
    assert set(gate.run().verdicts[0].changed) == {"m/al no longer planned", "m/al/nve no longer planned"}
