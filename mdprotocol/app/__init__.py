"""The use cases as plain functions, a file for each kind: the command line only parses and prints."""

from mdprotocol.app.benching import Benched, bench
from mdprotocol.app.concluding import Finished, exit_code
from mdprotocol.app.judging import compare, judge, report
from mdprotocol.app.running import RunOptions, UntilDecided, check, run
from mdprotocol.app.selftesting import SelfTested, selftest
from mdprotocol.app.sources import Prepared, Source, prepare, stored

__all__ = [
    "Benched",
    "Finished",
    "Prepared",
    "RunOptions",
    "SelfTested",
    "Source",
    "UntilDecided",
    "bench",
    "check",
    "compare",
    "exit_code",
    "judge",
    "prepare",
    "report",
    "run",
    "selftest",
    "stored",
]
