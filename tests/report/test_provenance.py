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

from mdprotocol.contracts import Model
from mdprotocol.errors import StoreError
from mdprotocol.protocol.schema import Protocol
from mdprotocol.report.provenance import (
    PROVENANCE,
    collect_provenance,
    commit,
    read_provenance,
    versions,
    without_absolute_paths,
)
from mdprotocol.store import ResultsFolder


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


class Computed(FileModel):
    """A model with other code and packages."""

    code: tuple[str, ...] = ("ff.py", "pack/a.py")

    def files(self, base):
        return (base / "one" / "w.bin", base / "other" / "w.bin")

    def sources(self, base):
        return {name: base / "code" / name for name in self.code}

    def packages(self):
        return ("numpy", "no_such_package")


@pytest.fixture
def computed(protocol, tmp_path):
    """A model and a reference of the kind, with all their files."""
    for name in (
        "one/w.bin",
        "other/w.bin",
        "code/ff.py",
        *(f"code/pack/{n}.py" for n in "abcdefghijklmnopqrstuvwxyz"),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    pack = tuple(f"pack/{n}.py" for n in "abcdefghijklmnopqrstuvwxyz")
    return protocol.model_copy(update={"models": {"m": Computed()}, "reference": Computed(code=pack)})


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def test_what_computes_a_model_and_the_reference_is_there(computed, tmp_path):
    found = collect_provenance(computed, tmp_path)["models"]
    assert set(found) == {"m", "reference"}
    assert found["m"]["files"] == {name: sha256(name) for name in ("one/w.bin", "other/w.bin")}, "told apart"
    assert found["m"]["sources"] == {"ff.py": sha256("code/ff.py"), "pack/a.py": sha256("code/pack/a.py")}
    assert found["m"]["packages"] == {"numpy": versions()["numpy"], "no_such_package": ""}
    assert list(found["reference"]["sources"]) == ["pack (26 files)"]
    assert found["m"]["digest"] != found["reference"]["digest"]
    assert str(tmp_path) not in json.dumps(found)


@pytest.mark.parametrize("edited", ["one/w.bin", "code/ff.py"])
def test_its_digest_goes_by_all_of_it(computed, tmp_path, edited):
    before = collect_provenance(computed, tmp_path)["models"]["m"]["digest"]
    (tmp_path / edited).write_text("edited")
    assert collect_provenance(computed, tmp_path)["models"]["m"]["digest"] != before


def test_a_file_that_is_gone_leaves_no_digest(computed, tmp_path):
    (tmp_path / "one" / "w.bin").unlink()
    found = collect_provenance(computed, tmp_path)["models"]["m"]
    assert found["digest"] is None
    assert list(found["files"]) == ["w.bin"]


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


def test_what_is_collected_can_be_read_again(protocol, tmp_path):
    folder, facts = ResultsFolder(tmp_path), collect_provenance(protocol, tmp_path)
    assert read_provenance(folder) == {}
    taken = {
        "from": "../other",
        "protocol": "it",
        "runs": {"runs/m/s/n/T300K_r0": "ab" * 32},
        "hardware": {"gpu": "none"},
    }
    written = facts | {"sessions": [{"wall_seconds": 3, "runs_executed": 2}], "reused": [taken], "more": [1, None]}
    folder.write_json(PROVENANCE, written)
    assert read_provenance(folder) == written


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        ({"sessions": {"wall_seconds": 1}}, "sessions: "),
        ({"sessions": [{"wall_seconds": [], "runs_executed": 1}]}, r"sessions\.0\.wall_seconds"),
        ({"sessions": [{"wall_seconds": "", "runs_executed": 1}]}, r"sessions\.0\.wall_seconds"),
        ({"sessions": [{"wall_seconds": float("nan"), "runs_executed": 1}]}, r"sessions\.0\.wall_seconds"),
        ({"sessions": [7]}, r"sessions\.0"),
        ({"checkpoints": {"mine": "x"}}, r"checkpoints\.mine"),
        ({"checkpoints": {"mine": 3}}, r"checkpoints\.mine"),
        ({"models": {"mine": "x"}}, r"models\.mine"),
        ({"models": {"mine": {"digest": 3}}}, r"models\.mine\.digest"),
        ({"models": {"mine": {"digest": "x", "sources": ["a.py"]}}}, r"models\.mine\.sources"),
        ({"versions": [["a", "b"]]}, "versions"),
        ({"hardware": {"cpu": {}}}, r"hardware\.cpu"),
        ({"threads": 4}, "threads"),
        ({"warnings": "one"}, "warnings"),
        ({"reused": [{"from": "x", "runs": []}]}, r"reused\.0\.runs"),
        ({"reused": [{"runs": {}}]}, r"reused\.0\.from"),
        ({"seed": "1"}, "seed"),
        ({"command": None}, "command"),
    ],
)
def test_facts_of_another_kind_are_named(tmp_path, facts, place):
    (tmp_path / PROVENANCE).write_text(json.dumps(facts), encoding="utf-8")
    with pytest.raises(StoreError, match=rf"provenance\.json is damaged: {place}"):
        read_provenance(ResultsFolder(tmp_path))


def test_half_a_character_is_refused_before_it_has_to_be_written_again(tmp_path):
    (tmp_path / PROVENANCE).write_text('{"command": "\\uD800"}', encoding="utf-8")
    with pytest.raises(StoreError, match="surrogates"):
        read_provenance(ResultsFolder(tmp_path))
    (tmp_path / PROVENANCE).write_text('{"command": "\\ud83d\\ude00"}', encoding="utf-8")  # two halves
    assert read_provenance(ResultsFolder(tmp_path))["command"] == "\N{GRINNING FACE}"
