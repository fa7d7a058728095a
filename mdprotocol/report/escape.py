"""Foreign text made harmless for each kind of output: Markdown, CSV, XML, file names. HTML: jinja2."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_MARKDOWN = re.compile(r"([\\`*\[\]<>|~$])")
_EDGE_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_LINE_START = re.compile(r"^(?=#{1,6}(?:\s|$)|[-+](?:\s|$)|[-=]+$)")
_NUMBERED = re.compile(r"^(\d{1,9})(?=[.)](?:\s|$))")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FORMULA = ("=", "+", "-", "@", "\t", "\n", "＝", "＋", "－", "＠")


def line(text: str) -> str:
    """Text on one line: every run of white space is one space, control characters are gone."""
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Cs") or c.isspace() else "" for c in text)
    return " ".join(kept.split())


def markdown(text: str) -> str:
    """Text for a Markdown paragraph, heading or table cell: no markup, no HTML, no line break, no new column."""
    escaped = _MARKDOWN.sub(r"\\\1", line(text).replace("&", "&amp;"))
    escaped = escaped.replace(r"\<", "&lt;").replace(r"\>", "&gt;")
    escaped = _EDGE_UNDERSCORE.sub(r"\\_", escaped)
    return _NUMBERED.sub(r"\1\\", _LINE_START.sub(r"\\", escaped))


def markdown_code(text: str) -> str:
    """An inline code span; its fence is longer than any run of backticks inside. Safe in a table."""
    clean = line(text).replace("|", "¦")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", clean)), default=0))
    pad = " " if clean.startswith("`") or clean.endswith("`") or not clean else ""
    return f"{fence}{pad}{clean}{pad}{fence}"


def markdown_block(text: str) -> str:
    """A fenced code block."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def csv_cell(text: str) -> str:
    """A text cell that no spreadsheet takes for a formula (OWASP, CSV injection): such cells start with an apostrophe.

    Only for text: numbers are written as numbers, their minus sign stays. A carriage return becomes a line feed, because
    Python's writer does not quote one by itself, and a spreadsheet then begins a row there.
    """
    clean = text.replace("\x00", "").replace("\r\n", "\n").replace("\r", "\n")
    return "'" + clean if clean.lstrip(" ").startswith(_FORMULA) else clean


def xml(text: str) -> str:
    """Text without the characters that XML 1.0 forbids (section 2.2); the writer escapes the rest."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def file_name(text: str) -> str:
    """A name that is safe in every file system and unique to the text."""
    slug = re.sub(r"[^A-Za-z0-9_-]+", "-", text).strip("-_")[:48]
    if slug and slug == text:
        return slug
    return f"{slug or 'x'}-{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:6]}"
