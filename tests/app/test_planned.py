"""What was planned is written down: no file of anything else is taken for it, and what was known is not forgotten."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import yaml
from app_kit import PROTOCOL, Gate, outcomes

from mdprotocol.app import UntilDecided, report, stored
from mdprotocol.app.planned import FILE, read_planned
from mdprotocol.consent import Consent, consenting
from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Decision, Outcome


def test_the_plan_says_what_each_file_has_to_be(ran: Gate) -> None:
    folder = ResultsFolder(ran.results)
    planned = read_planned(folder)
    assert planned is not None
    for item, identity in {**planned.runs, **planned.probes}.items():
        attrs = folder.attributes(item + ".nc") or {}
        assert (attrs["identity"], attrs["model_digest"]) == (identity, planned.models["m"])


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


def test_a_probe_has_the_options_that_it_was_run_with(gate: Gate) -> None:
    metric = {"type": "force_consistency", "geometries": 1}
    criteria = {**PROTOCOL["criteria"], "gradient": {"level": "must", "metric": "grad.relative", "max": 0.1}}
    gate.write(metrics={"grad": metric}, criteria=criteria)
    assert gate.run().verdicts[0].decision is Decision.APPROVED
    verdict = gate.judge("metrics.grad.geometries=4").verdicts[0]
    assert verdict.decision is Decision.UNDECIDED
    assert {c.name for c in verdict.criteria if c.outcome is Outcome.NOT_MEASURED} == {"gradient"}


def test_looks_at_the_data_are_not_taken_back(gate: Gate) -> None:
    """Three looks judge each at a higher confidence; judging them as one would be a looser test."""
    gate.run(until=UntilDecided(max_replicas=3))
    said = "replicas could be added at up to 3 looks"
    for finished in (gate.judge("looks=1"), gate.run("looks=1")):
        assert any(said in note for note in finished.verdicts[0].notes)


def test_what_was_dropped_cannot_be_taken_out_of_the_stored_protocol(ran: Gate) -> None:
    ran.run("criteria.size=null")
    path = ran.results / "protocol.yaml"
    content = yaml.safe_load(path.read_text())
    assert content.pop("dropped") == {"size": "null by --set"}
    path.write_text(yaml.safe_dump(content))
    assert ran.judge().verdicts[0].dropped == ("size: null by --set",)
