"""What counts as being asked to stop, and what as a failure of somebody's code."""

from __future__ import annotations

import signal

import pytest

from mdprotocol.errors import Interrupted, asked_to_stop, in_words


@pytest.fixture(params=["Python's", "ours"])
def handler(request: pytest.FixtureRequest):
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler if request.param == "Python's" else lambda *_: None)
    yield request.param
    signal.signal(signal.SIGINT, before)


def test_a_signal_is_a_request_whoever_handles_it(handler: str) -> None:
    assert asked_to_stop(Interrupted(signal.SIGTERM))


def test_a_plain_keyboard_interrupt_is_one_only_where_ctrl_c_can_raise_it(handler: str) -> None:
    assert asked_to_stop(KeyboardInterrupt()) == (handler == "Python's")


@pytest.mark.parametrize("error", [SystemExit(0), GeneratorExit(), BaseException(), MemoryError(), RecursionError()])
def test_all_else_is_a_failure(handler: str, error: BaseException) -> None:
    assert not asked_to_stop(error)


def test_an_error_without_words_has_its_kind() -> None:
    class Wordless(Exception):
        def __str__(self) -> str:
            raise SystemExit(0)

    assert in_words(Wordless()) == "Wordless: "
    assert in_words(ValueError("two\n  lines")) == "ValueError: two lines"
