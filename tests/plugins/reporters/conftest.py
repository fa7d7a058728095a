"""Reports in every state, by name, with two figures instead of all: a picture, and one that could not be drawn."""

import base64
import dataclasses

import pytest

from mdprotocol.contracts import Figure
from mdprotocol.testing import reports

KINDS = ("sound", "troubled", "several", "hostile", "empty")
PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
"""A picture of one pixel."""


@pytest.fixture(params=KINDS)
def report(request):
    """One report after the other."""
    return _made(request.param)


@pytest.fixture
def made():
    """Report by name."""
    return _made


def _made(kind):
    report = getattr(reports, f"{kind}_report")()
    names = [verdict.model for verdict in report.verdicts]
    drawn = tuple(Figure(f"figures/criteria_{k}.png", f"Criteria: {name}", name, PIXEL) for k, name in enumerate(names))
    missing = Figure("figures/energy.png", "Energy", "caption", missing=f"no run of {names[0]} recorded an energy")
    return dataclasses.replace(report, figures=lambda: (*drawn, missing))
