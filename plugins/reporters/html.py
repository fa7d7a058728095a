"""report.html: the whole report in one file that needs nothing else, for a browser, an e-mail or an archive."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from importlib import resources
from typing import Literal

import jinja2

from mdprotocol.api import Decision, Outcome, Report, Reporter
from mdprotocol.api.reporting import escape
from mdprotocol_plugins.reporters._document import document

COLOURED = frozenset({*map(str, Outcome), *map(str, Decision)})


class HtmlReporter(Reporter):
    """report.html: one self-contained page with the figures inside and every measurement."""

    type: Literal["html"] = "html"

    def render(self, report: Report) -> Mapping[str, bytes]:
        blocks = [(type(block).__name__, block) for block in document(report, complete=True)]
        page = _template().render(title=f"Verdict: {report.name}", blocks=blocks)
        return {"report.html": escape.xml(page).encode()}


def verdict_class(cell: str) -> str:
    """Class of a cell that starts with an outcome or a decision, which gives it its colour; else empty."""
    word = cell.partition(":")[0]
    return word.partition(" ")[0] if word in COLOURED else ""


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["base64"] = lambda data: base64.b64encode(data).decode("ascii")
    environment.filters["verdict"] = verdict_class
    source = resources.files(__package__).joinpath("report.html.j2").read_text(encoding="utf-8")
    return environment.from_string(source)
