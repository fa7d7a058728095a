"""Makes `app_kit` importable; a gate that has not run yet, one that has, and Ctrl-C."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mdprotocol.app import running
from mdprotocol.errors import Interrupted
from mdprotocol.report import build
from mdprotocol.verdicts import Decision

sys.path.insert(0, str(Path(__file__).parent))

from app_kit import Gate


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gate:
    monkeypatch.setattr(build, "draw", lambda report, spread=None: ())  # figures take longer than all the rest
    return Gate(tmp_path)


@pytest.fixture(scope="session")
def approved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a gate after a run that approved the model; to copy, and not to touch."""
    folder = tmp_path_factory.mktemp("approved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "draw", lambda report, spread=None: ())
        assert Gate(folder).run().verdicts[0].decision is Decision.APPROVED
    return folder


@pytest.fixture
def ran(gate: Gate, approved: Path) -> Gate:
    """The same after a run that approved the model."""
    shutil.copytree(approved, gate.folder, dirs_exist_ok=True)
    return gate


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], Any]], None]:
    """Ctrl-C before the first step of a run."""

    def ctrl_c(*arguments: Any) -> None:
        raise Interrupted(2)

    def interrupt(call: Callable[[], Any]) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(running, "_simulate", ctrl_c)
            with pytest.raises(Interrupted):
                call()

    return interrupt
