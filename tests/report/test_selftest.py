"""The report of a self-test: what a reader must find in it, and that it is the same every time."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import replace

from mdprotocol.assess.selftest import Broken, Planted, Power, Trial, false_alarms, see
from mdprotocol.protocol.schema import Criterion, Protocol, SelfTest
from mdprotocol.report.selftest import render_selftest
from mdprotocol.verdicts import Outcome

PASS, FAIL = Outcome.PASS, Outcome.FAIL


def _power() -> tuple[Protocol, Power]:
    criteria = {
        "forces": Criterion.model_validate({"level": "must", "metric": "force_error.rmse", "max": 1}),
        "speed": Criterion.model_validate({"level": "nice", "metric": "time.ms", "max": 1}),
    }
    section = SelfTest(changes={"simulations.nve.duration_ps": 1}, without=["timing"])
    protocol = Protocol.model_construct(name="demo", criteria=criteria, metrics={}, selftest=section)
    sound = Trial("sound", "APPROVED", {"speed": PASS, "forces": PASS})
    curl = Planted("curl", "a swirl | with a bar", 0.05, "eV/Å²", ("force_error",))
    turn = Planted("turn", "depends on orientation", None, "", ("symmetry",))
    caught = see(protocol, curl, sound, Trial("curl", "REJECTED", {"speed": PASS, "forces": FAIL}, {"forces": "3"}), ())
    missed = see(protocol, turn, sound, sound, ("symmetry",))
    return protocol, Power("mine", sound, (caught, missed), false_alarms(protocol, [sound] * 20), 0.9)


def test_the_report_says_what_is_caught_what_is_not_and_what_would_see_it() -> None:
    protocol, power = _power()
    files = render_selftest(protocol, [power], 61.0)
    text = files["selftest.md"].decode()
    assert "the declared power is **not met**" in text
    assert "1 of 2 faults were caught by a criterion that should see them" in text
    assert "0 false alarms in 20 repetitions without a fault: the rate is below 13.9%" in text
    assert "`turn`: a `must` criterion on `symmetry` should see it" in text
    assert "simulations.nve.duration_ps: 1" in text
    assert "`timing`" in text
    assert files["figures/selftest_mine.png"].startswith(b"\x89PNG")


def test_the_data_are_there_too_and_equal_input_gives_equal_bytes() -> None:
    protocol, power = _power()
    files = render_selftest(protocol, [power], 61.0)
    (model,) = json.loads(files["selftest.json"])["models"]
    assert (model["met"], model["as_expected"], model["sound"]["repetitions"]) == (False, 1, 20)
    assert model["faults"][0]["outcomes"] == {"speed": "PASS", "forces": "FAIL"}
    assert render_selftest(protocol, [power], 61.0) == files


def test_a_fault_that_could_not_be_tried_is_shown_with_its_traceback() -> None:
    protocol, power = _power()
    bug = Broken(Planted("bug", "it raises", None, "", ()), {"ZeroDivisionError: no | mass": "Traceback:\n  line 3\n"})
    files = render_selftest(protocol, [dataclasses.replace(power, broken=(bug,))], 61.0)
    text = files["selftest.md"].decode()
    of_none = render_selftest(protocol, [dataclasses.replace(power, broken=(bug,), faults=())], 61.0)
    assert "Nothing that could be tried goes unseen." in of_none["selftest.md"].decode()
    assert "the declared power is **not known**" in text
    assert "1 more could not be tried, because of errors of this self-test" in text
    assert "### Error: `bug` could not be tried" in text
    assert "\n    Traceback:\n      line 3\n" in text
    assert "1 of 2 faults were caught" in text
    (model,) = json.loads(files["selftest.json"])["models"]
    assert model["met"] is False
    assert model["broken"][0]["problems"] == {"ZeroDivisionError: no | mass": "Traceback:\n  line 3\n"}


def test_a_fault_that_no_metric_is_there_for_says_so() -> None:
    protocol, power = _power()
    sound = power.baseline
    odd = Planted("odd", "something else", None, "", (), ("polarisation",))
    missed = see(protocol, odd, sound, Trial("odd", "REJECTED", {"speed": PASS, "forces": FAIL}), ("force_error",))
    assert (missed.caught, missed.as_expected) == (True, False)
    text = render_selftest(protocol, [replace(power, faults=(missed,))], 1.0)["selftest.md"].decode()
    assert "- `odd`: it breaks polarisation, which no metric tests." in text
