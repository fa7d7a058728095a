"""Integrators: one a file."""

from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet

from mdprotocol.api import Integrator, hookimpl


@hookimpl
def mdprotocol_integrators() -> list[type[Integrator]]:
    return [Bussi, Langevin, NoseHoover, VelocityVerlet]
