"""The results folder: atomic writes, identities of finished files, lazy labelled reads."""

from mdprotocol.store.folder import ResultsFolder
from mdprotocol.store.results import Results, open_results

__all__ = ["Results", "ResultsFolder", "open_results"]
