"""Executors: one a file."""

from mdprotocol.api import Executor, hookimpl
from mdprotocol_plugins.executors.processes import Processes
from mdprotocol_plugins.executors.serial import Serial


@hookimpl
def mdprotocol_executors() -> list[type[Executor]]:
    return [Processes, Serial]
