"""The self-test of a protocol: faults are planted in its own models, and sound repetitions are judged beside them.

Every trial goes the way of a real run: a plan, the engine, the probes, measuring, judging. Runs and probes that a fault
does not touch (the reference's own among them) are taken over from the trial without a fault, by their identity.

A trial that was begun is kept in the folder `trials` until the self-test has come to its end: called again after an
interruption, it takes over finished trials and finished runs, and goes on with the others from their checkpoints.
"""

from __future__ import annotations

import functools
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mdprotocol.app.running import EventHandler
from mdprotocol.app.sources import Prepared, Source, prepare
from mdprotocol.app.trials import Job, carry_out, code_of_all
from mdprotocol.app.workers import Workers
from mdprotocol.assess.selftest import Broken, Power, Seen, Trial, expected_of, false_alarms, see
from mdprotocol.contracts import Fault, Metric, TaskFailure, attempt
from mdprotocol.errors import UsageError
from mdprotocol.faults.catalogue import chosen
from mdprotocol.faults.planting import plant
from mdprotocol.plan import Plan, make_plan
from mdprotocol.plan.covering import covering
from mdprotocol.plan.identity import hashed
from mdprotocol.protocol import dump
from mdprotocol.protocol.schema import Criterion, Protocol
from mdprotocol.protocol.timesteps import expanded
from mdprotocol.report.selftest import render_selftest
from mdprotocol.store import ResultsFolder
from mdprotocol.verdicts import Level

TRIALS = "trials"
"""Folder of trials."""
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

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Faults that could not be tried."""
        return tuple(broken for power in self.powers for broken in power.broken)


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
    with folder.locked(), Workers(protocol, prepared.registry, on_event) as workers:
        workers.start(max(len(planted), repetitions, 1))
        bench = _Bench(prepared, folder.path(TRIALS), workers)
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
    left = {name for kind, name, *rest in paths if kind == "simulations" and not rest}
    steps = {name: one.timestep_fs for name, one in protocol.simulations.items() if name in left}
    gone = left | {full for name, step in steps.items() for full, _ in expanded(name, step)}

    def runs_nowhere(criterion: Criterion) -> bool:
        wanted = criterion.where.get("simulation")
        names = wanted if isinstance(wanted, list) else [] if wanted is None else [wanted]
        return bool(names) and all(str(name) in gone for name in names)

    return [name for name, c in protocol.criteria.items() if name in section.without or runs_nowhere(c)]


def _exists(data: Mapping[str, Any], path: str) -> bool:
    """Whether the protocol has the simulation or metric that a change is about."""
    section, name = path.split(".")[:2]
    return data.get(section, {}).get(name) is not None


class _Bench:
    """Runs trials on the protocol's workers."""

    def __init__(self, prepared: Prepared, trials: Path, workers: Workers) -> None:
        self._prepared, self._trials, self._workers = prepared, trials, workers
        self._code = code_of_all(prepared.registry)
        metrics = [entry.component for entry in prepared.registry.entries["metrics"].values()]
        self._tests = {cls.type_name(): cls.tests for cls in metrics if issubclass(cls, Metric)}

    def power(self, model: str, faults: Sequence[Fault], repetitions: int, sizes: bool) -> Power:
        """All trials with one model."""
        alone = self._alone(model)
        plan = self._plan(alone)
        first = replace(self._job(alone, f"{model}: without a fault", plan), keep=True)
        others = [self._sound(alone, model, index) for index in range(1, repetitions)]
        baseline, *sound = self._workers.results(carry_out, [first, *others])
        found = self._faults(alone, plan, faults, first, baseline)
        if sizes:
            found = self._smallest(alone, plan, faults, first, baseline, found)
        counted = [baseline, *sound] if repetitions else []
        seen = tuple(one for one in found if isinstance(one, Seen))
        broken = tuple(one for one in found if isinstance(one, Broken))
        return Power(model, baseline, seen, false_alarms(alone, counted), alone.selftest.power, broken)

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
    ) -> list[Seen | Broken]:
        """What the protocol makes of each fault, in their order."""

        def job(fault: Fault) -> Job:
            return self._job(protocol, fault.label, plant(fault, plan), fault, first.folder)

        made = [attempt(functools.partial(job, fault)) for fault in faults]
        ends: dict[int, Any] = {place: one for place, one in enumerate(made) if isinstance(one, TaskFailure)}
        jobs = {place: one for place, one in enumerate(made) if isinstance(one, Job)}
        places = list(jobs)
        for number, end in self._workers.execute(carry_out, list(jobs.values())):
            ends[places[number]] = end
        return [self._ended(protocol, fault, baseline, ends[place]) for place, fault in enumerate(faults)]

    def _ended(
        self, protocol: Protocol, fault: Fault, baseline: Trial, end: Trial | TaskFailure | Sequence[TaskFailure]
    ) -> Seen | Broken:
        planted = expected_of(fault, self._tests)
        if isinstance(end, Trial):
            return see(protocol, planted, baseline, end, self._tests)
        return Broken.of(planted, [end] if isinstance(end, TaskFailure) else end)

    def _smallest(
        self,
        protocol: Protocol,
        plan: Plan,
        faults: Sequence[Fault],
        first: Job,
        baseline: Trial,
        found: Sequence[Seen | Broken],
    ) -> list[Seen | Broken]:
        """With the smallest size down to which every size tried was caught, where the listed one was."""
        wanted = [f for f, one in zip(faults, found, strict=True) if f.sized and f.sized.scalable and _caught(one)]
        tried = [f.of_size(f.size * share) for f in wanted for share in SHARES if f.size is not None]
        smaller = self._faults(protocol, plan, tried, first, baseline)
        caught = {(one.fault.name, one.fault.size): _caught(one) for one in smaller}
        least: dict[str, float] = {}
        for fault in wanted:
            assert fault.size is not None
            least[fault.type] = fault.size
            for share in SHARES:
                if not caught[(fault.type, fault.size * share)]:
                    break
                least[fault.type] = fault.size * share
        seen = [replace(one, smallest=least.get(one.fault.name)) if isinstance(one, Seen) else one for one in found]
        return [*seen, *(one for one in smaller if isinstance(one, Broken))]

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
        return Job(name, plan, folder, fault, donor)


def _caught(one: Seen | Broken) -> bool:
    return isinstance(one, Seen) and one.caught
