"""The list of properties: one name each, words for what its failure means, and errors that name the nearest."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest

from mdprotocol.api import Metric, Property, Quantity, Sign, hookimpl, properties
from mdprotocol.contracts import PROPERTIES
from mdprotocol.errors import PluginError
from mdprotocol.registry import build_registry


def test_every_property_has_a_name_of_its_own_a_meaning_and_a_cause() -> None:
    assert len({found.name for found in PROPERTIES}) == len(PROPERTIES) >= 12
    assert all(found.meaning and found.failure() == found.cause != "" for found in PROPERTIES)


def test_what_a_property_names_is_in_the_list() -> None:
    names = {found.name for found in PROPERTIES}
    assert all((found.moves or frozenset()) | found.leaves <= names for found in PROPERTIES)


def test_two_of_one_name_are_the_same_in_another_process_too() -> None:
    assert Property("smoothness", "as another plugin would say it") == properties.SMOOTHNESS
    assert pickle.loads(pickle.dumps(properties.SMOOTHNESS)) == properties.SMOOTHNESS
    assert Property("polarisation", "dipoles follow the field").failure() == "broken polarisation"


def test_every_first_party_metric_tests_something_of_the_list() -> None:
    for cls in build_registry().classes("metrics"):
        assert issubclass(cls, Metric)
        assert cls.tests, cls
        assert cls.tests <= set(PROPERTIES), cls


def test_a_property_that_is_not_in_the_list_is_an_error_with_the_nearest() -> None:
    with pytest.raises(AttributeError, match="did you mean SMOOTHNESS"):
        _ = properties.SMOOTHNES  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        (
            {"tests": frozenset({"smoothnes"})},
            "expected a Property, got 'smoothnes'.*did you mean properties.SMOOTHNESS",
        ),
        ({"signs": (Sign("size", 1.0, "curvature", "{}"),)}, "expected a Property, got 'curvature'"),  # type: ignore[arg-type]
        ({"signs": (Sign("length", 1.0, properties.SYMMETRY, "{}"),)}, "no quantity 'length', only size"),
    ],
)
def test_a_plugin_that_declares_what_is_no_property_is_refused(
    declared: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Wrong(Metric):
        """Declares what is no property."""

        type: Literal["wrong"] = "wrong"
        quantities: ClassVar = {"size": Quantity("1", "its size")}

        def measure(self, run: Any) -> Any:
            return {}

    for name, value in declared.items():
        setattr(Wrong, name, value)

    @hookimpl
    def mdprotocol_metrics() -> list[type[Metric]]:
        return [Wrong]

    monkeypatch.setattr("mdprotocol_plugins.metrics.mdprotocol_metrics", mdprotocol_metrics)
    with pytest.raises(PluginError, match=said):
        build_registry()


def test_a_plugin_adds_a_property_by_using_one() -> None:
    own = str(Path(__file__).parents[1] / "faults" / "third_party.py")
    found = build_registry([own]).properties()
    assert found[:-1] == PROPERTIES == build_registry().properties()
    assert found[-1].name == "evenness"
