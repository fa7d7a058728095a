"""The head of a verdict: what nobody may miss, the same on the terminal, in verdict.md, report.html and junit.xml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mdprotocol.verdicts import CHANGED, INSTALLATION_CHECK, ModelVerdict, Recommendation, changes_in_words


@dataclass(frozen=True)
class Line:
    """One line of the head.

    Attributes:
        name: what it is about; empty for the reasons of the decision.
        text: a sentence without its full stop.
    """

    name: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.text}" if self.name else self.text


def head(verdict: ModelVerdict) -> Iterator[Line]:
    """All lines of the head in their order: the reasons, failed runs, and what a reader would not expect."""
    yield from (Line("", reason) for reason in verdict.reasons)
    yield Line("runs", runs(verdict))
    yield from (Line("guards", text) for text in verdict.guards)
    if verdict.changed:
        yield Line(CHANGED, changes_in_words(verdict.changed))
    if verdict.further_runs:
        yield Line("further runs", verdict.further_runs)
    if verdict.installation_check:
        yield Line(INSTALLATION_CHECK, verdict.installation_check)
    yield from (Line("must criterion dropped", text) for text in verdict.dropped)


def runs(verdict: ModelVerdict) -> str:
    """`0 of 106 runs failed`, always; and how many are missing, where some are."""
    missing = f", {verdict.runs_missing} missing" if verdict.runs_missing else ""
    return f"{verdict.runs_failed} of {verdict.runs_planned} runs failed{missing}"


def sentence(verdict: ModelVerdict) -> str:
    """The reasons as one sentence, for a banner; empty where there is none. `remarks` belong below it."""
    text = "; ".join(verdict.reasons).rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def remarks(verdict: ModelVerdict) -> list[Line]:
    """The lines of the head below the banner's sentence: the count of failed runs is always the first."""
    return [line for line in head(verdict) if line.name]


def title(verdict: ModelVerdict) -> str:
    """The model, with what qualifies every decision on it: `tiny (check of the installation)`."""
    return f"{verdict.model} ({INSTALLATION_CHECK})" if verdict.installation_check else verdict.model


def because(warning: Recommendation) -> str:
    """Why a warning is given: `no_crash failed`, or the failed runs behind what it names."""
    return warning.reason or f"{', '.join(warning.because)} failed"
