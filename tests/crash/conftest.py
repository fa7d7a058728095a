"""The layer of faulty file system calls, built once, and a folder in memory where there is one (fsync costs nothing there)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library for LD_PRELOAD."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not Path("/proc/self/fd").is_dir():
        pytest.skip("needs Linux and a C compiler")
    library = tmp_path_factory.mktemp("faulty") / "faulty.so"
    source = Path(__file__).with_name("faulty.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
    return library


@pytest.fixture
def quick_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system in memory, else in the test's own."""
    memory = Path("/dev/shm")
    where = tempfile.mkdtemp(dir=memory if os.access(memory, os.W_OK) else tmp_path)
    yield Path(where)
    shutil.rmtree(where, ignore_errors=True)
