"""A protocol of copper by EMT, and a results folder that tests run, judge and spoil. The fixtures are for `conftest.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from mdprotocol.app import Finished, RunOptions, Source, judge, run, stored
from mdprotocol.verdicts import Outcome

PROTOCOL: dict[str, Any] = {
    "mdprotocol": 1,
    "name": "gate",
    "seed": 3,
    "models": {"m": {"type": "ase", "calculator": "ase.calculators.emt:EMT", "data_files": ["weights.txt"]}},
    "systems": {"copper": {"type": "bulk", "name": "Cu", "cubic": True}},
    "simulations": {
        "nve": {
            "integrator": {"type": "velocity_verlet"},
            "timestep_fs": 2,
            "duration_ps": 0.1,
            "temperatures_K": [300],
            "replicas": 2,
            "record_every_fs": 2,
        }
    },
    "criteria": {
        "no_crash": {"level": "must", "metric": "stability.crashed", "max": 0},
        "drift": {"level": "must", "metric": "energy_drift.per_atom", "max": 1000},
        "size": {"level": "must", "metric": "resources.parameters", "max": 10},
    },
    "reports": [{"type": "json"}, {"type": "markdown"}, {"type": "junit"}],
    "executor": {"type": "serial"},
}
"""Copper by EMT: a real model that costs nothing; `weights.txt` is a file that it names."""


class Gate:
    """A protocol and its results folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.results, self.path = folder, folder / "R", folder / "gate.yaml"
        (folder / "weights.txt").write_text("good")
        self.write()

    def write(self, file: str = "gate.yaml", /, **changes: Any) -> Path:
        path = self.folder / file
        path.write_text(yaml.safe_dump({**PROTOCOL, **changes}))
        return path

    def run(self, *sets: str, path: Path | None = None, out: str = "R", **options: Any) -> Finished:
        chosen = RunOptions(diagnosis=False, **options)
        return run(Source(path or self.path, sets), self.folder / out, "", lambda event: None, chosen)

    def judge(self, *sets: str, path: Path | None = None) -> Finished:
        return judge(self.results, Source(path, sets) if path else stored(self.results, sets))

    def snapshot(self) -> dict[str, bytes]:
        return {
            str(p.relative_to(self.results)): p.read_bytes()
            for p in sorted(self.results.rglob("*.*"))
            if p.is_file() and p.name != ".lock"
        }


def outcomes(finished: Finished) -> set[Outcome]:
    return {criterion.outcome for verdict in finished.verdicts for criterion in verdict.criteria}
