"""Reporters: one kind of output each."""

from mdprotocol.api import Reporter, hookimpl
from mdprotocol_plugins.reporters.csv_file import CsvReporter
from mdprotocol_plugins.reporters.figures import FiguresReporter
from mdprotocol_plugins.reporters.html import HtmlReporter
from mdprotocol_plugins.reporters.json_file import JsonReporter
from mdprotocol_plugins.reporters.junit import JunitReporter
from mdprotocol_plugins.reporters.markdown import MarkdownReporter


@hookimpl
def mdprotocol_reporters() -> list[type[Reporter]]:
    return [MarkdownReporter, JsonReporter, CsvReporter, HtmlReporter, JunitReporter, FiguresReporter]
