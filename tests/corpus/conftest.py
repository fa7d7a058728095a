"""Makes the corpus's modules importable here and in the child process that opens the cases."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
