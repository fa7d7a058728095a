"""What a verdict is read from: tables, figures, provenance, and the digits and escapes they are written with."""

from mdprotocol.report import deployment, escape, numbers, side_by_side, summary, tables
from mdprotocol.report.build import build_report

__all__ = ["build_report", "deployment", "escape", "numbers", "side_by_side", "summary", "tables"]
