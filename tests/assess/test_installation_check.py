"""Runs that only check an installation recommend nothing, whatever the verdict."""

from __future__ import annotations

import pytest

from mdprotocol.verdicts import Decision

LOW = {"level": "must", "metric": "level.mean", "max": 1}
PROBED = {"level": "must", "metric": "examined.found", "max": 10}
USES = [{"use": "MD", "requires": ["must"]}, {"use": "not for MD", "if_failed": ["must"]}]


def judged(world, spread, criteria, centre=0.5, **extra):
    """Runs of 1 ps, and probes that find 3."""
    made = world(criteria, extra={"recommendations": USES} | extra)
    for probe in made.probes:
        made.write_probe(probe, 3.0)
    return made.fill(spread(centre, 0.01)).judge()


def test_what_declares_itself_a_check_recommends_nothing(world, spread):
    verdict = judged(world, spread, {"low": LOW}, installation_check=True, least_length_ps=0)
    assert verdict.decision is Decision.APPROVED
    assert verdict.installation_check == "the protocol declares itself one"
    assert [use.granted for use in verdict.recommendations] == [False, False]
    assert verdict.recommendations[0].reason == f"check of the installation: {verdict.installation_check}"


@pytest.mark.parametrize(
    ("criteria", "least", "reason"),
    [
        ({"low": LOW}, 5, "takes 1 ps; below 5 ps"),
        ({"low": LOW}, 1.001, "takes 1 ps; below 1.001 ps"),
        ({"low": LOW}, 1, ""),
        ({"low": LOW}, 0, ""),
        ({"probed": PROBED}, 5, "no must criterion draws on a run; below 5 ps"),
        ({"probed": PROBED}, 0, ""),
        ({"probed": PROBED, "low": LOW | {"level": "should"}}, 1, "no must criterion draws on a run; below 1 ps"),
        ({"probed": PROBED, "low": LOW}, 1, ""),
    ],
)
def test_the_longest_run_of_a_must_criterion_has_to_be_long_enough(world, spread, criteria, least, reason):
    verdict = judged(world, spread, criteria, least_length_ps=least)
    assert verdict.decision is Decision.APPROVED
    assert (reason in verdict.installation_check) if reason else verdict.installation_check == ""
    assert verdict.recommendations[0].granted is not bool(reason)


def test_five_picoseconds_are_the_default(world, spread):
    assert "least_length_ps" in judged(world, spread, {"low": LOW}).installation_check


def test_warnings_are_given_all_the_same(world, spread):
    verdict = judged(world, spread, {"low": LOW}, centre=3.0, installation_check=True)
    assert [(use.warning, use.granted) for use in verdict.recommendations] == [(False, False), (True, True)]
