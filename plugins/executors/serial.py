"""Tasks one after the other in this process."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from mdprotocol.api import Executor, attempt


class Serial(Executor):
    """One task after the other in the calling process."""

    type: Literal["serial"] = "serial"

    def execute(
        self,
        work: Callable[[Any, Callable[[Any], None]], Any],
        tasks: Sequence[Any],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[tuple[int, Any]]:
        setup()
        for place, task in enumerate(tasks):
            yield place, attempt(functools.partial(work, task, on_event))
