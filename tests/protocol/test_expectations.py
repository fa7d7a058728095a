"""Expected ratios between models: their names are checked; and the rules of the M6 protocols agree with each other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.protocol import read_document, validate
from mdprotocol.registry import Registry, build_registry

Write = Callable[..., Path]
PROTOCOLS = Path(__file__).parents[2] / "protocols"
SECOND = ("reference: teacher", "  other: {type: spring, checkpoint: good.json}\nreference: teacher")


def with_expectation(write: Write, text: str) -> Path:
    return write(SECOND, ("recommendations:", f"expectations:\n  speed_up: {text}\nrecommendations:"))


def test_a_ratio_of_two_models_can_be_expected(write: Write, registry: Registry) -> None:
    path = with_expectation(write, "{metric: drift.per_atom, of: good, to: other, min: 1.5, max: 3}")
    found = validate(read_document(path), registry).expectations["speed_up"]
    assert (found.of, found.to, found.min, found.max) == ("good", "other", 1.5, 3.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{metric: drift.per_atom, of: godo, to: other, min: 1}", "there is no model 'godo'"),
        ("{metric: bonds.x, of: good, to: other, min: 1}", "no criterion measures 'bonds'"),
        ("{metric: drift.per_atm, of: good, to: other, min: 1}", "did you mean 'per_atom'"),
        ("{metric: drift.per_atom, of: good, to: other}", "needs `max`, `min` or both"),
        ("{metric: drift.per_atom, of: good, to: other, min: 3, max: 1}", "min 3.0 is above max 1.0"),
        ("{metric: drift.per_atom, of: good, to: other, min: 0}", "it must be above 0"),
    ],
)
def test_a_wrong_expectation_is_refused_at_its_place(write: Write, registry: Registry, text: str, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        validate(read_document(with_expectation(write, text)), registry)
    (problem,) = caught.value.problems
    assert message in str(problem)
    assert "expectations.speed_up" in str(problem)


@pytest.mark.parametrize("name", ["m6_original", "m6_tiny", "m6_ultra_tiny", "m6_phase", "m6_mlff_distiller"])
def test_no_model_can_be_recommended_for_dynamics_and_warned_of_it(name: str) -> None:
    uses = {
        use.use: use for use in validate(read_document(PROTOCOLS / f"{name}.yaml"), build_registry()).recommendations
    }
    assert list(uses) == ["production MD", "pre-equilibration", "energy screening", "not for MD"]
    assert set(uses["not for MD"].if_failed) <= set(uses["pre-equilibration"].requires)
    assert {"must", "should"} <= set(uses["production MD"].requires)


def test_the_phase_names_what_was_promised_of_speed() -> None:
    phase = validate(read_document(PROTOCOLS / "m6_phase.yaml"), build_registry())
    ranges = {e.to: (e.of, e.metric, e.min, e.max) for e in phase.expectations.values()}
    assert ranges == {
        "tiny": ("original", "inference_time.median_ms", 1.5, 3.0),
        "ultra_tiny": ("original", "inference_time.median_ms", 3.0, 5.0),
    }
