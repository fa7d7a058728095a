"""A check that a model computed what it answers: timing a remembered result would make any model fast."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from mdprotocol.errors import NotMeasurable

if TYPE_CHECKING:
    from mdprotocol.contracts import Evaluation


def fresh_answer(result: Evaluation, before: np.ndarray | None) -> np.ndarray:
    """Forces and energies as one array, after a check that the model answered, and not with what it said before.

    Atoms that feel no force at all (a single atom) rightly give the same answer twice.

    Args:
        result: what the model said at positions that differ from the last ones.
        before: what this function returned for the last ones.

    Raises:
        NoAnswer: the model gave none.
        NotMeasurable: its answer is not finite, or the one it gave before.
    """
    result.answered()
    answer = np.append(result.forces.detach().cpu().numpy().ravel(), result.energy.detach().cpu().numpy())
    if not np.isfinite(answer).all():
        raise NotMeasurable("the model gave a number that is not finite while it was timed")
    if before is not None and answer[: -len(result.energy)].any() and np.array_equal(answer, before):
        raise NotMeasurable("the model answered the same for other positions: a remembered result, not a computed one")
    return answer
