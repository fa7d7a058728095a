"""Integrators: one a file."""

from mdprotocol.api import Integrator, hookimpl
from mdprotocol_plugins.integrators.bussi import Bussi
from mdprotocol_plugins.integrators.langevin import Langevin
from mdprotocol_plugins.integrators.nose_hoover import NoseHoover
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


@hookimpl
def mdprotocol_integrators() -> list[type[Integrator]]:
    return [Bussi, Langevin, NoseHoover, VelocityVerlet]
