"""Causes of failed criteria: follow-up calculations after a run, and what they say when its results are judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mdprotocol.app.sources import Prepared
from mdprotocol.assess import Measurements
from mdprotocol.plan import Plan
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Diagnosis, ModelVerdict


def diagnose(
    prepared: Prepared, plan: Plan, measurements: Measurements, folder: ResultsFolder, on_event: Callable[[Any], None]
) -> None:
    """Follow up the failed criteria of each model."""


def causes_of(verdict: ModelVerdict, folder: ResultsFolder) -> list[Diagnosis]:
    """Causes of a verdict's failed criteria, from what was followed up."""
    return []
