"""The whole extension surface. A plugin is a module with any of these hooks; each returns component classes.

from mdprotocol.api import hookimpl

@hookimpl
def mdprotocol_metrics():
    return [MyMetric]
"""

from __future__ import annotations

import pluggy

from mdprotocol.contracts import Executor, Fault, Integrator, Metric, Model, Reporter, SystemSource, Teacher

PROJECT = "mdprotocol"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mdprotocol_models() -> list[type[Model]]:
    """Force fields under test (`models:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_references() -> list[type[Teacher]]:
    """Teachers (`reference:`); every model is allowed there too, and every reference under `models:`."""
    raise NotImplementedError


@hookspec
def mdprotocol_systems() -> list[type[SystemSource]]:
    """Molecules and periodic structures (`systems:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_integrators() -> list[type[Integrator]]:
    """Integrators and thermostats (`simulations.<name>.integrator:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_metrics() -> list[type[Metric]]:
    """Metrics on trajectories and probes (`metrics:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_reporters() -> list[type[Reporter]]:
    """Outputs (`reports:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_executors() -> list[type[Executor]]:
    """Where tasks run (`executor:`)."""
    raise NotImplementedError


@hookspec
def mdprotocol_faults() -> list[type[Fault]]:
    """Errors that `mdprotocol selftest` plants."""
    raise NotImplementedError
