"""verdict.md: what a reviewer reads first, in two minutes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Literal

from mdprotocol.api import Decision, Outcome, Report, Reporter
from mdprotocol.api.reporting import escape
from mdprotocol_plugins.reporters._blocks import Banner, Block, Bullets, Code, Grid, Heading, Paragraph, Picture, Table
from mdprotocol_plugins.reporters._document import document

CODE_COLUMNS = {"run", "criterion", "quantity"}
"""Columns whose conditions are names to type."""
STRIKING = {*Outcome, *Decision} - {Outcome.PASS}


class MarkdownReporter(Reporter):
    """verdict.md: decision, criteria, what was run, failures, figures, how to reproduce."""

    type: Literal["markdown"] = "markdown"

    def render(self, report: Report) -> Mapping[str, bytes]:
        text = "\n\n".join(layout(block) for block in document(report))
        return {"verdict.md": (text + "\n").encode("utf-8", "replace")}


@functools.singledispatch
def layout(block: Block) -> str:
    """A block in Markdown (CommonMark with GitHub's tables)."""
    raise TypeError(f"no layout for {type(block).__name__}")


@layout.register
def _(block: Heading) -> str:
    return f"{'#' * block.level} {escape.markdown(block.text)}"


@layout.register
def _(block: Banner) -> str:
    return f"## {block.decision}: {escape.markdown(block.model)}\n\n**{escape.markdown(block.sentence)}**"


@layout.register
def _(block: Paragraph) -> str:
    return escape.markdown(block.text)


@layout.register
def _(block: Bullets) -> str:
    return "\n".join(f"- **{escape.markdown(head)}:** {escape.markdown(rest)}" for head, rest in block.entries)


@layout.register
def _(block: Code) -> str:
    return escape.markdown_block(block.text)


@layout.register
def _(block: Grid) -> str:
    return table(block.table)


@layout.register
def _(block: Picture) -> str:
    return f"![{escape.markdown(block.figure.title)}]({block.figure.path})"


def table(content: Table) -> str:
    """A table; names to type are set as code, outcomes other than PASS stand out."""
    rule = ["---"] * len(content.columns)
    body = [[_cell(*pair) for pair in zip(content.columns, row, strict=True)] for row in content.rows]
    heads = [escape.markdown(column) for column in content.columns]
    return "\n".join("| " + " | ".join(conditions) + " |" for conditions in (heads, rule, *body))


def _cell(column: str, text: str) -> str:
    if column in CODE_COLUMNS:
        return escape.markdown_code(text)
    plain = escape.markdown(text)
    return f"**{plain}**" if text in STRIKING else plain
