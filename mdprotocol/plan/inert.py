"""What counts as a force field at all: below these limits, nothing that is measured can tell one from none.

One that is zero everywhere conserves energy and momentum, is smooth and symmetric, and never breaks a bond; and at rest
any force field looks like it.
"""

from __future__ import annotations

LEAST_FORCE_EV_A = 1e-4
"""Largest force component below which there is no force: even a pair of argon atoms feels 20 times as much at 1 K."""
LEAST_ENERGY_EV = 1e-6
"""Change of the energy below which it is constant, where atoms were displaced."""
LEAST_TEMPERATURE_K = 1.0
"""Mean kinetic temperature below which nothing moves to speak of."""


LEAST_DISPLACEMENT_A = 1e-3
"""Largest displacement of a coordinate over a run below which nothing has moved: a thermal atom passes it in a femtosecond."""


def stays(displacement_A: float) -> str:
    """Why nothing is measured where no atom has moved further than this."""
    return (
        f"no coordinate moved by more than {displacement_A:.1g} Å over the run: "
        "where nothing moves, nothing tells this force field from none"
    )


def no_forces(atoms: int, largest_eV_A: float, where: str) -> str:
    """Why nothing is measured where there are no forces.

    Args:
        atoms: number of atoms of the system.
        largest_eV_A: the largest force component that was found.
        where: on what it was found ("every frame").
    """
    if atoms == 1:
        return "a lone atom feels no force, so that nothing tells this force field from none; use a larger system"
    found = "its forces are zero" if largest_eV_A == 0 else f"no force component is above {largest_eV_A:.1g} eV/Å"
    return f"{found} on {where}, so that nothing tells this force field from none"


def no_motion(temperature_K: float) -> str:
    """Why nothing is measured where the mean kinetic temperature is this low."""
    return (
        f"its mean kinetic temperature is {temperature_K:.2g} K, below {LEAST_TEMPERATURE_K:g} K: "
        "where nothing moves, nothing tells this force field from none"
    )
