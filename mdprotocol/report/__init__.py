"""What a verdict is read from: tables, figures, provenance, and the digits and escapes they are written with."""

from mdprotocol.report import escape, numbers, summary, tables
from mdprotocol.report.build import build_report
from mdprotocol.report.provenance import collect_provenance

__all__ = ["build_report", "collect_provenance", "escape", "numbers", "summary", "tables"]
