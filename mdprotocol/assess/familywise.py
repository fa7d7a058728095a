"""A failure among many conditions: how clear each must be, so that chance alone rejects hardly ever."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mdprotocol.assess.pooling import Pooled
from mdprotocol.assess.statistics import EXACT, extremes
from mdprotocol.protocol.schema import Criterion


@dataclass(frozen=True)
class ConditionTest:
    """One condition against one criterion's bounds, at the criterion's own confidence."""

    criterion: Criterion
    pooled: Pooled
    confidence: float

    @property
    def least(self) -> float:
        return -math.inf if self.criterion.min is None else self.criterion.min

    @property
    def most(self) -> float:
        return math.inf if self.criterion.max is None else self.criterion.max

    def within(self, confidence: float) -> bool:
        """Whether the whole interval keeps the bounds."""
        low, high = self._span(confidence)
        return self.least <= low and high <= self.most

    def outside(self, confidence: float) -> bool:
        """Whether the whole interval lies beyond a bound; of an extreme, whether any sample does."""
        if self._extreme:
            return not self.within(confidence)
        low, high = self._span(confidence)
        return low > self.most or high < self.least

    @property
    def _extreme(self) -> bool:
        return self.pooled.quantity.pool in ("max", "min")

    def _span(self, confidence: float) -> tuple[float, float]:
        """What has to keep the bounds: the interval. An extreme's other end counts as well: -10 does not hide beside +1."""
        if self._extreme:
            return extremes(self.pooled.condition.samples)
        found = self.pooled.at(confidence)
        return found.low, found.high

    def strict(self, tests: int) -> float:
        """Confidence of the two-sided interval that must lie outside, where this is one of `tests` tests.

        One bound is broken on one side only, so that the whole of (1 - c)/tests may stand in that tail; never less clear
        than the interval that is shown.
        """
        sides = 1 if math.isinf(self.least) or math.isinf(self.most) else 2
        return max(self.confidence, 1 - 2 / sides * (1 - self.confidence) / max(tests, 1))

    @property
    def exact(self) -> bool:
        return self.pooled.quantity.pool in EXACT


@dataclass(frozen=True)
class Strictness:
    """How clear a failure of a condition had to be.

    Attributes:
        confidence: of its interval.
        failed: whether it was.
        tests: number of conditions that the confidence was corrected for.
    """

    confidence: float
    failed: bool
    tests: int


def holm(tests: Sequence[ConditionTest]) -> list[Strictness]:
    """Judge failures so that with confidence c none of those found is false, in the order of `tests`.

    Holm (1979), Scand. J. Stat. 6, 65: every condition is tested at (1 - c)/m; those that fail leave m smaller for the others,
    and so on until none fails. It holds whatever the dependence between conditions. Exact quantities have no sampling error:
    they are no tests by chance and do not count.
    """
    levels = {
        i: Strictness(test.confidence, test.outside(test.confidence), 1) for i, test in enumerate(tests) if test.exact
    }
    left = [i for i in range(len(tests)) if i not in levels]
    while True:
        strict = {i: tests[i].strict(len(left)) for i in left}
        failed = [i for i in left if tests[i].outside(strict[i])]
        levels |= {i: Strictness(strict[i], i in failed, len(left)) for i in left}
        if not failed:
            return [levels[i] for i in range(len(tests))]
        left = [i for i in left if i not in failed]
