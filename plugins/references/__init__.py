"""Teachers: one a file. Every model can serve as a reference too."""

from mdprotocol.api import Teacher, hookimpl
from mdprotocol_plugins.references.tblite import TBLite


@hookimpl
def mdprotocol_references() -> list[type[Teacher]]:
    return [TBLite]
