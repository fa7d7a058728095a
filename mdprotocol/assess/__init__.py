"""Assessment: measure every run, judge every criterion with its uncertainty, decide on every model. No torch here."""

from mdprotocol.assess.comparison import compare_results
from mdprotocol.assess.judge import inconclusive, judge_models
from mdprotocol.assess.measurements import Measurements
from mdprotocol.assess.measurements_file import from_dataset, to_dataset
from mdprotocol.assess.measuring import measure
from mdprotocol.assess.tabulate import tabulate

__all__ = [
    "Measurements",
    "compare_results",
    "from_dataset",
    "inconclusive",
    "judge_models",
    "measure",
    "tabulate",
    "to_dataset",
]
