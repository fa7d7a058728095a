"""Models: one a file; PaiNN has a folder of its own."""

from mdprotocol.api import Model, hookimpl
from mdprotocol_plugins.models.ase_calculator import AseModel
from mdprotocol_plugins.painn.model import PainnModel


@hookimpl
def mdprotocol_models() -> list[type[Model]]:
    return [AseModel, PainnModel]
