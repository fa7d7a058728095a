"""What a readable report is made of: a few kinds of block, with plain text in them. Each layout knows all of them."""

from __future__ import annotations

from dataclasses import dataclass

from mdprotocol.api import Figure
from mdprotocol.api.reporting import tables as report_tables

Table = report_tables.Table


@dataclass(frozen=True)
class Heading:
    """Title (level 1), chapter (2) or section (3)."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Banner:
    """The decision on a model, before anything else, in one sentence."""

    decision: str
    model: str
    sentence: str


@dataclass(frozen=True)
class Paragraph:
    text: str


@dataclass(frozen=True)
class Bullets:
    """A list; each entry is a word or two that stand out, and the rest."""

    entries: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Code:
    text: str


@dataclass(frozen=True)
class Grid:
    """A table; a long one may be folded away under its title."""

    table: Table
    folded: str = ""


@dataclass(frozen=True)
class Picture:
    figure: Figure


Block = Heading | Banner | Paragraph | Bullets | Code | Grid | Picture
