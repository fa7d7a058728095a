"""Analytic models as a plugin: `--plugin mdprotocol.testing.plugins` makes protocols that cost nothing to run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from mdprotocol.contracts import ForceField, Model
from mdprotocol.hookspecs import hookimpl

Positive = Annotated[float, Field(gt=0)]


class HarmonicTrapModel(Model):
    """Every atom in a harmonic trap at the origin (analytic, for tests)."""

    type: Literal["harmonic_trap"] = "harmonic_trap"
    stiffness_eV_per_A2: Positive = 1.0

    def load(self, base: Path) -> ForceField:
        from mdprotocol.testing.analytic import HarmonicTrap

        return HarmonicTrap(self.stiffness_eV_per_A2)


class LennardJonesModel(Model):
    """Lennard-Jones between all atoms of an open system (analytic, for tests); the defaults are argon's."""

    type: Literal["lennard_jones"] = "lennard_jones"
    epsilon_eV: Positive = 0.0103
    sigma_A: Positive = 3.4

    def load(self, base: Path) -> ForceField:
        from mdprotocol.testing.analytic import LennardJones

        return LennardJones(self.epsilon_eV, self.sigma_A)


class MorseModel(Model):
    """Morse between all atoms of an open system (analytic, for tests); the defaults are about those of H2."""

    type: Literal["morse"] = "morse"
    depth_eV: Positive = 4.75
    width_per_A: Positive = 1.94
    length_A: Positive = 0.74

    def load(self, base: Path) -> ForceField:
        from mdprotocol.testing.analytic import Morse

        return Morse(self.depth_eV, self.width_per_A, self.length_A)


@hookimpl
def mdprotocol_models() -> list[type[Model]]:
    return [HarmonicTrapModel, LennardJonesModel, MorseModel]
