"""Whatever stands in names, descriptions and reasons: a report has the rows, conditions and elements it has for plain words."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mdprotocol.testing import reports
from mdprotocol.verdicts import Diagnosis, Recommendation
from mdprotocol_plugins.reporters.csv_file import CsvReporter
from mdprotocol_plugins.reporters.html import HtmlReporter
from mdprotocol_plugins.reporters.junit import JunitReporter
from mdprotocol_plugins.reporters.markdown import MarkdownReporter

NASTY = st.sampled_from(
    ["|", "\n", "\r", "\n\n", "\\", "`", "```\n", "<b>", "</td>", "<script>", "-->", "<!--", "]]>", "&lt;", "&#10;", "=1+1", "@x",
     "+", '"', '",', "'", ";", "\t", "\x00", "\u2028", "\x85", "\ud800", "# ", "| --- |", "[a](b)", "![a](b)", "**", "__", "~~"]
)  # fmt: skip
TEXT = st.lists(st.one_of(NASTY, st.text(max_size=5), st.just("word")), min_size=1, max_size=6).map("".join)


def report_of(text: str):
    """A report with one row, condition and criterion that says this text wherever a text may stand."""
    sound = reports.hostile_report()
    (verdict,), (row,) = sound.verdicts, sound.runs
    (criterion,) = verdict.criteria
    (condition,) = criterion.conditions
    found = dataclasses.replace(condition.measurement, reason=text, units=text, where={"model": text, "system": text})
    condition = dataclasses.replace(condition, measurement=found, advice=text)
    criterion = dataclasses.replace(
        criterion, name=text, description=text, reason=text, units=text, conditions=(condition,)
    )
    verdict = dataclasses.replace(
        verdict, model=text, reasons=(text,), criteria=(criterion,), notes=(text,), diagnosis=(Diagnosis(text, text, text),),
        recommendations=(Recommendation(text, False, (text,)),),
    )  # fmt: skip
    row = dataclasses.replace(row, model=text, system=text, failure=text)
    return dataclasses.replace(
        sound, name=text, description=text, verdicts=(verdict,), measurements=(found,), runs=(row,), command=text,
        provenance={"commit": text, "checkpoints": {text: {text: text}}, "warnings": [text]}, figures=lambda: (),
    )  # fmt: skip


def rendered(reporter, text: str) -> str:
    (data,) = reporter.render(report_of(text)).values()
    return data.decode()


def markdown_shape(text: str) -> Counter[str]:
    """Kinds of blocks, and of what stands inside of lines."""
    tokens = (
        MarkdownIt("commonmark", {"html": True})
        .enable(["table", "strikethrough"])
        .parse(rendered(MarkdownReporter(), text))
    )
    inner = {child.type for token in tokens for child in token.children or ()} - {"text", "text_special"}
    return Counter(token.type for token in tokens) + Counter(inner)


class Tags(HTMLParser):
    """Counts a page's elements with the names of their attributes."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.found: Counter[tuple[str, ...]] = Counter()
        self.feed(source)

    def handle_starttag(self, tag, attrs) -> None:
        self.found[(tag, *(name for name, _ in attrs))] += 1

    def handle_comment(self, data) -> None:
        self.found[("comment",)] += 1


def csv_shape(text: str) -> tuple[int, set[int]]:
    """Rows, and the numbers of their fields, for a reader that ends a row at any line end."""
    rows = list(csv.reader(io.StringIO(rendered(CsvReporter(), text), newline=None)))
    assert not any(field.lstrip(" ").startswith(("=", "+", "@", "\t")) for row in rows for field in row)
    return len(rows), {len(row) for row in rows}


def xml_shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
    root = ET.fromstring(rendered(JunitReporter(), text))
    return [(element.tag, tuple(element.attrib)) for element in root.iter()]


SHAPES = {
    "markdown": markdown_shape,
    "html": lambda text: Tags(rendered(HtmlReporter(), text)).found,
    "csv": csv_shape,
    "junit": xml_shape,
}


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(TEXT)
def test_hostile_text_adds_nothing(text: str) -> None:
    for name, shape in SHAPES.items():
        assert shape("x" + text) == shape("xword"), name
        shape(text)  # at the start of a field too: well formed, and no formula


def test_a_forged_row_would_be_noticed() -> None:
    """The shapes tell one row more from none."""
    assert len(list(csv.reader(io.StringIO("a,b\nc\rd,e\n", newline=None)))) == 3
    assert Tags("<p>a</p><p>b</p>").found != Tags("<p>a</p>").found
