"""figures/*.png: the report's figures as files; the captions stand in verdict.md and report.html."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from mdprotocol.api import Report, Reporter


class FiguresReporter(Reporter):
    """figures/*.png: energy, temperature, force errors, parity, criteria, structures, speed."""

    type: Literal["figures"] = "figures"

    def render(self, report: Report) -> Mapping[str, bytes]:
        return {figure.path: figure.png for figure in report.figures() if figure.png}
