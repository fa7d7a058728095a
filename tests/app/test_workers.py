"""Workers of a command: the same results whoever does the work, in which order; what is timed has the machine to itself."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from mdprotocol.app.running import divided
from mdprotocol.app.sources import Source, prepare
from mdprotocol.app.workers import Workers, checked
from mdprotocol.contracts import TaskFailure
from mdprotocol.engine import tasks
from mdprotocol.errors import PluginError
from mdprotocol.plan import make_study
from mdprotocol.plan.types import ProbeBatch

SMOKE = Path(__file__).parents[2] / "protocols" / "smoke.yaml"


def square(number: int) -> int:
    time.sleep(random.random() / 50)
    return number**2


def dies_elsewhere(parent: int) -> int:
    """What only the process that asked can do."""
    if os.getpid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
    return parent


def raises_elsewhere(parent: int) -> int:
    if os.getpid() != parent:
        raise RuntimeError("not here")
    return parent


def workers(**options: Any) -> Workers:
    prepared = prepare(Source(SMOKE))
    executor = prepared.registry.entries["executors"][options.pop("type", "processes")].component(**options)
    protocol = prepared.protocol.model_copy(update={"executor": executor})
    return Workers(protocol, prepared.registry, lambda event: None)


@pytest.mark.parametrize("options", [{"workers": 2}, {"type": "serial"}], ids=["processes", "serial"])
def test_results_come_in_the_order_of_the_items(options: dict[str, Any]) -> None:
    with workers(**options) as some:
        assert some.map(square, [5, 1]) == [25, 1]
        assert not some.stay
        some.start(2)
        assert some.stay is ("workers" in options)
        assert some.map(square, range(12)) == [number**2 for number in range(12)]


def test_what_a_worker_cannot_do_is_done_here() -> None:
    with workers(workers=2) as some:
        some.start(2)
        me = os.getpid()
        assert some.map(dies_elsewhere, [me, me]) == [me, me]
        assert some.map(raises_elsewhere, [me]) == [me]
        assert some.map(square, [3]) == [9]


def test_probes_that_time_something_are_done_alone() -> None:
    prepared = prepare(Source(SMOKE))
    probes = make_study(prepared.protocol, prepared.registry).probes
    model = prepared.protocol.models["original"]
    timed, others = divided([ProbeBatch("original", model, probes, {}, "")])
    assert {p.metric for batch in timed for p in batch.probes} == {"inference_time", "resources", "usable_timestep"}
    assert len(timed) == len(others) == 1
    assert sorted(p.id for batch in (*timed, *others) for p in batch.probes) == sorted(p.id for p in probes)
    assert divided([ProbeBatch("original", model, others[0].probes, {}, "")])[0] == []


def yielding(*items: Any) -> list[Any]:
    """What is taken of an executor that yields these, given two tasks."""
    return list(checked(iter(items), 2, "odd"))


def test_results_come_with_their_places_in_any_order() -> None:
    failure = TaskFailure("ValueError", "no")
    assert yielding((1, "b"), (0, failure)) == [(1, "b"), (0, failure)]


@pytest.mark.parametrize(
    ("items", "said"),
    [
        (["a"], r"expected \(place, result or TaskFailure\), got 'a'"),
        ([("x", 1)], "got \\('x', 1\\)"),
        ([(0, ValueError("bare"))], "got \\(0, ValueError\\('bare'\\)\\)"),
        ([(0, 1), (0, 1)], "yields task 0 a second time"),
        ([(2, 1)], "yields task 2 of 2 tasks"),
        ([(-1, 1)], "yields task -1 of 2 tasks"),
    ],
)
def test_an_executor_that_breaks_its_contract_is_named(items: list[Any], said: str) -> None:
    with pytest.raises(PluginError, match=f"executor 'odd'.*{said}"):
        yielding(*items)


def test_a_task_that_the_executor_says_nothing_of_has_failed() -> None:
    (place, result), (other, failure) = yielding((1, "b"))
    assert (place, result, other) == (1, "b", 0)
    assert "executor 'odd' gave neither a result nor a failure" in str(failure)


def test_where_every_result_is_needed_the_first_failure_is_raised() -> None:
    with workers(workers=1) as some:
        assert some.results(tasks.call, [(square, 2), (square, 3)]) == [4, 9]
        with pytest.raises(RuntimeError, match="not here") as caught:
            some.results(tasks.call, [(square, 2), (raises_elsewhere, os.getpid())])
    assert any("raises_elsewhere" in note for note in caught.value.__notes__)
