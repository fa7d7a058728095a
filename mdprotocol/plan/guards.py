"""Guards that see little: switched off, or so wide that a molecule may fly apart and every criterion be met.

Liquids and metals need some of them off, so none is refused; but nobody is to miss it, in the plan or in the verdict.
"""

from __future__ import annotations

from collections.abc import Iterator

from mdprotocol.protocol.schema import Simulation

WIDEST_STRETCH, NARROWEST_CONTACT = 3.0, 0.5
"""A bond that is three times its length is broken; atoms at half the sum of their covalent radii have met long before."""
RAREST_FS = 100.0
"""Less often than this, a molecule may break and be far away before anything looks."""
HOT_K, HOT_FACTOR = 20_000.0, 10.0
"""A guard that lets a run get hotter than this, and than this multiple of its target, is none."""


def blind_spots(simulation: Simulation) -> Iterator[tuple[str, str]]:
    """Name of a guard, and what goes unnoticed by it."""
    guards = simulation.guards
    if guards.bond_stretch is None:
        yield "bond_stretch", "is off, so that a molecule that breaks is followed as if it were whole"
    elif guards.bond_stretch > WIDEST_STRETCH:
        yield "bond_stretch", f"lets bonds grow to {guards.bond_stretch:g} times their length, which is as good as off"
    if guards.new_bond is None:
        yield "new_bond", "is off, so that atoms may react without anybody's noticing"
    elif guards.new_bond < NARROWEST_CONTACT:
        yield (
            "new_bond",
            f"lets atoms come to {guards.new_bond:g} times their covalent distance, which is as good as off",
        )
    hottest = max(simulation.temperatures_K)
    ends = guards.max_temperature_factor * hottest + guards.max_temperature_offset_K
    if ends > max(HOT_K, HOT_FACTOR * hottest):
        yield "max_temperature_factor", f"no run is ended below {ends:,.6g} K, whatever breaks before"
    if guards.check_every_fs > RAREST_FS:
        yield "check_every_fs", f"guards look every {guards.check_every_fs:,.6g} fs only"
