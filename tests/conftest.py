"""For all tests: Ctrl-C means what it means at a terminal, whatever started pytest."""

from __future__ import annotations

import signal

# A shell starts what it puts into the background with SIGINT ignored, and that would be inherited by every process that a
# test starts and interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
