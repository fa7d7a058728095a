"""report.html: one file, complete, that runs and loads nothing."""

import base64
import re
from html.parser import HTMLParser

import pytest

from mdprotocol_plugins.reporters.html import HtmlReporter

VOID = {"meta", "img", "br", "hr", "link", "input"}


class Page(HTMLParser):
    """Tags in order, with their attributes and text; refuses a page whose tags are not closed in order."""

    def __init__(self, data):
        super().__init__()
        self.tags, self.open, self.texts = [], [], []
        self.feed(data)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1:] != ["style"]:
            self.texts.append(data.strip())


def source_of(report):
    ((name, data),) = HtmlReporter().render(report).items()
    assert name == "report.html"
    return data.decode()


def test_the_page_is_well_formed_and_closed(report):
    assert Page(source_of(report)).open == []


def test_the_decision_comes_first(made):
    texts = Page(source_of(made("troubled"))).texts
    assert texts[1:3] == ["Verdict: m6_synthetic", "REJECTED: tiny"]
    assert texts[3] == "2 of 3 must criteria failed: no_crash, force_rmse."


def test_it_loads_and_runs_nothing(report):
    source = source_of(report)
    page = Page(source)
    assert {"script", "iframe", "link", "object", "a"}.isdisjoint(tag for tag, _ in page.tags)
    assert not any(name.startswith("on") for _, attrs in page.tags for name in attrs)
    assert all(attrs["src"].startswith("data:image/png;base64,") for tag, attrs in page.tags if tag == "img")
    assert "default-src 'none'" in source


def test_figures_are_inside(made):
    report = made("sound")
    found = re.findall(r'src="data:image/png;base64,([^"]+)"', source_of(report))
    assert [base64.b64decode(data) for data in found] == [figure.png for figure in report.figures() if figure.png]


def test_names_are_shown_not_run(made):
    source = source_of(made("hostile"))
    assert "<script>alert" not in source
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in source


def test_every_measurement_is_there(made):
    report = made("troubled")
    page = Page(source_of(report))
    assert f"{len(report.measurements)} measurements, by metric" in " ".join(page.texts)
    rows = sum(tag == "tr" for tag, _ in page.tags)
    assert rows > len(report.measurements) + len(report.runs)


@pytest.mark.parametrize("outcome", ["FAIL", "NOT MEASURED", "INCONCLUSIVE"])
def test_outcomes_have_a_colour(made, outcome):
    source, name = source_of(made("troubled")), outcome.partition(" ")[0]
    assert f'<td class="outcome {name}">{outcome}</td>' in source
    assert f".{name}" in source
