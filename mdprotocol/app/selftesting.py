"""The self-test of a protocol: faults are planted in its own models, and sound repetitions are judged beside them.

Every trial goes the way of a real run: a plan, the engine, the probes, measuring, judging. Runs and probes that a fault
does not touch (the reference's own among them) are taken over from the trial without a fault, by their identity.

A trial that was begun is kept in the folder `trials` until the self-test has come to its end: called again after an
interruption, it takes over finished trials and finished runs, and goes on with the others from their checkpoints.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mdprotocol.app.resuming import pending
from mdprotocol.app.running import EventHandler
from mdprotocol.app.sources import Prepared, Source, prepare
from mdprotocol.app.workers import executor_named
from mdprotocol.assess import judge_models, measure
from mdprotocol.assess.selftest import Power, Seen, Trial, expected_of, false_alarms, see
from mdprotocol.contracts import Fault, Metric
from mdprotocol.errors import StoreError, UsageError, asked_to_stop
from mdprotocol.faults.catalogue import chosen
from mdprotocol.faults.planting import plant
from mdprotocol.faults.spoiling import spoil
from mdprotocol.plan import Plan, Probe, Run, make_plan, metrics_of, total_steps
from mdprotocol.plan.covering import covering
from mdprotocol.plan.identity import hashed
from mdprotocol.protocol import dump
from mdprotocol.protocol.checks import expanded_name
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.report.selftest import render_selftest
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Level, Outcome

TRIALS, TRIAL, SPOILED = "trials", "trial.json", "spoiled.json"
"""Folder of trials; in each, what it found, and a mark that its files are about to be changed by its fault."""
SHARES = (0.5, 0.25, 0.125)
"""Of a fault's size, tried where the smallest size seen is asked for."""


@dataclass(frozen=True)
class SelfTested:
    """What a self-test ends with."""

    folder: Path
    powers: tuple[Power, ...]
    seconds: float

    @property
    def met(self) -> bool:
        """Whether the protocol has its declared power with every model."""
        return all(power.met for power in self.powers)


@dataclass(frozen=True)
class Job:
    """One trial, as a worker gets it."""

    name: str
    plan: Plan
    protocol: Protocol
    metrics: Mapping[str, Metric]
    folder: Path
    fault: Fault | None = None
    donor: Path | None = None
    """Folder of a trial whose files may be taken over."""
    keep: bool = False
    """Whether its files stay, for other trials to take over."""


def selftest(
    source: Source,
    output: Path | None,
    on_event: EventHandler,
    *,
    faults: Sequence[str] | None = None,
    sound: int | None = None,
    sizes: bool = False,
    oracle: bool = False,
) -> SelfTested:
    """Plant every fault in every model of the protocol, repeat it without a fault, and report what it saw.

    Args:
        output: folder of the report; `results/<protocol name>/selftest` by default.
        faults: names of the faults; the whole catalogue where None.
        sound: repetitions without a fault; as the protocol declares where None.
        sizes: also look for the smallest size of each fault that is caught.
        oracle: also plant them in an analytic model that is sound by construction, on the systems that it can hold.
    """
    from mdprotocol.faults.oracle import NAME as ORACLE  # imports torch

    started = time.time()
    prepared = smaller(source)
    protocol = prepared.protocol
    planted = chosen(prepared.registry, faults, protocol.selftest.sizes)
    repetitions = protocol.selftest.sound if sound is None else sound
    folder = ResultsFolder(output or Path("results") / protocol.name / "selftest")
    with folder.locked():
        bench = _Bench(prepared, folder.path(TRIALS), on_event)
        subjects = [*protocol.models, *([ORACLE] if oracle else [])]
        powers = tuple(bench.power(model, planted, repetitions, sizes) for model in subjects)
        seconds = time.time() - started
        for name, data in render_selftest(protocol, powers, seconds).items():
            folder.write_bytes(name, data)
        shutil.rmtree(folder.path(TRIALS), ignore_errors=True)
    return SelfTested(folder.root, powers, seconds)


def smaller(source: Source) -> Prepared:
    """The protocol as its self-test runs it: with the changes that it declares, and without the criteria left out.

    What `where` names and the changes leave out is no longer named; a criterion of which nothing is left is left out.

    Raises:
        UsageError: no `must` criterion is left.
    """
    declared = prepare(source, files=True)
    section, data = declared.protocol.selftest, declared.document.data
    changes = [f"{path}={json.dumps(value)}" for path, value in section.changes.items() if _exists(data, path)]
    left_out = left_out_criteria(declared.protocol)
    kept = {name: c for name, c in declared.protocol.criteria.items() if name not in left_out}
    overrides = (
        *source.overrides,
        *changes,
        *(f"criteria.{name}=null" for name in left_out),
        *(f"criteria.{name}.where={{}}" for name in kept),  # it may name what the changes leave out
        "recommendations=[]",
        "expectations={}",
        "selftest.without=[]",
    )
    reduced = prepare(replace(source, overrides=overrides), files=True)
    criteria = {name: c.model_copy(update={"where": kept[name].where}) for name, c in reduced.protocol.criteria.items()}
    named = reduced.protocol.model_copy(update={"criteria": criteria})
    protocol = covering(named, reduced.registry, reduced.document)
    left_out += [name for name in kept if name not in protocol.criteria]
    if not any(criterion.level is Level.MUST for criterion in protocol.criteria.values()):
        raise UsageError("the self-test has no `must` criterion left, so no fault could be caught")
    # What the self-test leaves out was not dropped by who wrote the protocol.
    changed = {"selftest": section.model_copy(update={"without": left_out}), "dropped": declared.protocol.dropped}
    return replace(reduced, protocol=protocol.model_copy(update=changed))


def left_out_criteria(protocol: Protocol) -> list[str]:
    """Criteria that the self-test leaves out: those that the protocol names, and those of simulations that are not run."""
    section = protocol.selftest
    paths = [path.split(".") for path, value in section.changes.items() if value is None]
    gone = {name for kind, name, *rest in paths if kind == "simulations" and not rest}

    def runs_nowhere(criterion: Criterion) -> bool:
        wanted = criterion.where.get("simulation")
        names = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
        return bool(names) and all(_base_name(protocol, str(name)) in gone for name in names)

    return [name for name, c in protocol.criteria.items() if name in section.without or runs_nowhere(c)]


def _base_name(protocol: Protocol, name: str) -> str:
    """`timestep_1fs` -> `timestep`, the simulation that a list of time steps expands into it."""
    for base, simulation in protocol.simulations.items():
        steps = simulation.timestep_fs
        if isinstance(steps, list) and name in {expanded_name(base, dt) for dt in steps}:
            return base
    return name


def _exists(data: Mapping[str, Any], path: str) -> bool:
    """Whether the protocol has the simulation or metric that a change is about."""
    section, name = path.split(".")[:2]
    return data.get(section, {}).get(name) is not None


class _Bench:
    """Runs trials on the protocol's workers."""

    def __init__(self, prepared: Prepared, trials: Path, on_event: EventHandler) -> None:
        self._prepared, self._trials, self._on_event = prepared, trials, on_event
        self._code = _code()
        self._metrics = metrics_of(prepared.protocol, prepared.registry)
        metrics = [entry.component for entry in prepared.registry.entries["metrics"].values()]
        self._tests = {cls.type_name(): cls.tests for cls in metrics if issubclass(cls, Metric)}

    def power(self, model: str, faults: Sequence[Fault], repetitions: int, sizes: bool) -> Power:
        """All trials with one model."""
        alone = self._alone(model)
        plan = self._plan(alone)
        first = replace(self._job(alone, f"{model}: without a fault", plan), keep=True)
        others = [self._sound(alone, model, index) for index in range(1, repetitions)]
        baseline, *sound = self._run([first, *others])
        seen = self._faults(alone, plan, faults, first, baseline)
        if sizes:
            seen = self._smallest(alone, plan, faults, first, baseline, seen)
        counted = [baseline, *sound] if repetitions else []
        return Power(model, baseline, tuple(seen), false_alarms(alone, counted), alone.selftest.power)

    def _alone(self, model: str) -> Protocol:
        """The protocol with one model; the oracle brings its own reference."""
        protocol = self._prepared.protocol
        if model in protocol.models:
            alone = protocol.model_copy(update={"models": {model: protocol.models[model]}})
            return covering(alone, self._prepared.registry)
        from mdprotocol.faults.oracle import oracle_protocol

        built = {name: source.build(name, self._prepared.base) for name, source in protocol.systems.items()}
        found = oracle_protocol(protocol, built)
        if found is None:
            raise UsageError(
                "the oracle holds none of this protocol's systems: molecules of one heavy atom and hydrogen"
            )
        return covering(found, self._prepared.registry)

    def _faults(
        self, protocol: Protocol, plan: Plan, faults: Sequence[Fault], first: Job, baseline: Trial
    ) -> list[Seen]:
        jobs = [self._job(protocol, fault.label, plant(fault, plan), fault, first.folder) for fault in faults]
        trials = self._run(jobs)
        return [
            see(protocol, expected_of(fault, self._tests), baseline, trial, self._tests)
            for fault, trial in zip(faults, trials, strict=True)
        ]

    def _smallest(
        self,
        protocol: Protocol,
        plan: Plan,
        faults: Sequence[Fault],
        first: Job,
        baseline: Trial,
        seen: Sequence[Seen],
    ) -> list[Seen]:
        """The smallest size down to which every size tried was caught, where the listed one was."""
        wanted = [
            fault
            for fault, one in zip(faults, seen, strict=True)
            if fault.sized and fault.sized.scalable and one.caught
        ]
        tried = [f.of_size(f.size * share) for f in wanted for share in SHARES if f.size is not None]
        found = {
            (one.fault.name, one.fault.size): one.caught for one in self._faults(protocol, plan, tried, first, baseline)
        }
        least: dict[str, float] = {}
        for fault in wanted:
            assert fault.size is not None
            least[fault.type] = fault.size
            for share in SHARES:
                if not found[(fault.type, fault.size * share)]:
                    break
                least[fault.type] = fault.size * share
        return [replace(one, smallest=least.get(one.fault.name)) for one in seen]

    # --------------------------------------------------------------------------------------------------------- jobs

    def _plan(self, protocol: Protocol) -> Plan:
        return make_plan(protocol, self._prepared.base, self._prepared.registry, document=self._prepared.document)

    def _sound(self, protocol: Protocol, model: str, index: int) -> Job:
        """A repetition with seeds of its own: those of the runs, and those of the probes."""
        simulations = {name: s.model_copy(update={"seeds": None}) for name, s in protocol.simulations.items()}
        other = protocol.model_copy(update={"seed": protocol.seed + index, "simulations": simulations})
        return self._job(other, f"{model}: without a fault, seed {other.seed}", self._plan(other))

    def _job(
        self, protocol: Protocol, name: str, plan: Plan, fault: Fault | None = None, donor: Path | None = None
    ) -> Job:
        """The job, in a folder named by all that determines its end: what is found there is its own."""
        runs, probes = ([(item.id, item.identity) for item in items] for items in (plan.runs, plan.probes))
        folder = self._trials / hashed([name, runs, probes, dump(protocol), self._code])[:16]
        return Job(name, plan, protocol, self._metrics, folder, fault, donor)

    def _run(self, jobs: Sequence[Job]) -> list[Trial]:
        """Trials in the order of the jobs."""
        from mdprotocol.engine import worker

        registry = self._prepared.registry
        executor = self._prepared.protocol.executor or executor_named(registry, "processes")
        setup = functools.partial(worker.prepare_worker, registry.sources)
        found: dict[str, Trial] = {}
        for result in executor.execute(carry_out, list(jobs), self._on_event, setup):
            if isinstance(result, BaseException):
                raise result
            found[result.name] = result
        return [found[job.name] for job in jobs]


def _code() -> str:
    """Digest of this program's source: its faults and its judge have no version that would tell a change."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------------- in a worker


def carry_out(job: Job, emit: EventHandler) -> Trial:
    """One trial: simulate what cannot be taken over, measure, judge."""
    from mdprotocol.engine import events

    started, folder = time.monotonic(), ResultsFolder(job.folder)
    if (known := _finished(folder)) is not None:
        return known
    if folder.exists(SPOILED):  # nobody knows how far
        shutil.rmtree(job.folder)
    folder.sweep()
    take_over(job.plan, folder, ResultsFolder(job.donor) if job.donor else None)
    steps = sum(total_steps(batch.settings) for batch in job.plan.batches)
    emit(events.BatchStarted(job.name, len(job.plan.runs), 0, steps, 0.0))
    _simulate(job, folder)
    if job.fault is not None:
        folder.write_json(SPOILED, {})
        spoil(job.fault, job.plan, folder)
    measurements = measure(job.protocol, job.metrics, job.plan.runs, job.plan.probes, folder)
    (verdict,) = judge_models(job.protocol, job.metrics, job.plan.runs, job.plan.probes, measurements)
    trial = Trial.of(job.name, verdict)
    folder.write_json(TRIAL, dataclasses.asdict(trial))
    for part in ("runs", "probes") if not job.keep else ():
        shutil.rmtree(job.folder / part, ignore_errors=True)
    emit(events.BatchFinished(job.name, len(job.plan.runs), verdict.runs_failed, time.monotonic() - started))
    return trial


def _finished(folder: ResultsFolder) -> Trial | None:
    """What an earlier call found; None where the trial has not come to its end."""
    try:
        found = folder.read_facts(TRIAL)
        outcomes = {str(name): Outcome(value) for name, value in found["outcomes"].items()}
        return Trial(str(found["name"]), str(found["decision"]), outcomes, dict(found["details"]))
    except (StoreError, KeyError, ValueError, TypeError, AttributeError):
        return None


def _simulate(job: Job, folder: ResultsFolder) -> None:
    """As in a real run: a task that raises leaves its runs missing, and the verdict says so."""
    from mdprotocol.engine.batch import run_batch
    from mdprotocol.engine.probe import run_probes

    batches, probes = pending(job.plan, folder)
    work: list[Callable[[], Any]] = [functools.partial(run_probes, p, folder.root, _quiet) for p in probes]
    work += [functools.partial(run_batch, batch, folder.root, _quiet) for batch in batches]
    for task in work:
        try:
            task()
        except StoreError:
            raise
        except BaseException as error:
            if job.fault is None or asked_to_stop(error):
                raise


def _quiet(event: Any) -> None:
    """What happens inside a trial is told by its verdict."""


def take_over(plan: Plan, folder: ResultsFolder, donor: ResultsFolder | None) -> None:
    """Link finished files of equal identity from another folder."""
    items: tuple[Run | Probe, ...] = (*plan.runs, *plan.probes)
    for item in items if donor is not None else ():
        assert donor is not None
        if folder.identity(item.path) != item.identity == donor.identity(item.path):
            target = folder.path(item.path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            os.link(donor.path(item.path), target)
