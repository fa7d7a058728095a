"""Planning is possible where torch is not."""

from __future__ import annotations

import subprocess
import sys


def test_planning_never_imports_torch() -> None:
    code = "import sys, mdprotocol.plan.describe, mdprotocol.protocol; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
