"""matplotlib, imported so that nothing of the user's decides whether it can be."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def _own_settings() -> Iterator[None]:
    """While it is imported, matplotlib's `matplotlibrc` is its own, and the backend is Agg.

    It reads that file in the working folder first, then where MATPLOTLIBRC says, and takes from it a locale to set; a
    backend of a notebook, or one that there is not, is an error.
    """
    found = importlib.util.find_spec("matplotlib")
    data = Path(found.origin).parent / "mpl-data" if found is not None and found.origin else None
    if "matplotlib" in sys.modules or data is None or not (data / "matplotlibrc").is_file():
        yield
        return
    before = {name: os.environ.get(name) for name in ("MPLBACKEND", "MATPLOTLIBRC")}
    os.environ |= {"MPLBACKEND": "agg", "MATPLOTLIBRC": str(data / "matplotlibrc")}
    try:
        with _working_in(data):
            yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    try:
        here = os.open(".", os.O_RDONLY)
    except OSError:  # gone, or not ours to read: then nothing is read from it
        yield
        return
    try:
        os.chdir(folder)
        yield
    finally:
        os.chdir(here)
        os.close(here)


with _own_settings():
    import matplotlib  # noqa: F401
