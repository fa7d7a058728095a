"""The use cases as plain functions, a file for each kind: the command line only parses and prints."""

from mdprotocol.app.concluding import Finished, exit_code
from mdprotocol.app.judging import compare, judge, report
from mdprotocol.app.running import check, run
from mdprotocol.app.sources import Prepared, Source, prepare, stored

__all__ = [
    "Finished",
    "Prepared",
    "Source",
    "check",
    "compare",
    "exit_code",
    "judge",
    "prepare",
    "report",
    "run",
    "stored",
]
