"""What a planted fault is: a name, a size, who should see it, and a change of the plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from mdprotocol.plan.types import Plan
from mdprotocol.store import ResultsFolder


class Change(ABC):
    """What a fault does to a plan before it is carried out, or to the files that it leaves. Picklable."""

    @abstractmethod
    def planned(self, plan: Plan, label: str) -> Plan:
        """The plan with the fault in it; what the fault changes has an identity of its own.

        Args:
            label: name and size of the fault, which enter those identities.
        """

    def spoil(self, plan: Plan, folder: ResultsFolder) -> None:  # noqa: B027 - most faults change no file
        """Change the files that the plan has left; nothing by default."""


@dataclass(frozen=True)
class Fault:
    """One planted fault.

    Attributes:
        name: its name on the command line and in the matrix.
        what: what is wrong, in one line.
        size: how much, in `units`; None where there is no more or less of it.
        units: unit of the size.
        seen_by: types of metrics that should see it; empty where it takes evidence away, which any criterion should see.
        make: the change at a size.
        scalable: whether smaller sizes are the same fault in small, so that the smallest size seen can be looked for.
    """

    name: str
    what: str
    size: float | None
    units: str
    seen_by: tuple[str, ...]
    make: Callable[[float], Change]
    scalable: bool = False

    @property
    def label(self) -> str:
        """Name and size: `scaled_forces 0.03`."""
        return self.name if self.size is None else f"{self.name} {self.size:g}"

    def change(self) -> Change:
        """The change at this fault's size."""
        return self.make(self.size if self.size is not None else 0.0)

    def planned(self, plan: Plan) -> Plan:
        """The plan with this fault in it."""
        return self.change().planned(plan, self.label)
