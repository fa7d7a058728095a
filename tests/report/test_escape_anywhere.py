"""Foreign text as a link, as a row of a table for spreadsheets, and as a title that is drawn."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from mdprotocol.report import escape

NASTY = st.lists(
    st.one_of(
        st.sampled_from(["](http://x)", "[a](b)", "![", "]", "[", "(", ")", "<", ">", "\\", "`", "$", "_", "^", "{", "}", "%",
                         "|", "\n", "\r", "\x00", "=", "+", "-", "@", '"', "'", ",", ";", "\t", " ", "\u2028", "\x85",
                         "&", "&amp;"]),
        st.text(max_size=3),
    ),
    max_size=8,
).map("".join)  # fmt: skip


@given(NASTY)
@example("](javascript:alert(1)) ![")
@example("\\](x)")
def test_a_picture_stays_one_picture_with_its_words(text: str) -> None:
    (_, inline, _) = MarkdownIt("commonmark", {"html": True}).parse(f"x ![{escape.markdown(text)}](figures/a.png) y")
    kinds = [child.type for child in inline.children]
    assert kinds.count("image") == 1
    assert set(kinds) == {"image", "text"}
    (image,) = (child for child in inline.children if child.type == "image")
    assert image.attrs["src"] == "figures/a.png"
    assert " ".join("".join(part.content for part in image.children or ()).split()) == escape.line(text)


@given(NASTY)
def test_a_link_leads_where_it_did(text: str) -> None:
    (_, inline, _) = MarkdownIt("commonmark", {"html": True}).parse(f"x [{escape.markdown(text)}](runs.md) y")
    links = [child for child in inline.children if child.type == "link_open"]
    assert [link.attrs["href"] for link in links] == ["runs.md"]
    assert not {"image", "html_inline", "code_inline"} & {child.type for child in inline.children}


@given(st.lists(NASTY, min_size=1, max_size=4))
def test_a_row_for_spreadsheets_stays_one_row_without_formulas(texts: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([escape.csv_cell(text) for text in texts])
    (row,) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert len(row) == len(texts)
    for cell in row:
        assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@settings(max_examples=40, deadline=None)
@given(NASTY)
@example("$\\frac{1}$")
@example("$x$ and $")
@example("a_b^c%{}\\")
def test_a_title_is_drawn_as_it_stands(text: str) -> None:
    """Nothing in it is taken for mathematics, which would raise, or draw something else."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from mdprotocol.report.figures.style import STYLE, short

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1, 1), dpi=20)
        title = figure.subplots().set_title(short(text))
        figure.savefig(io.BytesIO(), format="png")
    assert not title.get_parse_math()
