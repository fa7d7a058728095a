"""Reports to test a reporter with, of invented numbers: sound, troubled, several models, hostile names, nothing."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from mdprotocol.contracts import Report, Role, RunRow
from mdprotocol.report.build import draw
from mdprotocol.testing.datasets import make_run
from mdprotocol.testing.structures import molecule_structure
from mdprotocol.verdicts import (
    ConditionResult,
    CriterionResult,
    Decision,
    Diagnosis,
    Level,
    Measurement,
    ModelVerdict,
    Outcome,
    Recommendation,
)

TEMPERATURES = (100.0, 300.0, 500.0)
NAMES = {"water": "H2O", "methane": "CH4", "alanine": "CH3CH2OH"}
SIMULATION = "nve_10ps"
NASTY = "a|b\n<script>alert(1)</script>=cmd()"


def dataset(row: RunRow, frames: int = 61, reference_every: int = 12) -> xr.Dataset:
    """The dataset of a run, of its own seed: a small drift, and force errors of 0.05 eV/Å."""
    return make_run(
        molecule_structure(NAMES.get(row.system, "H2O")),
        frames=frames,
        temperature_K=row.temperature_K,
        drift_meV_per_atom_ps=0.02,
        energy_noise_meV=0.1,
        reference_every=reference_every,
        seed=sum(f"{row.system}{row.temperature_K:g}".encode()) + row.replica,
        outcome=row.outcome,
    )


def rows(model: str, replicas: int = 2, failed: Sequence[int] = (), missing: Sequence[int] = ()) -> list[RunRow]:
    """Runs of one model over three systems and three temperatures; some by index failed or missing."""
    found: list[RunRow] = []
    for system in NAMES:
        for kelvin in TEMPERATURES:
            for replica in range(replicas):
                run = f"runs/{model}/{system}/{SIMULATION}/T{kelvin:g}K_r{replica}"
                index = len(found)
                outcome = "failed" if index in failed else "missing" if index in missing else "completed"
                why = "broken_bond at 420 fs: bond C1-H3 is 2.1 Å, 1.9 times its start" if outcome == "failed" else ""
                time = {"completed": 10.0, "failed": 0.42}.get(outcome, math.nan)
                found.append(RunRow(run, model, system, SIMULATION, kelvin, replica, outcome, why, time))
    return found


def measurement(quantity: str, units: str, value: float, error: float, **where: str | float) -> Measurement:
    """A measurement of two replicas with a 95 % interval of two standard errors."""
    model, system, kelvin = where["model"], where.get("system"), where.get("temperature", 300.0)
    runs = tuple(f"runs/{model}/{system}/{SIMULATION}/T{kelvin:g}K_r{k}" for k in range(2)) if system else ()
    samples = (value - error, value + error) if runs else ()
    return Measurement(quantity, units, value, error, value - 2 * error, value + 2 * error, 0.95, samples, where, runs)


def not_measured(quantity: str, units: str, reason: str, **where: str | float) -> Measurement:
    """A measurement that could not be made."""
    nan = math.nan
    return Measurement(quantity, units, nan, nan, nan, nan, 0.95, (), where, (), reason)


def conditions(model: str, quantity: str, units: str, values: Sequence[float], error: float) -> list[Measurement]:
    """One measurement a system and temperature, in the order of `rows`."""
    places = [(system, kelvin) for system in NAMES for kelvin in TEMPERATURES]
    return [
        measurement(quantity, units, value, error, model=model, system=s, simulation=SIMULATION, temperature=t)
        for (s, t), value in zip(places, values, strict=True)
    ]


def criterion(
    name: str,
    found: Sequence[Measurement],
    outcome: Outcome = Outcome.PASS,
    level: Level = Level.MUST,
    minimum: float | None = None,
    maximum: float | None = None,
    advice: str = "",
) -> CriterionResult:
    """A criterion whose first (largest) condition has the outcome and whose other conditions pass."""
    ordered = sorted(found, key=lambda m: -m.value if math.isfinite(m.value) else -math.inf)
    results = [
        ConditionResult(m, outcome if k == 0 else Outcome.PASS, advice if k == 0 else "") for k, m in enumerate(ordered)
    ]
    first = found[0]
    return CriterionResult(name, level, "", first.quantity, first.units, minimum, maximum, outcome, tuple(results))


PROVENANCE: Mapping[str, object] = {
    "mdprotocol": "0.1.0",
    "date": "2026-11-23",
    "seed": 20261123,
    "commit": "0123abc",
    "checkpoints": {"original": {"original.safetensors": "ab" * 32}},
    "versions": {"python": "3.12.1", "numpy": "2.4.6"},
    "hardware": {"cpu": "Example CPU", "cores_usable": 2, "memory_GiB": 7.7, "system": "Linux 6"},
    "sessions": [{"wall_seconds": 312.5, "runs_executed": 18}],
}

PROTOCOL = {
    "simulations": {
        SIMULATION: {"timestep_fs": 0.5, "duration_ps": 10.0, "integrator": {"type": "velocity_verlet"}},
        "timestep": {"timestep_fs": [1.0, 2.0], "duration_ps": 10.0, "integrator": {"type": "velocity_verlet"}},
    },
    "metrics": {},
}


ROLES = {
    "stability.crashed": Role.CRASHED,
    "energy_drift.per_atom": Role.ENERGY_DRIFT,
    "force_error.rmse": Role.FORCE_RMSE,
    "force_error.angle": Role.FORCE_ANGLE,
    "resources.parameters": Role.PARAMETERS,
    "inference_time.median_ms": Role.STEP_TIME,
    "inference_time.median_ms_by_batch": Role.BATCH_TIME,
}
"""Of the invented quantities, as the metrics of these names have them."""


def report(verdicts: Sequence[ModelVerdict], runs: Sequence[RunRow], found: Sequence[Measurement] = ()) -> Report:
    """A report whose figures are drawn when asked for."""
    by_id = {row.run: row for row in runs}
    plain = Report(
        name="m6_synthetic",
        description="Invented numbers.",
        verdicts=tuple(verdicts),
        measurements=tuple(found),
        runs=tuple(runs),
        protocol=PROTOCOL,
        provenance=PROVENANCE,
        open_run=lambda run: dataset(by_id[run]),
        command="mdprotocol run protocols/m6_synthetic.yaml",
        roles=ROLES,
    )
    return dataclasses.replace(plain, figures=functools.cache(lambda: draw(plain)))


def sound_verdict(model: str = "original", scale: float = 1.0) -> tuple[ModelVerdict, list[Measurement]]:
    """An APPROVED model; `scale` multiplies its force errors."""
    rmse = conditions(model, "force_error.rmse", "eV/Å", [scale * x for x in np.linspace(0.02, 0.06, 9)], 0.002)
    drift = conditions(model, "energy_drift.per_atom", "meV/atom/ps", list(np.linspace(0.01, 0.12, 9)), 0.02)
    crashed = conditions(model, "stability.crashed", "1", [0.0] * 9, 0.0)
    criteria = (
        criterion("no_crash", crashed, maximum=0.0),
        criterion("energy_drift", drift, maximum=1.0),
        criterion("force_rmse", rmse, maximum=0.2),
    )
    uses = (Recommendation("production MD", True, (), "At 100 to 500 K."),)
    verdict = ModelVerdict(model, Decision.APPROVED, ("all 3 must criteria passed",), criteria, uses, 18, 18, 0, 0)
    return verdict, [*crashed, *drift, *rmse]


def sound_report() -> Report:
    """One approved model."""
    verdict, found = sound_verdict()
    return report([verdict], rows("original"), found)


def troubled_verdict(model: str = "tiny") -> tuple[ModelVerdict, list[Measurement]]:
    """A REJECTED model with every outcome."""
    rmse = conditions(model, "force_error.rmse", "eV/Å", list(np.linspace(0.1, 0.45, 9)), 0.01)
    drift = conditions(model, "energy_drift.per_atom", "meV/atom/ps", list(np.linspace(0.1, 0.95, 9)), 0.2)
    crashed = conditions(model, "stability.crashed", "1", [0.0] * 8 + [1.0], 0.0)
    angle = not_measured("force_error.angle", "°", "no reference forces", model=model, system="water")
    criteria = (
        criterion("no_crash", crashed, Outcome.FAIL, maximum=0.0),
        criterion("energy_drift", drift, Outcome.INCONCLUSIVE, maximum=1.0, advice="9 more replicas would decide it"),
        criterion("force_rmse", rmse, Outcome.FAIL, maximum=0.2),
        criterion("angle", [angle], Outcome.NOT_MEASURED, Level.SHOULD, maximum=5.0),
        CriterionResult("speed", Level.NICE, "", "inference_time.median_ms", "ms", None, 10.0, Outcome.NOT_MEASURED,
                        (), "no probe was run"),
    )  # fmt: skip
    uses = (
        Recommendation("production MD", False, ("no_crash", "force_rmse"), "At 100 to 500 K."),
        Recommendation("not for MD", True, (), "Runs end early.", warning=True, because=("no_crash",)),
    )
    causes = (Diagnosis("force_rmse", "broken symmetry", "the energy changes by 60 meV when the molecule is turned"),)
    reasons = ("2 of 3 must criteria failed: no_crash, force_rmse",)
    verdict = ModelVerdict(model, Decision.REJECTED, reasons, criteria, uses, 18, 15, 2, 1, diagnosis=causes)
    return verdict, [*crashed, *drift, *rmse, angle]


def troubled_report() -> Report:
    """One rejected model with failed and missing runs."""
    verdict, found = troubled_verdict()
    return report([verdict], rows("tiny", failed=(16, 17), missing=(0,)), found)


def several_report() -> Report:
    """Two models with sizes and speeds at two batch sizes."""
    verdicts, found, runs = [], [], []
    for model, made, size, ms in (("original", sound_verdict, 427_009, 4.0), ("tiny", troubled_verdict, 77_000, 1.6)):
        verdict, measured = made(model)
        extra = [
            measurement("resources.parameters", "1", size, 0.0, model=model),
            measurement("inference_time.median_ms", "ms", ms, 0.1, model=model, system="water"),
        ]
        for batch in (1, 16):
            extra.append(measurement("inference_time.median_ms_by_batch", "ms", ms * batch**0.5, 0.1, model=model,
                                     system="water", batch_size=float(batch)))  # fmt: skip
        verdicts.append(verdict)
        found += [*measured, *extra]
        runs += rows(model)
    expected = {"speed_up": {"metric": "inference_time.median_ms", "of": "original", "to": "tiny", "min": 3.0}}
    plain = report(verdicts, runs, found)
    return dataclasses.replace(plain, protocol={**plain.protocol, "expectations": expected})


def hostile_report() -> Report:
    """Names and texts that try to break every format."""
    where = {"model": NASTY, "system": "=HYPERLINK(1)", "simulation": "@x|y"}
    found = not_measured("m.q", "`|", f"because {NASTY}\x00\x1b[31m", **where, temperature=300.0)
    result = CriterionResult(NASTY, Level.MUST, NASTY, "m.q", "`|", None, 1.0, Outcome.NOT_MEASURED,
                             (ConditionResult(found, Outcome.NOT_MEASURED, NASTY),), NASTY)  # fmt: skip
    verdict = ModelVerdict(NASTY, Decision.UNDECIDED, (NASTY,), (result,), (Recommendation(NASTY, False, (NASTY,)),),
                           notes=(NASTY,), diagnosis=(Diagnosis(NASTY, NASTY, NASTY),))  # fmt: skip
    row = RunRow("runs/x/../|", NASTY, "=HYPERLINK(1)", "@x|y", 300.0, 0, "failed", f"nan at 3 fs: {NASTY}", 0.003)
    made = report([verdict], [row], [found])
    return dataclasses.replace(made, name=NASTY, description=NASTY, command="run ```\n| x")


def empty_report() -> Report:
    """A model of which nothing is known."""
    verdict = ModelVerdict("ghost", Decision.UNDECIDED, (), ())
    return report([verdict], [])
