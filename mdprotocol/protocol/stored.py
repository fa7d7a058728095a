"""The protocol that a results folder keeps, as plain data: read like every protocol, by readers who need no plugin for it.

Another YAML loader would take names such as `on`, `no`, `1_000` or `2026-11-29` for something else, and then find nothing
of what they name.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mdprotocol.errors import ProtocolError
from mdprotocol.protocol.document import read_document


def stored_data(file: Path) -> Mapping[str, Any]:
    """Sections of a stored protocol by name; empty where the file is absent, or is not a protocol's YAML."""
    try:
        document = read_document(file)
    except ProtocolError:
        return {}
    return {} if document.problems else document.data
