"""Memory that is freed stays with the process: a training step asks for the same megabytes every time."""

from __future__ import annotations

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""Parameters of glibc's mallopt(3)."""
SETTINGS = {M_TRIM_THRESHOLD: 2**31 - 1, M_TOP_PAD: 2**28, M_MMAP_THRESHOLD: 2**30}


def keep_freed_memory() -> bool:
    """Stop glibc from handing large blocks back to the system after each operation; False where there is no glibc.

    Without it every intermediate tensor is mapped and faulted in anew, which takes a third of a training step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(mallopt(*setting) for setting in SETTINGS.items())
