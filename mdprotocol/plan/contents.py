"""What a component is made from, whatever its files are called: its options with a digest in place of every file's path.

Code of the user's own counts, that of installed packages does not: who judges results elsewhere may have other versions of
what has computed them, and judges what was computed all the same.
"""

from __future__ import annotations

import functools
import sysconfig
from pathlib import Path
from typing import Any

from mdprotocol.contracts import Model, SystemSource
from mdprotocol.errors import MDProtocolError
from mdprotocol.modules import sha256
from mdprotocol.plan.identity import by_content


def contents(component: Model | SystemSource, base: Path) -> dict[str, Any] | None:
    """Options and the digests of files and of the user's own code; None where a file cannot be read here."""
    try:
        digests = {file.absolute(): sha256(file) for file in component.files(base)}
        code = component.sources(base) if isinstance(component, Model) else {}
        sources = {name: sha256(file) for name, file in code.items() if not _is_installed(file)}
    except (MDProtocolError, OSError):
        return None
    options = by_content(component.model_dump(mode="json"), digests, base)
    found = {"options": options, "files": sorted(digests.values())}
    return found | ({"sources": sources} if sources else {})


def _is_installed(file: Path) -> bool:
    found = file.resolve()
    return any(found.is_relative_to(folder) for folder in _installed_folders())


@functools.cache
def _installed_folders() -> tuple[Path, ...]:
    """Where packages are installed; asked once, because a model has hundreds of files."""
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib"))
