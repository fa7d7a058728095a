"""Makes `protocol_kit` importable, and its fixtures available to tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from protocol_kit import registry, write

__all__ = ["registry", "write"]
