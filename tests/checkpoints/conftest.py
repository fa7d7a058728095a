"""The recipe is a command beside the package, not part of it: its folder goes on the path for these tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "checkpoints"))
