"""Systems: where molecules and periodic structures come from."""

from mdprotocol.api import SystemSource, hookimpl
from mdprotocol_plugins.systems.builtin import Builtin
from mdprotocol_plugins.systems.bulk import Bulk
from mdprotocol_plugins.systems.file import File
from mdprotocol_plugins.systems.molecule import Molecule
from mdprotocol_plugins.systems.smiles import Smiles


@hookimpl
def mdprotocol_systems() -> list[type[SystemSource]]:
    return [Builtin, Molecule, File, Smiles, Bulk]
