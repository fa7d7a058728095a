"""Properties of a model, its dynamics and its evidence: what a metric tests, what a fault breaks, what a failure means.

One list joins them. A metric declares the properties that it tests and a fault those that it breaks, so that a metric is
expected to see every fault, of whatever plugin, that breaks something it tests. The same property names the cause in a
diagnosis: a number that a metric declares as a `Sign` of a broken property explains the criteria which that property moves.

A plugin that needs another property makes a `Property` of its own, and uses it as these are used; two of one name are
the same.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NoReturn


@dataclass(frozen=True)
class Property:
    """Something that holds of sound results.

    Attributes:
        name: short and unique, in lower case.
        meaning: one line: what holds.
        cause: its failure in words, as a diagnosis names it.
        physics: whether the model's physics or its dynamics can break it; where not, no cause is looked for there.
        in_errors: whether its failure shows in errors to the reference, and so explains them.
        moves: names of the properties whose metrics its failure moves; all of them where None.
        leaves: names of properties that hold in spite of it: metrics that test nothing else are not moved.
        in_every_metric: whether every metric tests it, because none can be measured without.
    """

    name: str
    meaning: str = field(compare=False)
    cause: str = field(compare=False, default="")
    physics: bool = field(compare=False, default=True)
    in_errors: bool = field(compare=False, default=True)
    moves: frozenset[str] | None = field(compare=False, default=None)
    leaves: frozenset[str] = field(compare=False, default=frozenset())
    in_every_metric: bool = field(compare=False, default=False)

    def failure(self) -> str:
        """The cause in words; by the name where none was given."""
        return self.cause or f"broken {self.name}"


@dataclass(frozen=True)
class Sign:
    """A number by which a metric recognises that a property is broken.

    Attributes:
        quantity: of the metric that declares it.
        most: a sound model stays below: well above what float32 models and iterative references show, well below what
            moves a criterion.
        breaks: the property.
        says: what it means in words, with a format field for the number.
    """

    quantity: str
    most: float
    breaks: Property
    says: str


CONSERVATIVE = Property(
    "conservative forces", "forces are minus the gradient of the energy", cause="non-conservative forces"
)
MEMORYLESS = Property(
    "memorylessness",
    "a geometry has the same energy and forces whatever was asked before",
    cause="memory of earlier calls",
)
SYMMETRY = Property(
    "symmetry",
    "turning, moving, mirroring or renaming atoms changes no energy, and turns the forces with the atoms",
    cause="broken symmetry",
    leaves=frozenset({"conservation", "memorylessness", "integration", "reversibility"}),
)
SMOOTHNESS = Property(
    "smoothness", "energy and forces change continuously", cause="energy discontinuity", in_errors=False
)
SHORT_RANGE = Property(
    "short range",
    "atoms that are pressed together repel each other",
    cause="a hole in the potential",
    in_errors=False,
    moves=frozenset({"stability"}),
)
LANDSCAPE = Property(
    "landscape",
    "the energy surface has the reference's shape: forces, minima, curvatures, and what is sampled on it",
    cause="wrong physics: the potential differs from the reference",
)
INTERMOLECULAR = Property(
    "intermolecular",
    "molecules attract and repel each other as the reference's do",
    cause="wrong intermolecular forces",
)
EXTENSIVITY = Property(
    "extensivity",
    "far copies add up, and a copy's answer does not depend on its batch",
    cause="a system's answer depends on others",
)
STRESS = Property("stress", "the stress is the energy's derivative by strain", cause="a stress that is no derivative")
APPLICABILITY = Property(
    "applicability", "what the model has not learnt is refused", cause="answers beyond what was learnt"
)
TIMESTEP = Property(
    "time step", "the time step resolves the fastest motion", cause="integration: the time step is too long"
)
INTEGRATION = Property(
    "integration", "the integrator has the order that it claims", cause="an integrator that is not what it claims"
)
PRECISION = Property("precision", "numbers carry enough digits", cause="precision: rounding of the model's numbers")
CONSERVATION = Property("conservation", "the dynamics keeps its conserved energy", cause="energy is not conserved")
MOMENTUM = Property(
    "momentum", "the dynamics keeps its momentum and angular momentum", cause="momentum is not conserved"
)
REVERSIBILITY = Property(
    "reversibility", "the way back leads to where the motion came from", cause="motion that cannot be reversed"
)
DYNAMICS = Property(
    "dynamics", "positions follow from velocities and the written time step", cause="motion that is not as written down"
)
TRAJECTORY = Property(
    "trajectory", "from an equal start the model moves as the reference does", cause="another path than the reference's"
)
RATES = Property(
    "rates", "vibrations are as fast as the reference's", cause="motion at another pace than the reference's"
)
STABILITY = Property(
    "stability", "runs reach their end with the chemistry that they started with", cause="runs that end early"
)
TEMPERATURE = Property(
    "temperature", "the temperature is the one asked for, from the first frame on", cause="another temperature"
)
EQUIPARTITION = Property(
    "equipartition", "every degree of freedom has its share of the kinetic energy", cause="no equipartition"
)
ENSEMBLE = Property(
    "ensemble", "energies, velocities and structures have the distribution of the ensemble", cause="another ensemble"
)
BOOKKEEPING = Property(
    "bookkeeping", "what a file says of a run is what was computed", cause="wrong records", physics=False
)
KERNEL = Property(
    "kernel", "a fast kernel computes what the plain model computes", cause="an error of the fast kernel", physics=False
)
COST = Property("cost", "time and memory are as small as they have to be", cause="too slow or too large", physics=False)
INDEPENDENCE = Property(
    "independence", "the reference is another model than the one under test", cause="a model compared with its own answers",
    physics=False,
)  # fmt: skip
EVIDENCE = Property(
    "evidence",
    "what was planned has been run and recorded",
    cause="evidence that is missing",
    physics=False,
    in_every_metric=True,
)

PROPERTIES: tuple[Property, ...] = tuple(found for found in list(globals().values()) if isinstance(found, Property))
"""The first-party list, in the order in which a diagnosis names causes."""


def refusal(declared: object) -> str:
    """Why something that was declared as a property is none; empty where it is one."""
    if isinstance(declared, Property):
        return ""
    known = {found.name: constant for constant, found in globals().items() if isinstance(found, Property)}
    near = difflib.get_close_matches(str(declared), known, n=1)
    advice = f"; did you mean properties.{known[near[0]]}?" if near else ""
    constants = ", ".join(sorted(known.values()))
    return (
        f"expected a Property, got {declared!r}; take one of mdprotocol.api.properties ({constants}), or make one: "
        f"Property(name, meaning){advice}"
    )


if not TYPE_CHECKING:

    def __getattr__(constant: str) -> NoReturn:
        """An error that names the nearest property, where a plugin asks for one that is not in the list."""
        known = [key for key, found in globals().items() if isinstance(found, Property)]
        near = difflib.get_close_matches(constant.upper(), known, n=1)
        advice = f"; did you mean {near[0]}?" if near else ""
        raise AttributeError(
            f"mdprotocol.api.properties has no {constant}; there are {', '.join(sorted(known))}{advice}"
        )
