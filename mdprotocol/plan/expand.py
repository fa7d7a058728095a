"""Protocol to runs and probes, in a fixed order. No file is touched here; identities come later."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from mdprotocol.contracts import Dynamics, Metric, ProbeMetric
from mdprotocol.plan.batches import batch_sizes
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.guards import blind_spots
from mdprotocol.plan.itself import against_itself, is_reference
from mdprotocol.plan.metrics import split_quantity
from mdprotocol.plan.replicas import replicas_of
from mdprotocol.plan.seeds import probe_seed, run_seed
from mdprotocol.plan.select import named
from mdprotocol.plan.steps import run_settings
from mdprotocol.plan.types import Probe, Run, RunSettings
from mdprotocol.protocol.places import Path
from mdprotocol.protocol.schema import REFERENCE, Criterion, Protocol, Simulation
from mdprotocol.protocol.timesteps import expanded

LARGE_TIMESTEP_FS = 2.0
MAX_RUNS = 200_000
"""Runs of one simulation: more are surely a mistake, and would not fit into memory."""


def expand_runs(protocol: Protocol, findings: Findings | None = None) -> tuple[Run, ...]:
    """Every run: model × system × simulation × temperature × replica; with identity "".

    A list of time steps gives a simulation each; `reference_trajectory` adds the reference's own runs with equal seeds.

    Args:
        findings: where problems and warnings go; without it, problems are raised.

    Raises:
        ProtocolError: a duration is no whole number of steps.
    """
    found = findings or Findings()
    runs = tuple(run for name in protocol.simulations for run in _simulation_runs(protocol, name, found))
    if findings is None:
        found.raise_problems()
    return tuple(sorted(runs, key=lambda run: _order(protocol, run.model)))


def _order(protocol: Protocol, model: str) -> int:
    return [*protocol.models, REFERENCE].index(model)


def _simulation_runs(protocol: Protocol, name: str, findings: Findings) -> Iterator[Run]:
    simulation = protocol.simulations[name]
    if run_count(protocol, simulation) > MAX_RUNS:
        findings.error(
            ("simulations", name), f"{run_count(protocol, simulation):,} runs; at most {MAX_RUNS:,}", key=True
        )
        return
    for guard, text in blind_spots(simulation):
        findings.warn(("simulations", name, "guards", guard), text)
    for full, settings in _expanded(name, simulation, findings):
        for model in models_of(protocol, simulation):
            yield from _model_runs(protocol, name, full, _for_model(settings, model, protocol), model)


def run_count(protocol: Protocol, simulation: Simulation) -> int:
    """Number of runs of a simulation, over all models."""
    steps = simulation.timestep_fs
    return (
        (len(steps) if isinstance(steps, list) else 1)
        * len(models_of(protocol, simulation))
        * len(systems_of(protocol, simulation))
        * len(simulation.temperatures_K)
        * simulation.replicas
    )


def models_of(protocol: Protocol, simulation: Simulation) -> list[str]:
    """Names of the models that a simulation runs, the reference last where it runs its own trajectories."""
    wanted = simulation.models
    models = [model for model in protocol.models if wanted is None or model in wanted]
    return [*models, REFERENCE] if simulation.reference_trajectory and protocol.reference else models


def systems_of(protocol: Protocol, simulation: Simulation) -> list[str]:
    """Names of the systems that a simulation runs."""
    return [name for name in protocol.systems if simulation.systems is None or name in simulation.systems]


def _expanded(name: str, simulation: Simulation, findings: Findings) -> Iterator[tuple[str, RunSettings]]:
    steps = simulation.timestep_fs
    for index, (full, dt) in enumerate(expanded(name, steps)):
        if dt > LARGE_TIMESTEP_FS:
            path: Path = ("simulations", name, "timestep_fs", *([index] if isinstance(steps, list) else []))
            findings.warn(path, f"{dt:g} fs is long; bonds to hydrogen need {LARGE_TIMESTEP_FS:g} fs or less")
        yield full, run_settings(name, simulation, dt, findings)


def _for_model(settings: RunSettings, model: str, protocol: Protocol) -> RunSettings:
    """Labels are left out where there is no reference to give them, or where the reference would label itself."""
    if protocol.reference is not None and model != REFERENCE and not is_reference(protocol, model):
        return settings
    return RunSettings(**{**vars(settings), "reference_every": 0})


def _model_runs(protocol: Protocol, base: str, full: str, settings: RunSettings, model: str) -> Iterator[Run]:
    simulation = protocol.simulations[base]
    for system in systems_of(protocol, simulation):
        for kelvin in simulation.temperatures_K:
            place = (model, system, kelvin, settings.timestep_fs)
            for replica, stage in replicas_of(simulation.replicas, simulation.additions, *place):
                seed = (
                    simulation.seeds[replica]
                    if simulation.seeds is not None and replica < len(simulation.seeds)
                    else run_seed(protocol.seed, system, base, kelvin, replica)
                )
                yield Run(model, system, full, kelvin, replica, seed, settings, "", stage=stage, base_simulation=base)


def expand_probes(protocol: Protocol, metrics: Mapping[str, Metric], runs: Sequence[Run]) -> tuple[Probe, ...]:
    """Every probe: model × system × probe metric that the protocol uses; with identity "".

    A model is probed on the systems that its runs use, or on all where it has no runs, and on those that a criterion on
    the metric names; with a metric that criteria use, on those systems only that one of these criteria keeps. A probe that
    needs a simulation of its system is planned for no system that is named and not run.

    Args:
        metrics: all that the protocol uses, by name.
        runs: all runs of the protocol.
    """
    examining = {name: metric for name, metric in metrics.items() if isinstance(metric, ProbeMetric)}
    sizes, moves = batch_sizes(runs), dynamics_of(runs)
    running = {model for model, _ in sizes}
    return tuple(
        Probe(
            model=model,
            system=system,
            metric=name,
            component=metric,
            seed=probe_seed(protocol.seed, system, name),
            batch_sizes=tuple(sorted({1, *sizes.get((model, system), ())})),
            identity="",
            dynamics=moves.get((model, system), ()) if metric.needs_dynamics else (),
        )
        for model in protocol.models
        for system in protocol.systems
        for name, metric in examining.items()
        if (model, system) in sizes
        or model not in running
        or (system in systems_named(protocol, name) and not metric.needs_dynamics)
        if system in systems_judged(protocol, name) and not against_itself(protocol, model, metric)
    )


def systems_judged(protocol: Protocol, metric: str) -> set[str]:
    """Systems that a criterion on this metric keeps; all where no criterion uses it, and it is measured for its own sake."""
    found = _criteria_on(protocol, metric)
    if not found or any("system" not in criterion.where for criterion in found):
        return set(protocol.systems)
    return systems_named(protocol, metric)


def systems_named(protocol: Protocol, metric: str) -> set[str]:
    """Systems that a criterion on this metric names."""
    return {str(name) for criterion in _criteria_on(protocol, metric) for name in named(criterion, "system")}


def _criteria_on(protocol: Protocol, metric: str) -> list[Criterion]:
    return [criterion for criterion in protocol.criteria.values() if split_quantity(criterion.metric)[0] == metric]


def dynamics_of(runs: Iterable[Run]) -> dict[tuple[str, str], tuple[Dynamics, ...]]:
    """How each system is moved, one entry a simulation, by (model, system)."""
    found: dict[tuple[str, str], dict[str, Dynamics]] = {}
    for run in runs:
        mine = found.setdefault((run.model, run.system), {})
        known = mine.get(run.simulation)
        kelvin = tuple(dict.fromkeys((*(known.temperatures_K if known else ()), run.temperature_K)))
        mine[run.simulation] = Dynamics(run.simulation, run.settings.integrator, run.settings.timestep_fs, kelvin)
    return {place: tuple(mine.values()) for place, mine in found.items()}
