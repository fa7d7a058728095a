"""Provenance: all that is needed to repeat a result, nothing about who or where."""

import getpass
import hashlib
import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from mdprotocol.components import Model
from mdprotocol.protocol.schema import Protocol
from mdprotocol.report.provenance import collect_provenance, commit, versions, without_absolute_paths


class FileModel(Model):
    """A model that is one file."""

    type: Literal["file"] = "file"
    checkpoint: str = "weights.bin"

    def load(self, base):
        raise NotImplementedError

    def files(self, base):
        return (base / self.checkpoint,)


@pytest.fixture
def protocol():
    plain = {
        "mdprotocol": 1,
        "name": "p",
        "seed": 7,
        "models": {"m": FileModel()},
        "systems": {},
        "criteria": {"c": {"level": "must", "metric": "a.b", "max": 1}},
    }
    return Protocol.model_construct(**plain)


def test_checkpoints_are_hashed_and_named_without_their_folder(protocol, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"weights")
    facts = collect_provenance(protocol, tmp_path)
    assert facts["checkpoints"] == {"m": {"weights.bin": hashlib.sha256(b"weights").hexdigest()}}
    assert facts["seed"] == 7
    assert facts["commit"] is None


def test_nothing_tells_who_or_where(protocol, tmp_path):
    text = json.dumps(collect_provenance(protocol, tmp_path))
    assert str(tmp_path) not in text
    assert str(Path.home()) not in text
    assert socket.gethostname() not in text
    assert f'"{getpass.getuser()}"' not in text


def test_hardware_and_versions_are_there(protocol, tmp_path):
    facts = collect_provenance(protocol, tmp_path)
    assert facts["hardware"]["cores_logical"] >= 1
    assert facts["hardware"]["memory_GiB"] > 0
    assert versions()["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"numpy", "xarray"} <= set(facts["versions"])


def test_the_commit_of_the_protocols_repository(tmp_path):
    def git(*arguments):
        who = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True, capture_output=True)

    git("init")
    (tmp_path / "p.yaml").write_text("a")
    git("add", ".")
    git("commit", "-m", "first")
    clean = commit(tmp_path)
    assert len(clean) == 40
    (tmp_path / "p.yaml").write_text("b")
    assert commit(tmp_path) == clean + "+changes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mdprotocol run /home/someone/work/p.yaml -o /tmp/out", "mdprotocol run p.yaml -o out"),
        ("mdprotocol run protocols/p.yaml -o ../x", "mdprotocol run protocols/p.yaml -o ../x"),
        ("--output=/a/b/c", "--output=c"),
        ("meV/atom/ps and eV/Å", "meV/atom/ps and eV/Å"),
        (r"C:\Users\someone\p.yaml", "p.yaml"),
    ],
)
def test_absolute_paths_lose_their_folders(text, expected):
    assert without_absolute_paths({"a": [text]}) == {"a": [expected]}


def test_it_never_imports_torch():
    code = "import sys, mdprotocol.report, mdprotocol.report.figures; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
