"""Foreign text in each kind of output."""

import csv
import io
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mdprotocol.report import escape


@given(st.text(max_size=80))
def test_markdown_cell_stays_one_cell_of_plain_text(text):
    table = f"| a | b |\n| --- | --- |\n| {escape.markdown(text)} | {escape.markdown_code(text)} |"
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(table)
    kinds = [token.type for token in tokens]
    assert kinds.count("td_open") == 2
    assert "html_block" not in kinds
    first = tokens[kinds.index("td_open") + 1]
    assert {child.type for child in first.children} <= {"text", "text_special"}


@given(st.text(max_size=80))
def test_markdown_paragraph_shows_the_text_itself(text):
    tokens = MarkdownIt("commonmark", {"html": True}).parse("x " + escape.markdown(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    assert "".join(child.content for child in tokens[1].children) == f"x {escape.line(text)}".strip()


@pytest.mark.parametrize("text", ["# a", "- a", "+ a", "1. a", "2) a", "---", "==="])
def test_markdown_line_start_is_no_block(text):
    kinds = [token.type for token in MarkdownIt().parse(escape.markdown(text))]
    assert kinds == ["paragraph_open", "inline", "paragraph_close"]


def test_numbers_and_names_stay_readable():
    assert escape.markdown("0.031 ± 0.002 eV/Å, nve_10ps, -3.5") == "0.031 ± 0.002 eV/Å, nve_10ps, -3.5"


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@SUM(A1)", "\tx", "\nx", "  =1", "＝1", "＠x"])
def test_csv_text_is_never_a_formula(text):
    assert escape.csv_cell(text) == "'" + text


def test_csv_text_begins_no_row_at_a_carriage_return():
    assert escape.csv_cell("a\r=cmd()\r\nb") == "a\n=cmd()\nb"
    assert escape.csv_cell("\r=1") == "'\n=1"


def test_csv_text_without_formula_is_unchanged():
    out = io.StringIO()
    csv.writer(out).writerow([escape.csv_cell('a,"b"\nc')])
    assert next(csv.reader(io.StringIO(out.getvalue()))) == ['a,"b"\nc']


@given(st.text())
def test_xml_text_is_always_well_formed(text):
    element = ET.Element("a", {"b": escape.xml(text)})
    element.text = escape.xml(text)
    ET.fromstring(ET.tostring(element, encoding="utf-8"))


@given(st.text(), st.text())
def test_file_names_are_plain_and_differ(first, second):
    assert set(escape.file_name(first)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
    assert 0 < len(escape.file_name(first)) <= 55
    assert (escape.file_name(first) == escape.file_name(second)) == (first == second)


def test_a_plain_name_stays_itself():
    assert escape.file_name("ultra_tiny") == "ultra_tiny"
