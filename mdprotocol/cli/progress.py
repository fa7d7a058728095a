"""Progress on stderr: a live display on a terminal, a line now and then elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from mdprotocol.engine import events

Handler = Callable[[events.Event], None]
LOG_SECONDS = 15.0


@contextlib.contextmanager
def progress(quiet: bool) -> Iterator[Handler]:
    """A handler of events; failures, notices and lost tasks are shown even when quiet."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if quiet:
        yield Lines(console, only_problems=True)
    elif sys.stderr.isatty():
        with Live(console) as handler:
            yield handler
    else:
        yield Lines(console)


def problem(event: events.Event) -> str:
    """What the user must be told whatever the mode; empty for all else."""
    match event:
        case events.RunFailed():
            return f"{event.run} failed: {event.kind}: {event.detail}"
        case events.Notice():
            return f"{event.label}: {event.text}"
        case events.TaskFailed():
            return f"a task was lost: {event.detail}"
        case events.ProbeFinished(problem=text) if text:
            return f"{event.label} could not be measured: {text}"
    return ""


def live_facts(event: events.Progress) -> str:
    """Speed, temperature and drift in few words."""
    drift = "" if math.isnan(event.drift) else f"  drift {event.drift:+.3f} meV/atom/ps"
    return f"{event.ns_per_day:7.2f} ns/day  {event.temperature_K:5.0f} K{drift}"


class Lines:
    """For logs: a line when a batch begins and ends, and every quarter of a minute between."""

    def __init__(self, console: Console, only_problems: bool = False) -> None:
        self._console, self._only_problems = console, only_problems
        self._last: dict[str, float] = {}

    def __call__(self, event: events.Event) -> None:
        text = problem(event) or ("" if self._only_problems else self._line(event))
        if text:
            self._console.print(Text(text))

    def _line(self, event: events.Event) -> str:
        match event:
            case events.BatchStarted():
                self._last[event.label] = time.monotonic()
                return f"{event.label}: {event.runs} runs, {event.steps} steps"
            case events.Progress() if time.monotonic() - self._last.get(event.label, 0) > LOG_SECONDS:
                self._last[event.label] = time.monotonic()
                return f"{event.label}: {100 * event.step / event.steps:3.0f} %  {live_facts(event)}"
            case events.BatchFinished():
                failed = f", {event.failed} failed" if event.failed else ""
                return f"{event.label}: {event.runs} runs done{failed} in {event.seconds:.0f} s"
            case events.ProbeFinished():
                return f"{event.label}: measured"
        return ""


class Facts(ProgressColumn):
    """Live facts of a batch."""

    def render(self, task: Task) -> Text:
        return Text(task.fields.get("facts", ""), style="cyan")


class Live:
    """For terminals: a bar a batch."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(24), Facts(), TimeElapsedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console)
        self._tasks: dict[str, object] = {}

    def __enter__(self) -> Live:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, event: events.Event) -> None:
        text = problem(event)
        if text:
            self._progress.console.print(Text(text, style="yellow"))
        match event:
            case events.BatchStarted():
                self._tasks[event.label] = self._progress.add_task(event.label, total=event.steps)
            case events.Progress():
                self._update(event.label, completed=event.step, facts=live_facts(event))
            case events.BatchFinished():
                self._close(event.label)
            case events.ProbeStarted():
                self._tasks[event.label] = self._progress.add_task(event.label, total=None)
            case events.ProbeFinished():
                self._close(event.label)

    def _update(self, label: str, **values: object) -> None:
        if label in self._tasks:
            self._progress.update(self._tasks[label], **values)  # type: ignore[arg-type]

    def _close(self, label: str) -> None:
        if label in self._tasks:
            self._progress.remove_task(self._tasks.pop(label))  # type: ignore[arg-type]
