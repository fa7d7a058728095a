"""Documents: `extends`, `--set`, places of what was merged, and files that cannot be read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.protocol import document as documents
from mdprotocol.protocol import read_document


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    def write(**texts: str) -> Path:
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return write


def fails(path: Path, *overrides: str) -> str:
    with pytest.raises(ProtocolError) as caught:
        read_document(path, overrides)
    return str(caught.value).replace(str(path.parent), ".")


def test_a_child_is_merged_over_its_parents_and_keeps_places(files: Callable[..., Path]) -> None:
    root = files(
        top="extends: lib/middle.yaml\nsimulations:\n  nve: {replicas: 8}\n",
        lib__middle="extends: ../low.yaml\nname: middle\nlist: [3]\n",
        low="name: low\nlist: [1, 2]\nsimulations:\n  nve:\n    replicas: 4\n    duration_ps: 1\n",
    )
    found = read_document(root / "top.yaml")
    assert found.data == {
        "name": "middle",
        "list": [3],
        "simulations": {"nve": {"replicas": 8, "duration_ps": 1}},
    }
    assert found.base == root
    places = {path: found.place(path) for path in [("simulations", "nve", "replicas"), ("name",), ("list",)]}
    assert [Path(place.file).name for place in places.values()] == ["top.yaml", "middle.yaml", "middle.yaml"]
    parent = found.place(("simulations", "nve", "duration_ps"), key=True)
    assert (Path(parent.file).name, parent.line, parent.column) == ("low.yaml", 6, 5)


def test_another_type_replaces_options_of_the_old_one(files: Callable[..., Path]) -> None:
    root = files(
        child="extends: base.yaml\na: {type: verlet}\nb: {friction: 3}\nc: {type: same, x: 1}\n",
        base="a: {type: langevin, friction: 1}\nb: {type: langevin, friction: 1}\nc: {type: same, y: 2}\n",
    )
    assert read_document(root / "child.yaml").data == {
        "a": {"type": "verlet"},
        "b": {"type": "langevin", "friction": 3},
        "c": {"type": "same", "y": 2, "x": 1},
    }


def test_a_null_over_a_parents_key_is_noted_as_a_removal(files: Callable[..., Path]) -> None:
    root = files(child="extends: base.yaml\na: {b: null}\nd: null\n", base="a: {b: 1, c: 2}\n")
    assert read_document(root / "child.yaml").removals == {("a", "b")}


def test_circles_and_missing_parents_are_refused_at_the_extends(files: Callable[..., Path]) -> None:
    root = files(
        a="name: a\nextends: b.yaml\n",
        b="extends: a.yaml\n",
        c="extends: nowhere.yaml\n",
        d="extends: [1]\n",
        e="extends: /e.yaml",
    )
    assert fails(root / "a.yaml") == (
        "./b.yaml:1:10: extends: the protocols extend each other in a circle: a.yaml -> b.yaml -> a.yaml"
    )
    assert fails(root / "c.yaml").startswith("./c.yaml:1:10: extends: ./nowhere.yaml cannot be read")
    assert "relative to this file" in fails(root / "d.yaml")
    assert "relative to this file" in fails(root / "e.yaml")


def test_a_long_chain_is_refused(files: Callable[..., Path]) -> None:
    root = files(**{f"f{i}": f"extends: f{i + 1}.yaml\n" for i in range(30)})
    assert "more than 16 protocols" in fails(root / "f0.yaml")


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.yaml"
    assert fails(path) == "./x.yaml:1:1: ./x.yaml cannot be read: No such file or directory"
    path.write_bytes(b"a: 1\nb: \xff\n")
    assert fails(path) == "./x.yaml:2:4: the file is not UTF-8 text"
    path.write_bytes(b"")
    assert "the file is empty" in fails(path)
    path.write_bytes(b"- 1\n")
    assert "does not hold a mapping" in fails(path)
    assert "cannot be read" in fails(tmp_path)
    monkeypatch.setattr(documents, "MAX_BYTES", 10)
    path.write_bytes(b"a: 123456789")
    assert "larger than 10 bytes" in fails(path)


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(tmp_path / "x.yaml").data == {"a": 1}


def test_overrides_replace_and_add_values(files: Callable[..., Path]) -> None:
    root = files(p="seed: 1\nsims:\n  nve.long:\n    dt: [0.5, 1]\n    deep: {a: 1}\n")
    found = read_document(
        root / "p.yaml",
        [
            "seed=1e3",
            "sims.nve.long.dt.1=2",
            "sims.nve.long.deep={b: 2}",
            "new.key=yes",
            "name=a=b",
            "gone=null",
            "seed=null",
        ],
    )
    assert found.data == {
        "seed": None,
        "sims": {"nve.long": {"dt": [0.5, 2], "deep": {"b": 2}}},
        "new": {"key": "yes"},
        "name": "a=b",
        "gone": None,
    }
    assert found.removals == {("seed",)}
    place = found.place(("sims", "nve.long", "dt", 1))
    assert (place.file, place.line, place.column) == ("--set", 1, 20)
    assert found.place(("sims", "nve.long"), key=True).line == 3


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed", "--set:1:1: seed: 'seed' is no override; write path=value"),
        ("=3", "is no override"),
        ("a..b=3", "is no override"),
        ("seed.x=3", "seed.x: seed is a value without keys"),
        ("list.7=3", "'7' is no index of this list; allowed: 0, 1"),
        ("list.-1=3", "'-1' is no index"),
        ("extends=x.yaml", "cannot be set from the command line"),
        ("seed=[1", "--set:1:8: this is not valid YAML"),
    ],
)
def test_wrong_overrides_name_their_place(files: Callable[..., Path], override: str, message: str) -> None:
    root = files(p="seed: 1\nlist: [1, 2]\n")
    assert message in fails(root / "p.yaml", override)


def test_problems_of_an_overrides_value_name_its_place(files: Callable[..., Path]) -> None:
    found = read_document(files(p="seed: 1\n") / "p.yaml", ["seed=.nan"])
    assert [(p.file, p.column, p.path) for p in found.problems] == [("--set", 6, "seed")]


def test_plugins_are_listed_as_far_as_they_are_well_formed(files: Callable[..., Path]) -> None:
    root = files(a="plugins: [x.py, 3]\n", b="plugins: 7\n")
    assert read_document(root / "a.yaml").plugins == ["x.py"]
    assert read_document(root / "b.yaml").plugins == []
