"""The data set: who is sampled how often, deduplicated, in one file. Each molecule has its own seeded generator."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from recipe.molecules import HELD_OUT, TARGETS, start, training_names
from recipe.sampling import Sample, Sampler

TEST_TEMPERATURES = (300.0, 500.0)


@dataclass(frozen=True)
class Amount:
    """How much of each kind a molecule gets: MD as temperature -> (runs, samples a run)."""

    md: dict[float, tuple[int, int]]
    modes: int
    per_bond: int
    squeezed: int
    every: int = 12
    warmup: int = 400
    timestep: float = 1.0


ALANINE = Amount(
    {300.0: (3, 250), 500.0: (5, 300), 800.0: (3, 300), 1000.0: (3, 250)}, modes=700, per_bond=25, squeezed=300
)
SMALL_TARGET = Amount({300.0: (3, 150), 500.0: (3, 200), 1000.0: (2, 200)}, modes=400, per_bond=60, squeezed=200)
ORGANIC = Amount({300.0: (1, 60), 600.0: (1, 80), 1000.0: (1, 60)}, modes=60, per_bond=6, squeezed=12)
HELD_OUT_TEST = Amount({300.0: (1, 50), 500.0: (1, 50)}, modes=0, per_bond=0, squeezed=0, every=25)
TARGET_TEST = Amount(dict.fromkeys(TEST_TEMPERATURES, (2, 60)), modes=0, per_bond=0, squeezed=0, every=30)


def amount(name: str, scale: float) -> Amount:
    """The amount for a training molecule; `scale` < 1 makes a small data set of the same make-up."""
    base = ALANINE if name == "alanine" else SMALL_TARGET if name in TARGETS else ORGANIC
    return Amount(
        md={t: (runs, max(2, round(n * scale))) for t, (runs, n) in base.md.items()},
        modes=max(2, round(base.modes * scale)),
        per_bond=max(1, round(base.per_bond * scale)),
        squeezed=max(2, round(base.squeezed * scale)),
        every=base.every,
        warmup=max(20, round(base.warmup * min(1.0, scale))),
    )


def draw(name: str, how: Amount, seed: int, purpose: str) -> tuple[list[Sample], Counter]:
    """All samples of one molecule, and what was dropped. `purpose` keeps training and test generators apart."""
    rng = np.random.default_rng([seed, zlib.crc32(f"{purpose}/{name}".encode())])
    sampler = Sampler(start(name), rng)
    found: list[Sample] = []
    for temperature, (runs, samples) in how.md.items():
        for _ in range(runs):
            found += sampler.dynamics(temperature, samples, how.every, how.warmup, how.timestep)
    if how.modes:
        found += sampler.normal_modes(how.modes, (300.0, 700.0, 1500.0))
    if how.per_bond:
        found += sampler.bonds(how.per_bond)
    if how.squeezed:
        found += sampler.squeezed(how.squeezed)
    kept = deduplicate(found)
    sampler.dropped["duplicate"] += len(found) - len(kept)
    return kept, sampler.dropped


def deduplicate(samples: Iterable[Sample]) -> list[Sample]:
    """Drop configurations whose sorted distances agree to 1e-4 Å with an earlier one's."""
    seen: dict[bytes, Sample] = {}
    for sample in samples:
        x = sample.positions
        i, j = np.triu_indices(len(x), 1)
        distances = np.linalg.norm(x[i] - x[j], axis=1)
        seen.setdefault(np.round(distances, 4).tobytes(), sample)
    return list(seen.values())


def build(folder: Path, seed: int, scale: float, log: Callable[[str], None]) -> None:
    """Write train.npz, test.npz (target trajectories) and held_out.npz."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "train.npz", [(n, amount(n, scale)) for n in training_names()], seed, "train", log)
    share = min(1.0, scale * 2)
    md = {t: (runs, max(2, round(n * share))) for t, (runs, n) in TARGET_TEST.md.items()}
    tests = replace(TARGET_TEST, md=md)
    _write(folder / "test.npz", [(n, tests) for n in TARGETS], seed, "test", log)
    _write(folder / "held_out.npz", [(n, HELD_OUT_TEST) for n in HELD_OUT], seed, "held out", log)


def _write(path: Path, wanted: list[tuple[str, Amount]], seed: int, purpose: str, log: Callable[[str], None]) -> None:
    samples: list[Sample] = []
    dropped: Counter = Counter()
    for name, how in wanted:
        new, lost = draw(name, how, seed, purpose)
        samples += new
        dropped += lost
        log(f"{purpose} {name}: {len(new)} samples, dropped {dict(lost)}")
    save(path, samples, dropped)


def save(path: Path, samples: list[Sample], dropped: Counter) -> None:
    """One flat npz: atoms of all samples one after the other. No pickles."""
    np.savez(
        path,
        counts=np.array([len(s.numbers) for s in samples]),
        numbers=np.concatenate([s.numbers for s in samples]),
        positions=np.concatenate([s.positions for s in samples]),
        forces=np.concatenate([s.forces for s in samples]),
        energies=np.array([s.energy for s in samples]),
        molecules=np.array([s.molecule for s in samples]),
        kinds=np.array([s.kind for s in samples]),
        dropped_kinds=np.array(list(dropped)),
        dropped_counts=np.array(list(dropped.values()), dtype=int),
    )
