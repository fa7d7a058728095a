"""What reporters import beside `mdprotocol.api`: tables, words and numbers as every report shows them. Public and stable."""

from mdprotocol.report import deployment, escape, head, numbers, side_by_side, summary, tables

__all__ = ["deployment", "escape", "head", "numbers", "side_by_side", "summary", "tables"]
