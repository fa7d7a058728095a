"""What a shell or a terminal brings along decides nothing: descriptors, streams, encodings, warnings."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import select
import sys
import warnings
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer

UTF8 = ["-X", "utf8"]
WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
"""Options of the interpreter whose value is an argument of its own."""
STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))


def usable_streams() -> None:
    """Standard streams that can be used, whatever was closed; a character that they cannot show is shown escaped."""
    _open_descriptors()
    for name, mode in STREAMS:
        stream = getattr(sys, name)
        if stream is None or getattr(stream, "closed", False):
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115 - for as long as the process lives
            setattr(sys, name, stream)
        if mode == "w" and isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _open_descriptors() -> None:
    """A file or a socket must not get the number of a standard stream: what a library prints would go into it."""
    for descriptor in range(len(STREAMS)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            os.set_inheritable(descriptor, True)


class Stream(io.TextIOWrapper):
    """A standard stream of our own, on a copy of its descriptor: what others close is not ours.

    What it cannot write (a full disk, a closed pipe) is lost, and kept as `error`; nothing is raised.
    """

    def __init__(self, like: TextIO, descriptor: int) -> None:
        self._raw = _Raw(os.dup(descriptor))
        super().__init__(
            io.BufferedWriter(self._raw),
            encoding=like.encoding,
            errors="backslashreplace",
            line_buffering=getattr(like, "line_buffering", True),
            write_through=getattr(like, "write_through", False),
        )

    @property
    def error(self) -> OSError | None:
        """Why something could not be written."""
        return self._raw.error

    def close(self) -> None:
        """Others may close what they do not own; it stays open."""
        self.flush()


class _Raw(io.RawIOBase):
    error: OSError | None = None

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def write(self, data: Buffer, /) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:  # another program has made the terminal so
                select.select([], [self._descriptor], [])
            except OSError as error:
                self.error = self.error or error
                return memoryview(data).nbytes


def own_streams() -> None:
    """Standard output and error of our own; only for a process that is ours from its start."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if not isinstance(stream, Stream):
            stream.flush()
            made = Stream(stream, descriptor)
            setattr(sys, name, made)
            setattr(sys, f"__{name}__", made)


def lost_output() -> OSError | None:
    """Why standard output could not be written; None where it could."""
    stream = sys.__stdout__
    if not isinstance(stream, Stream):
        return None
    stream.flush()
    return stream.error


def is_closed_pipe(error: OSError) -> bool:
    """Whether somebody has just stopped to read."""
    return error.errno == errno.EPIPE


@contextlib.contextmanager
def kept_streams() -> Iterator[None]:
    """Others' code runs inside: standard streams that it replaces are put back."""
    before = {name: getattr(sys, name) for name, _ in STREAMS}
    try:
        yield
    finally:
        for name, stream in before.items():
            setattr(sys, name, stream)


@contextlib.contextmanager
def kept_folder() -> Iterator[None]:
    """Others' code runs inside: a working folder that it changes is changed back."""
    try:
        before = os.getcwd()
    except OSError:  # it was deleted
        before = ""
    try:
        yield
    finally:
        if before:
            os.chdir(before)


def settle() -> None:
    """All this for a process that is ours from its start: the program itself, or a worker."""
    usable_streams()
    own_streams()
    os.environ["MPLBACKEND"] = "agg"  # one of a notebook, or a wrong one, breaks every library that draws
    if any(action == "error" for action, *_ in warnings.filters):
        _default_warnings()


def _default_warnings() -> None:
    """Python's own filters: under `PYTHONWARNINGS=error` a library's warning would be a failure of a model."""
    os.environ.pop("PYTHONWARNINGS", None)
    sys.warnoptions.clear()  # workers are started with the same
    warnings.resetwarnings()
    for category in (ResourceWarning, ImportWarning, PendingDeprecationWarning, DeprecationWarning):
        warnings.simplefilter("ignore", category)
    warnings.filterwarnings("default", category=DeprecationWarning, module="__main__")


def plain_interpreter() -> None:
    """Start the program again where its interpreter was started in a way that decides something.

    - The locale's encoding is not UTF-8: libraries name and read files by it, so the same protocol would find other
      files and read other texts. The terminal keeps its encoding.
    - Without assertions (`-O`, PYTHONOPTIMIZE): libraries use them to tell one input from another.
    - To go on interactively (`-i`, PYTHONINSPECT): the exit code would be that of the dialogue.
    """
    flags, arguments, changes = sys.flags, sys.orig_argv[1:], dict[str, str | None]()
    if flags.optimize or flags.inspect:
        arguments = _without_flags(arguments)
        changes = {name: None for name in ("PYTHONOPTIMIZE", "PYTHONINSPECT") if name in os.environ}
    if os.name == "posix" and sys.getfilesystemencoding() != "utf-8" and arguments[:2] != UTF8:
        arguments = [*UTF8, *arguments]
        if "PYTHONIOENCODING" not in os.environ:
            changes["PYTHONIOENCODING"] = f"{getattr(sys.stdout, 'encoding', None) or 'ascii'}:backslashreplace"
    from_pipe = sys.orig_argv[1:] in ([], ["-"]) or sys.argv[:1] == ["-"]  # what was read from it is gone
    if (arguments != sys.orig_argv[1:] or changes) and sys.executable and not from_pipe:
        environment = {name: value for name, value in {**os.environ, **changes}.items() if value is not None}
        os.execve(sys.executable, [sys.executable, *arguments], environment)


def _without_flags(arguments: Sequence[str]) -> list[str]:
    """The interpreter's command line without `O` and `i` among its options."""
    kept, left = list[str](), list(arguments)
    while left and left[0].startswith("-") and left[0] != "-":
        option = left.pop(0)
        found = re.fullmatch(r"-([bBdEhiIOPqRsSuvVx]+)?([cm].*)?", option, flags=re.DOTALL)
        if found is None:
            kept += [option, *left[:1]] if option in WITH_VALUE else [option]
            left = left[1:] if option in WITH_VALUE else left
            continue
        letters, program = re.sub("[Oi]", "", found[1] or ""), found[2] or ""
        kept += [f"-{letters}{program}"] if letters or program else []
        if program:
            break
    return [*kept, *left]
