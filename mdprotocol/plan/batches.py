"""Runs that step together. A batch is fixed at planning, so that running again gives the same numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mdprotocol.contracts import Model, Structure
from mdprotocol.plan.estimate import batch_seconds
from mdprotocol.plan.identity import Digests, settings_facts
from mdprotocol.plan.types import Batch, Probe, ProbeBatch, Run

MAX_COPIES = 64
"""Copies in one batch: enough for full speed on a CPU, and few enough that a lost batch is soon done again."""


def grouped(runs: Iterable[Run], max_copies: int = MAX_COPIES) -> list[tuple[Run, ...]]:
    """Runs of equal model, system, settings and stage, in groups of nearly equal size of at most `max_copies`."""
    groups: dict[tuple[str, str, str, int], list[Run]] = {}
    settings = Digests(settings_facts)
    for run in runs:
        groups.setdefault((run.model, run.system, settings(run.settings), run.stage), []).append(run)
    return [part for group in groups.values() for part in _parts(group, max_copies)]


def _parts(group: Sequence[Run], max_copies: int) -> list[tuple[Run, ...]]:
    count = math.ceil(len(group) / max_copies)
    bounds = [round(len(group) * index / count) for index in range(count + 1)]
    return [tuple(group[start:stop]) for start, stop in itertools.pairwise(bounds)]


def batch_sizes(runs: Iterable[Run]) -> dict[tuple[str, str], set[int]]:
    """Batch sizes that a model meets on a system, by (model, system), as planned: an addition changes no probe."""
    sizes: dict[tuple[str, str], set[int]] = {}
    for group in grouped(run for run in runs if run.stage == 0):
        sizes.setdefault((group[0].model, group[0].system), set()).add(len(group))
    return sizes


def make_batches(
    runs: Iterable[Run],
    models: Mapping[str, Model],
    reference: Model | None,
    structures: Mapping[str, Structure],
    base: Path,
    reference_digest: str = "",
) -> tuple[Batch, ...]:
    """Batches, the longest first, so that several workers finish at about the same time.

    Args:
        models: component by model name, the reference's own runs included.
    """
    batches = [
        Batch(
            model=group[0].model,
            component=models[group[0].model],
            reference=reference if group[0].settings.reference_every else None,
            settings=group[0].settings,
            runs=group,
            structures={group[0].system: structures[group[0].system]},
            base=str(base.absolute()),
            reference_digest=reference_digest,
        )
        for group in grouped(runs)
    ]
    return tuple(sorted(batches, key=lambda batch: -batch_seconds(batch)))  # stable: the plan's order among equals


def make_probe_batches(
    probes: Sequence[Probe],
    models: Mapping[str, Model],
    reference: Model | None,
    structures: Mapping[str, Structure],
    base: Path,
    reference_digest: str = "",
) -> tuple[ProbeBatch, ...]:
    """One batch of probes for each model."""
    return tuple(
        ProbeBatch(
            model=name,
            component=models[name],
            probes=own,
            structures={probe.system: structures[probe.system] for probe in own},
            base=str(base.absolute()),
            reference=reference if any(probe.component.needs_reference for probe in own) else None,
            reference_digest=reference_digest,
        )
        for name in dict.fromkeys(probe.model for probe in probes)
        if (own := tuple(probe for probe in probes if probe.model == name))
    )
