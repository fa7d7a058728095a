"""Failed runs behind a verdict: a run that blew up is data, whatever was measured before it did.

Every planned run that a criterion's `where` selects is a run that it draws on, whether its number notices a failure or
not: the momentum of a molecule that flies apart is conserved to the end. Criteria that examine the model itself draw on no
run, unless no must criterion does: they then speak for all that their systems do.

Tolerated failures are the odd ones of a condition. Where most of its runs failed, there is no condition that was tested.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mdprotocol.assess.measurements import Measurements
from mdprotocol.plan import Condition, Run, Study, select
from mdprotocol.protocol.schema import Criterion
from mdprotocol.verdicts import Level


@dataclass(frozen=True)
class Failures:
    """The runs that one model's criteria draw on, and those of them that failed.

    Attributes:
        drawn: ids of the runs of each criterion, in the order of the plan.
        failed: ids of all failed runs of the model.
        conditions: condition of every run, by its id.
        must: names of the must criteria.
        tolerated: number of failed runs that the protocol tolerates; and why.
    """

    drawn: Mapping[str, tuple[str, ...]]
    failed: frozenset[str]
    conditions: Mapping[str, Condition]
    must: tuple[str, ...]
    tolerated: int = 0
    why: str = ""

    def among(self, names: Sequence[str]) -> list[str]:
        """Failed runs that any of these criteria draws on."""
        runs = dict.fromkeys(run for name in names for run in self.drawn.get(name, ()))
        return [run for run in runs if run in self.failed]

    def too_many(self, names: Sequence[str]) -> list[str]:
        """Those of the criteria that draw on failed runs, where together these are more than the protocol tolerates."""
        if len(self.among(names)) <= self.tolerated and not self._mostly(names):
            return []
        return [name for name in names if self.among([name])]

    def _mostly(self, names: Sequence[str]) -> list[Condition]:
        """Conditions that these criteria draw on in which more than half of the runs failed."""
        drawn = dict.fromkeys(run for name in names for run in self.drawn.get(name, ()))
        all_of, failed = (Counter(self.conditions[run] for run in some) for some in (drawn, self.among(names)))
        return [condition for condition, count in failed.items() if 2 * count > all_of[condition]]

    @property
    def rejects(self) -> str:
        """Why no number can save the model; empty where failed runs do not decide."""
        if not self.too_many(self.must):
            return ""
        failed = self.among(self.must)
        first = f"the first is {failed[0]}" if len(failed) > 1 else failed[0]
        limit = f"; the protocol tolerates {self.tolerated}: {self.why}" if self.tolerated else ""
        if self.tolerated and len(failed) <= self.tolerated:
            limit += f"; but more than half failed in {_named(self._mostly(self.must)[0])}"
        return f"{self._share} ({first}{limit})"

    @property
    def overlooked(self) -> str:
        """What was tolerated, for the first sentence of the verdict; empty where no run failed, or too many."""
        if self.rejects or not self.among(self.must):
            return ""
        return f"{self._share}, tolerated by the protocol (at most {self.tolerated}: {self.why})"

    @property
    def _share(self) -> str:
        count = len({run for name in self.must for run in self.drawn[name]})
        return f"{len(self.among(self.must))} of {count} runs that must criteria draw on failed"


def failed_runs(study: Study, model: str, measurements: Measurements) -> Failures:
    """The failed runs of one model behind each criterion."""
    drawn, runs = runs_behind(study, model), study.runs_of(model)
    failed = frozenset(run.id for run in runs if measurements.outcomes.get(run.id) == "failed")
    must = tuple(study.of_level(Level.MUST))
    conditions = {run.id: run.condition for run in runs}
    allowed = study.protocol.failed_runs
    return Failures(drawn, failed, conditions, must, allowed.max if allowed else 0, allowed.reason if allowed else "")


def runs_behind(study: Study, model: str) -> dict[str, tuple[str, ...]]:
    """Ids of the runs of a model whose failure counts against each criterion."""
    criteria, must = study.protocol.criteria, study.of_level(Level.MUST)
    drawn = {name: tuple(run.id for run in study.drawn_on(name, model)) for name in criteria}
    if not any(drawn[name] for name in must):
        drawn |= {name: tuple(run.id for run in _of_systems(criteria[name], study.runs_of(model))) for name in must}
    return drawn


def _of_systems(criterion: Criterion, runs: Sequence[Run]) -> list[Run]:
    """Runs of the systems that a criterion names; of all systems where it names none."""
    return select(
        runs, criterion.model_copy(update={"where": {k: v for k, v in criterion.where.items() if k == "system"}})
    )


def _named(condition: Condition) -> str:
    return f"{condition.system}, {condition.simulation}, {condition.temperature:g} K"
