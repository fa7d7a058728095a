"""What a component is made from, whatever its files are called: its options with a digest in place of every file's path."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from mdprotocol.components import Model, SystemSource
from mdprotocol.errors import MDProtocolError
from mdprotocol.plan.identity import by_content


def contents(component: Model | SystemSource, base: Path) -> dict[str, Any] | None:
    """Options and the digests of the files; None where a file cannot be read here, so that nothing is known of it."""
    try:
        digests = {f.absolute(): hashlib.sha256(f.read_bytes()).hexdigest() for f in component.files(base)}
    except (MDProtocolError, OSError):
        return None
    options = by_content(component.model_dump(mode="json"), digests, base)
    return {"options": options, "files": sorted(digests.values())}
