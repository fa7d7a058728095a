"""The recipe is a command beside the package, not part of it: its folder goes on the path for these tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "checkpoints"))
# Small molecules gain nothing from threads, and labels are bitwise the same only on one.
os.environ.setdefault("OMP_NUM_THREADS", "1")
