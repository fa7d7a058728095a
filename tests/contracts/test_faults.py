"""A fault as a component: its words, its size, and what a plugin that brings one is told."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field, ValidationError

from mdprotocol.api import Fault, LabelFault, Size, SkippedFault, hookimpl, properties
from mdprotocol.contracts import PLANTABLE
from mdprotocol.errors import PluginError
from mdprotocol.registry import build_registry


class Lazy(SkippedFault):
    """Some simulations were never run.

    So many of them.
    """

    type: Literal["lazy"] = "lazy"
    count: Annotated[int, Field(ge=1)] = 2
    sized: ClassVar = Size("count", "1")
    breaks: ClassVar = frozenset({properties.EVIDENCE})

    def skipped(self, simulations: Sequence[str]) -> Collection[str]:
        return simulations[: self.count]


class Acronym(SkippedFault):
    """NVE runs are missing."""

    type: Literal["acronym"] = "acronym"
    breaks: ClassVar = frozenset({properties.EVIDENCE})

    def skipped(self, simulations: Sequence[str]) -> Collection[str]:
        return [name for name in simulations if name == "nve"]


def test_a_fault_says_what_is_wrong_as_a_part_of_a_sentence() -> None:
    assert Lazy().what == "some simulations were never run"
    assert Acronym().what == "NVE runs are missing"


def test_the_size_is_an_option_and_a_part_of_its_label() -> None:
    assert (Lazy().size, Lazy().label, Acronym().size, Acronym().label) == (2.0, "lazy 2", None, "acronym")
    assert Lazy().of_size(1) == Lazy(count=1)
    with pytest.raises(ValidationError):
        Lazy().of_size(0)
    with pytest.raises(ValueError, match="'acronym' has no size, so it cannot be 3"):
        Acronym().of_size(3)


class Aimless(Fault):
    """It changes nothing that there is."""

    type: Literal["aimless"] = "aimless"
    breaks: ClassVar = frozenset({properties.EVIDENCE})


class Silent(LabelFault):
    """It does not say what it breaks."""

    type: Literal["silent"] = "silent"

    def labelled_by(self, model: Any, reference: Any) -> Any:
        return model


class Demanding(Silent):
    """It cannot be planted without an option."""

    type: Literal["demanding"] = "demanding"  # type: ignore[assignment]
    breaks: ClassVar = frozenset({properties.INDEPENDENCE})
    share: float


class Misspelt(Silent):
    """It breaks a word."""

    type: Literal["misspelt"] = "misspelt"  # type: ignore[assignment]
    breaks: ClassVar = frozenset({"independance"})


class Unsized(Silent):
    """Its size is nowhere."""

    type: Literal["unsized"] = "unsized"  # type: ignore[assignment]
    breaks: ClassVar = frozenset({properties.INDEPENDENCE})
    sized: ClassVar = Size("share", "1")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Aimless, f"none of the bases that say what a fault changes: {PLANTABLE[0].__name__}"),
        (Silent, "declares no property that it `breaks`"),
        (Demanding, "needs a default for share"),
        (Misspelt, "`breaks`: expected a Property, got 'independance'.*did you mean properties.INDEPENDENCE"),
        (Unsized, "`sized`: it has no option 'share'"),
    ],
)
def test_a_plugin_with_a_fault_that_cannot_be_planted_is_refused(
    fault: type[Fault], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    @hookimpl
    def mdprotocol_faults() -> list[type[Fault]]:
        return [fault]

    monkeypatch.setattr("mdprotocol_plugins.faults.mdprotocol_faults", mdprotocol_faults)
    with pytest.raises(PluginError, match=said):
        build_registry()
