"""verdict.md: decision first, and readable whatever the names are."""

import dataclasses
import re

import pytest
from markdown_it import MarkdownIt

from mdprotocol_plugins.reporters.markdown import MarkdownReporter


def text_of(report):
    ((name, data),) = MarkdownReporter().render(report).items()
    assert name == "verdict.md"
    return data.decode()


def test_the_decision_comes_first(made):
    lines = [line for line in text_of(made("troubled")).splitlines() if line]
    assert lines[:2] == ["# Verdict: m6_synthetic", "## REJECTED: tiny"]
    assert lines[2] == "**2 of 3 must criteria failed: no_crash, force_rmse.**"


def test_what_the_protocol_was_warned_about_stands_beside_the_decision(made):
    """A protocol whose guards are off may approve what has flown apart: who reads only the top is to know."""
    sound = made("sound")
    warned = dataclasses.replace(sound, provenance={**sound.provenance, "warnings": ["guards.bond_stretch: is off"]})
    before, _, rest = text_of(warned).partition("- **warning of the plan:** guards.bond_stretch: is off")
    assert "APPROVED" in before
    assert rest.count("## ") > 5
    assert before.count("## ") == 1  # the decision
    assert "warning" not in text_of(sound)


def test_refused_uses_name_what_blocked_them(made):
    assert "- **production MD:** not recommended: no_crash (FAIL), force_rmse (FAIL)." in text_of(made("troubled"))
    assert "- **production MD:** recommended." in text_of(made("sound"))


def test_it_tells_what_a_reviewer_asks_in_order(made):
    headings = re.findall(r"^## (.*)$", text_of(made("troubled")), re.MULTILINE)
    assert headings == [
        "REJECTED: tiny",
        "Criteria",
        "Deployment guide",
        "What was run",
        "Results by system and temperature",
        "Figures",
        "How to reproduce",
        "How to read this",
    ]


def test_measured_and_bound_and_outcome_stand_in_one_row(made):
    row = "| `force_rmse` | **FAIL** | 0.450 ± 0.010 eV/Å | 0.430 to 0.470 | ≤ 0.2 eV/Å | 8 of 9 |"
    assert row in text_of(made("troubled"))


def test_criteria_stand_by_level_must_first(made):
    headings = re.findall(r"^### (.*)$", text_of(made("troubled")), re.MULTILINE)
    assert headings[:5] == [
        "must: these decide (0 of 3 passed)",
        "should: these limit the uses (0 of 1 passed)",
        "nice: these inform (0 of 1 passed)",
        "Not passed",
        "Diagnosis",
    ]


def test_a_diagnosis_is_shown_where_there_is_one(made):
    assert "| `force_rmse` | broken symmetry | the energy changes by 60 meV" in text_of(made("troubled"))
    assert "Diagnosis" not in text_of(made("sound"))


def test_a_warning_says_what_brought_it(made):
    assert "- **not for MD:** because no_crash failed. Runs end early." in text_of(made("troubled"))
    assert "not for MD" not in text_of(made("sound"))


def test_several_models_are_compared_before_the_criteria(made):
    text = text_of(made("several"))
    places = [text.index(part) for part in ("## APPROVED: original", "## REJECTED: tiny", "Models side by side",
              "| speed_up", "## Criteria", "## Deployment guide", "## Criteria of tiny in full")]  # fmt: skip
    assert places == sorted(places)


def test_fifty_criteria_stay_one_row_each(made):
    report = made("troubled")
    verdict = report.verdicts[0]
    many = tuple(dataclasses.replace(verdict.criteria[k % 5], name=f"c{k:02}") for k in range(50))
    text = text_of(dataclasses.replace(report, verdicts=(dataclasses.replace(verdict, criteria=many),)))
    assert len(re.findall(r"^\| `c\d\d` \|", text, re.MULTILINE)) == 50


def test_failures_have_cause_and_time(made):
    assert "| `runs/tiny/alanine/nve_10ps/T500K_r1` | 500 K | broken_bond at 420 fs:" in text_of(made("troubled"))


def test_figures_are_linked_where_the_figures_reporter_puts_them(made):
    report = made("several")
    linked = re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text_of(report))
    assert linked == [figure.path for figure in report.figures() if figure.png]


def test_missing_figures_say_why(made):
    assert "- **Energy:** no run of ghost recorded an energy" in text_of(made("empty"))


def test_many_failures_are_counted_by_cause(made):
    report = made("troubled")
    failed = [dataclasses.replace(row, outcome="failed", failure="nan at 3 fs: energy") for row in report.runs]
    text = text_of(dataclasses.replace(report, runs=failed))
    assert "and 6 more. All 18 by cause: 18 nan." in text


def test_how_to_reproduce(made):
    text = text_of(made("sound"))
    assert "```\nmdprotocol run protocols/m6_synthetic.yaml\n```" in text
    assert "| seed | 20261123 |" in text


@pytest.mark.parametrize("kind", ["sound", "troubled", "several", "hostile", "empty"])
def test_no_text_becomes_markup(made, kind):
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(text_of(made(kind)))
    inner = [child for token in tokens for child in token.children or ()]
    assert "html_block" not in {token.type for token in tokens}
    assert {"html_inline", "link_open"}.isdisjoint(child.type for child in inner)


def test_every_table_row_has_the_columns_of_its_head(report):
    tokens = MarkdownIt("commonmark").enable("table").parse(text_of(report))
    prose = re.sub(r"^(```+).*?^\1$", "", text_of(report), flags=re.MULTILINE | re.DOTALL)
    raw = [line for line in prose.splitlines() if line.startswith("|")]
    rows = sum(token.type == "tr_open" for token in tokens)
    rules = sum(set(line) <= set("|- ") for line in raw)
    assert rows == len(raw) - rules
