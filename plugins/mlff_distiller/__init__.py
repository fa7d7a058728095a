"""Checkpoints of the project MLFF-Distiller, as its three M6 students are stored."""

from mdprotocol.api import Model, hookimpl
from mdprotocol_plugins.mlff_distiller.model import MLFFDistiller


@hookimpl
def mdprotocol_models() -> list[type[Model]]:
    return [MLFFDistiller]
