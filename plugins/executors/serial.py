"""Tasks one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

from mdprotocol.api import Executor, asked_to_stop, kept_streams
from mdprotocol_plugins.executors.processes import placed


class Serial(Executor):
    """One task after the other in the calling process."""

    type: Literal["serial"] = "serial"

    def execute(
        self,
        work: Callable[[Any, Callable[[Any], None]], Any],
        tasks: Sequence[Any],
        on_event: Callable[[Any], None],
        setup: Callable[[], None],
    ) -> Iterator[Any]:
        setup()
        for place, task in enumerate(tasks):
            try:
                with kept_streams():
                    result = work(task, on_event)
            except BaseException as error:  # whatever a plugin raises ends its own task only
                if asked_to_stop(error):
                    raise
                result = placed(error, place)
            yield result
