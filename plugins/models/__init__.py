"""Models: a folder each."""

from mdprotocol.api import Model, hookimpl
from mdprotocol_plugins.models.ase.model import AseModel
from mdprotocol_plugins.models.mlff_distiller.model import MLFFDistiller
from mdprotocol_plugins.models.painn.model import PainnModel


@hookimpl
def mdprotocol_models() -> list[type[Model]]:
    return [AseModel, MLFFDistiller, PainnModel]
