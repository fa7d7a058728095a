"""Reporters, and all that they may show."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mdprotocol.contracts.base import Component
from mdprotocol.contracts.roles import Role
from mdprotocol.verdicts import CriterionResult, Measurement, ModelVerdict

if TYPE_CHECKING:
    import xarray as xr


@dataclass(frozen=True)
class RunRow:
    """One run in a report's table of runs."""

    run: str
    model: str
    system: str
    simulation: str
    temperature_K: float
    replica: int
    outcome: str
    failure: str = ""
    time_ps: float = math.nan
    """How long it ran: until its failure, or to its end; NaN where it is missing."""


@dataclass(frozen=True)
class Figure:
    """One figure of a report.

    Attributes:
        path: relative path in the results folder, `figures/<name>.png`.
        title, caption: one line; what to look for.
        png: the picture; empty where there was nothing to draw.
        missing: why there is no picture, else empty.
        model: the model it shows; empty where it shows all.
    """

    path: str
    title: str
    caption: str
    png: bytes = b""
    missing: str = ""
    model: str = ""


@dataclass(frozen=True)
class Report:
    """All that a reporter may show. Nothing is computed from it but layout."""

    name: str
    description: str
    verdicts: Sequence[ModelVerdict]
    measurements: Sequence[Measurement]
    runs: Sequence[RunRow]
    protocol: Mapping[str, Any]
    """The resolved protocol as plain data."""
    provenance: Mapping[str, Any]
    open_run: Callable[[str], xr.Dataset]
    """Run id -> its dataset (lazy)."""
    command: str = ""
    """Command that reproduces the results."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """`type.quantity` -> its role, of the quantities of the protocol's metrics that have one."""
    figures: Callable[[], Sequence[Figure]] = tuple
    """Draws all figures; once, however many reporters ask."""

    def criteria(self) -> Iterator[tuple[ModelVerdict, CriterionResult]]:
        """Every criterion of every model."""
        for verdict in self.verdicts:
            for criterion in verdict.criteria:
                yield verdict, criterion


class Reporter(Component):
    """Base of reporters: writes one kind of output into the results folder."""

    @abstractmethod
    def render(self, report: Report) -> Mapping[str, bytes]:
        """Relative path -> content of each file; the caller writes them atomically."""
