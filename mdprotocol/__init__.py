"""mdprotocol: the acceptance test for machine-learned force fields."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdprotocol.store import Results, open_results

__version__ = "0.2.0"
__all__ = ["Results", "__version__", "open_results"]


def __getattr__(name: str) -> Any:
    """Load the public API at its first use: `import mdprotocol` costs nothing."""
    if name in ("Results", "open_results"):
        return getattr(importlib.import_module("mdprotocol.store"), name)
    raise AttributeError(f"module 'mdprotocol' has no attribute '{name}'")
