"""A verdict is about what was run: no file, measurement or protocol of anything else is taken for it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import pytest
import yaml

from mdprotocol.app import Finished, RunOptions, Source, UntilDecided, judge, report, run, running, stored
from mdprotocol.app.planned import FILE, read_planned
from mdprotocol.consent import Consent, consenting
from mdprotocol.errors import Interrupted, StoreError, UsageError
from mdprotocol.report import build
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision, Outcome

PROTOCOL: dict[str, Any] = {
    "mdprotocol": 1,
    "name": "gate",
    "seed": 3,
    "models": {"m": {"type": "ase", "calculator": "ase.calculators.emt:EMT", "data_files": ["weights.txt"]}},
    "systems": {"copper": {"type": "bulk", "name": "Cu", "cubic": True}},
    "simulations": {
        "nve": {
            "integrator": {"type": "velocity_verlet"},
            "timestep_fs": 2,
            "duration_ps": 0.1,
            "temperatures_K": [300],
            "replicas": 2,
            "record_every_fs": 2,
        }
    },
    "criteria": {
        "no_crash": {"level": "must", "metric": "stability.crashed", "max": 0},
        "drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 1000},
        "size": {"level": "must", "metric": "resources.parameters", "max": 10},
    },
    "reports": [{"type": "json"}, {"type": "markdown"}, {"type": "junit"}],
    "executor": {"type": "serial"},
}
"""Copper by EMT: a real model that costs nothing; `weights.txt` is a file that it names."""


class Gate:
    """A protocol and its results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results, self.path = folder, folder / "R", folder / "gate.yaml"
        (folder / "weights.txt").write_text("good")
        self.write()

    def write(self, file: str = "gate.yaml", /, **changes: Any) -> Path:
        path = self.folder / file
        path.write_text(yaml.safe_dump({**PROTOCOL, **changes}))
        return path

    def run(self, *sets: str, path: Path | None = None, out: str = "R", **options: Any) -> Finished:
        chosen = RunOptions(diagnosis=False, **options)
        return run(Source(path or self.path, sets), self.folder / out, "", lambda event: None, chosen)

    def judge(self, *sets: str, path: Path | None = None) -> Finished:
        return judge(self.results, Source(path, sets) if path else stored(self.results, sets))

    def snapshot(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.results)): p.read_bytes()
            for p in sorted(self.results.rglob("*.*"))
            if p.is_file() and p.name != ".lock"
        }


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setattr(build, "draw", lambda report, spread=None: ())  # figures take longer than all the rest
    return Gate(tmp_path)


@pytest.fixture
def ran(gate: Gate) -> Gate:
    """The same after a run that approved the model."""
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    return gate


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Ctrl-C before the first step of a run."""

    def ctrl_c(*arguments: Any) -> None:
        raise Interrupted(2)

    def interrupt(call: Callable[[], Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(running, "_simulate", ctrl_c)
            with pytest.raises(Interrupted):
                call()

    return interrupt


def outcomes(finished: Finished) -> set[Outcome]:
    return {criterion.outcome for verdict in finished.verdicts for criterion in verdict.criteria}


# ------------------------------------------------------------------------------------------------- another model, no step


OTHERS: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "model": {"models": {"m": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}}},
    "option of a model": {"models": {"m": {**PROTOCOL["models"]["m"], "arguments": {"asap_cutoff": True}}}},
    "system": {"systems": {"copper": {"type": "bulk", "name": "Al", "cubic": True}}},
    "every model": {"models": {"another": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}}},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_folder_of_another_protocol_is_not_written_into(ran: Gate, other: str) -> None:
    before = ran.snapshot()
    with pytest.raises(UsageError, match=r"holds the results of another protocol .* → .*--fresh"):
        ran.run(path=ran.write("bad.yaml", **OTHERS[other]))
    assert ran.snapshot() == before


@pytest.mark.parametrize("look", ["judge", "report"])
def test_started_over_and_interrupted_nothing_is_approved(ran: Gate, look: str, interrupted: Any) -> None:
    bad = ran.write("bad.yaml", models=OTHERS["model"]["models"])
    interrupted(lambda: ran.run(path=bad, fresh=True))
    finished = ran.judge() if look == "judge" else report(ran.results, stored(ran.results))
    assert finished.verdicts[0].decision is Decision.UNDECIDED
    assert outcomes(finished) == {Outcome.NOT_MEASURED}
    assert finished.verdicts[0].runs_missing == 2


@pytest.mark.parametrize("look", ["judge", "report"])
def test_a_replaced_checkpoint_has_no_verdict_before_it_was_run(ran: Gate, look: str, interrupted: Any) -> None:
    (ran.folder / "weights.txt").write_text("bad")
    at_once = ran.judge() if look == "judge" else report(ran.results, stored(ran.results))
    interrupted(ran.run)
    assert not (ran.results / "verdict.json").exists()  # it was about the other checkpoint
    later = ran.judge() if look == "judge" else report(ran.results, stored(ran.results))
    for finished in (at_once, later):
        assert finished.verdicts[0].decision is Decision.UNDECIDED
        assert outcomes(finished) == {Outcome.NOT_MEASURED}
    assert ran.run().executed == 2
    assert ran.judge().verdicts[0].decision is Decision.APPROVED


def test_a_checkpoint_that_is_not_at_hand_does_not_keep_from_judging(ran: Gate) -> None:
    (ran.folder / "weights.txt").unlink()
    assert ran.judge().verdicts[0].decision is Decision.APPROVED


def test_files_of_one_model_are_no_files_of_another(gate: Gate, interrupted: Any) -> None:
    models = {"m": PROTOCOL["models"]["m"], "bad": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}}
    gate.write(models=models)
    interrupted(gate.run)
    gate.write(models={"m": models["m"]})
    gate.run()
    for part in ("runs", "probes"):
        shutil.copytree(gate.results / part / "m", gate.results / part / "bad")
    gate.write(models=models)
    interrupted(gate.run)
    bad, good = sorted(gate.judge().verdicts, key=lambda verdict: verdict.model)
    assert (good.decision, bad.decision) == (Decision.APPROVED, Decision.UNDECIDED)
    assert {criterion.outcome for criterion in bad.criteria} == {Outcome.NOT_MEASURED}
    assert bad.runs_missing == 2


def test_measurements_of_another_folder_are_not_reported(ran: Gate) -> None:
    ran.run("criteria.drift.max=1e-9", "seed=5", out="S")
    shutil.copy(ran.folder / "S/measurements.nc", ran.results / "measurements.nc")
    finished = report(ran.results, stored(ran.results))
    samples = {run: s for c in finished.verdicts[0].criteria for x in c.conditions
               for run, s in zip(x.measurement.runs, x.measurement.samples, strict=True)}  # fmt: skip
    again = ran.judge()
    assert samples == {run: s for c in again.verdicts[0].criteria for x in c.conditions
                       for run, s in zip(x.measurement.runs, x.measurement.samples, strict=True)}  # fmt: skip


def test_a_folder_that_does_not_say_what_was_planned_has_no_verdict(ran: Gate) -> None:
    (ran.results / FILE).unlink()
    finished = ran.judge()
    assert finished.verdicts[0].decision is Decision.UNDECIDED
    assert outcomes(finished) == {Outcome.NOT_MEASURED}
    assert ran.run().verdicts[0].decision is Decision.APPROVED  # the same command mends it, and simulates nothing


@pytest.mark.parametrize("content", ["[]", "{", '{"protocol": 3}', '{"protocol": {}, "runs": {"a": 3}}'])
def test_a_damaged_plan_is_one_clear_error(ran: Gate, content: str) -> None:
    (ran.results / FILE).write_text(content)
    with pytest.raises(StoreError, match=r"plan\.json"):
        ran.judge()


# ------------------------------------------------------------------------------------------ judging changes criteria only


DATA = {
    "models.m.calculator=ase.calculators.lj:LennardJones": "models.m.calculator: ase.calculators.emt:EMT → ase.calc",
    "models.m.data_files=[]": "models.m.data_files",
    "systems.copper.name=Al": "systems.copper.name: Cu → Al",
    "seed=4": "seed: 3 → 4",
    "name=other": "name: gate → other",
    "simulations.nve.duration_ps=0.01": r"simulations.nve.duration_ps: 0.1 → 0.01",
    "simulations.nve.replicas=1": "simulations.nve.replicas: 2 → 1",
    "simulations.nve.guards.bond_stretch=null": r"simulations.nve.guards.bond_stretch: 1.8 → nothing",
}


@pytest.mark.parametrize("change", DATA)
def test_judging_changes_no_data(ran: Gate, change: str) -> None:
    before = ran.snapshot()
    for call in (
        lambda: ran.judge(change),
        lambda: report(ran.results, stored(ran.results, (change,))),
    ):
        with pytest.raises(UsageError, match=DATA[change]):
            call()
    assert ran.snapshot() == before


def test_another_protocol_is_judged_by_only_where_its_data_is_the_same(ran: Gate) -> None:
    """The same content under another path is the same; whoever names another model is refused."""
    elsewhere = ran.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ran.folder / "weights.txt", elsewhere / "w.txt")
    model = {**PROTOCOL["models"]["m"], "data_files": ["w.txt"]}
    same = ran.write("elsewhere/same.yaml", models={"m": model})
    assert ran.judge(path=same).verdicts[0].decision is Decision.APPROVED
    (elsewhere / "w.txt").write_text("bad")
    with pytest.raises(UsageError, match="holds the data of another protocol"):
        ran.judge(path=same)


def test_a_protocol_edited_by_hand_is_refused(ran: Gate) -> None:
    path = ran.results / "protocol.yaml"
    path.write_text(path.read_text().replace("emt:EMT", "lj:LennardJones"))
    with pytest.raises(UsageError, match=r"models\.m\.calculator"):
        ran.judge()


# --------------------------------------------------------------------------------------------------------- further runs


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


# ------------------------------------------------------------------------------------------------- loosened after the data


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


def test_looks_at_the_data_are_not_taken_back(gate: Gate) -> None:
    """Three looks judge each at a higher confidence; judging them as one would be a looser test."""
    gate.run(until=UntilDecided(max_replicas=3))
    said = "replicas could be added at up to 3 looks"
    for finished in (gate.judge("looks=1"), gate.run("looks=1")):
        assert any(said in note for note in finished.verdicts[0].notes)


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


def test_a_probe_has_the_options_that_it_was_run_with(gate: Gate) -> None:
    metric = {"type": "force_consistency", "geometries": 1}
    criteria = {**PROTOCOL["criteria"], "gradient": {"level": "must", "metric": "grad.relative", "max": 0.1}}
    gate.write(metrics={"grad": metric}, criteria=criteria)
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    verdict = gate.judge("metrics.grad.geometries=4").verdicts[0]
    assert verdict.decision is Decision.UNDECIDED
    assert {c.name for c in verdict.criteria if c.outcome is Outcome.NOT_MEASURED} == {"gradient"}


def test_a_report_needs_the_evidence(ran: Gate) -> None:
    shutil.rmtree(ran.results / "runs")
    assert report(ran.results, stored(ran.results)).verdicts[0].decision is Decision.UNDECIDED


def test_what_was_dropped_cannot_be_taken_out_of_the_stored_protocol(ran: Gate) -> None:
    ran.run("criteria.size=null")
    path = ran.results / "protocol.yaml"
    content = yaml.safe_load(path.read_text())
    assert content.pop("dropped") == {"size": "null by --set"}
    path.write_text(yaml.safe_dump(content))
    assert ran.judge().verdicts[0].dropped == ("size: null by --set",)


def test_starting_over_deletes_nothing_but_results(gate: Gate) -> None:
    mine = gate.results / "figures" / "paper.pdf"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(UsageError, match="not a results folder"):
        gate.run(fresh=True)
    assert mine.read_text() == "mine"
    gate.run(out=".")
    with pytest.raises(UsageError, match="holds the protocol itself"):
        gate.run(out=".", fresh=True)
    assert gate.path.exists()


def test_the_plan_says_what_each_file_has_to_be(ran: Gate) -> None:
    folder = ResultsFolder(ran.results)
    planned = read_planned(folder)
    assert planned is not None
    for item, identity in {**planned.runs, **planned.probes}.items():
        attrs = folder.attributes(item + ".nc") or {}
        assert (attrs["identity"], attrs["model_digest"]) == (identity, planned.models["m"])


def test_comparing_says_whose_criteria_were_changed(ran: Gate, capsys: pytest.CaptureFixture[str]) -> None:
    from mdprotocol.cli import main

    ran.run(out="S")
    ran.judge("criteria.drift.max=1e9")
    assert main(["compare", str(ran.results), str(ran.folder / "S")]) == 0
    assert capsys.readouterr().out.endswith("A: changed after the data: 1 criterion: drift.max 1000 → 1e9\n")


def test_code_of_the_users_own_that_was_edited_has_no_verdict_before_it_was_run(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:

    (gate.folder / "my_emt.py").write_text("from ase.calculators.emt import EMT\nclass Mine(EMT):\n    pass\n")
    monkeypatch.syspath_prepend(gate.folder)
    gate.write(models={"m": {"type": "ase", "calculator": "my_emt:Mine"}})
    with consenting(Consent.LOCAL_PLUGINS):
        assert gate.run().verdicts[0].decision is Decision.APPROVED
    (gate.folder / "my_emt.py").write_text(
        "from ase.calculators.emt import EMT\nclass Mine(EMT):\n    pass  # better\n"
    )
    assert outcomes(gate.judge()) == {Outcome.NOT_MEASURED}
    (gate.folder / "my_emt.py").unlink()
    assert gate.judge().verdicts[0].decision is Decision.APPROVED  # as on a reviewer's machine


def test_a_file_says_whose_it_is(ran: Gate) -> None:
    """A run of equal identity under another name (two models from one checkpoint) is not this one's."""
    from mdprotocol.store.seal import seal

    path = ran.results / "runs/m/copper/nve/T300K_r0.nc"
    path.write_bytes(path.read_bytes()[:-40])  # without its seal
    with netCDF4.Dataset(path, "a") as file:
        file.setncattr("model", "twin")
    seal(path)
    finished = ran.judge()
    assert finished.verdicts[0].decision is Decision.UNDECIDED
    reasons = {c.measurement.reason for criterion in finished.verdicts[0].criteria for c in criterion.conditions}
    assert any("it says model twin" in reason for reason in reasons)


def test_planned_runs_that_are_missing_leave_the_verdict_open(gate: Gate) -> None:
    """Whoever draws on them: a model is not approved while some of what was planned has not been seen."""
    criteria = {"size": PROTOCOL["criteria"]["size"], "crash": {**PROTOCOL["criteria"]["no_crash"], "level": "nice"}}
    gate.write(criteria=criteria)
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    (gate.results / "runs/m/copper/nve/T300K_r1.nc").unlink()
    verdict = gate.judge().verdicts[0]
    assert verdict.decision is Decision.UNDECIDED
    assert verdict.reasons[0] == "1 planned run is missing"


def test_guards_that_see_little_are_in_the_head(gate: Gate) -> None:
    finished = gate.run("simulations.nve.guards={bond_stretch: 1000, new_bond: null, check_every_fs: 1e6}")
    assert [line.partition(",")[0] for line in finished.verdicts[0].guards] == [
        "nve: bond_stretch: lets bonds grow to 1000 times their length",
        "nve: new_bond: is off",
        "nve: check_every_fs: guards look every 1e+06 fs only",
    ]
    assert "lets bonds grow to 1000 times" in (gate.results / "verdict.md").read_text()
