"""Executors: one a file."""

from mdprotocol_plugins.executors.processes import Processes
from mdprotocol_plugins.executors.serial import Serial

from mdprotocol.api import Executor, hookimpl


@hookimpl
def mdprotocol_executors() -> list[type[Executor]]:
    return [Processes, Serial]
