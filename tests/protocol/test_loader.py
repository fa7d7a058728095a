"""YAML to nodes with places: what is refused, what is a number, and that nothing but our errors comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mdprotocol.errors import ProtocolError
from mdprotocol.protocol import loader
from mdprotocol.protocol.loader import Node, load


def plain(node: Node) -> Any:
    if isinstance(node.value, dict):
        return {name: plain(entry.node) for name, entry in node.value.items()}
    return [plain(item) for item in node.value] if isinstance(node.value, list) else node.value


def value(text: str) -> Any:
    node, problems = load(f"x: {text}", "f")
    assert problems == []
    return plain(node)["x"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("1E5", 1e5),
        ("+.5", 0.5),
        ("2.", 2.0),
        ("-7", -7),
        ("007", 7),
        ("0x1F", 31),
        ("0o17", 15),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("yes", "yes"),
        ("off", "off"),
        ("On", "On"),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'1.0'", "1.0"),
        ("2026-11-23", "2026-11-23"),
        ("!!str 12", "12"),
        ("!!float 3", 3.0),
        ("=", "="),
        ("[1, {a: b}]", [1, {"a": "b"}]),
    ],
)
def test_scalars_follow_yaml_1_2(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_every_key_and_value_has_its_place() -> None:
    node, _ = load("a: 1\nb:\n  - x\n  - {c: 2}\n", "f.yaml")
    second = node.value["b"].node.value[1]
    assert (second.place.file, second.place.line, second.place.column) == ("f.yaml", 4, 5)
    entry = second.value["c"]
    assert (entry.place.line, entry.place.column) == (4, 6)
    assert (entry.node.place.line, entry.node.place.column) == (4, 9)


@pytest.mark.parametrize("text", [".inf", "-.Inf", ".nan", "1e999", "-1e400"])
def test_numbers_must_be_finite(text: str) -> None:
    node, [problem] = load(f"a: 1\nb: {text}\n", "f")
    assert (problem.line, problem.column, problem.path) == (2, 4, "b")
    assert "not a finite number" in problem.message
    assert plain(node)["a"] == 1


def test_a_key_that_stands_twice_is_refused_and_the_first_kept() -> None:
    node, [problem] = load("a:\n  b: 1\n  c: 2\n  b: 3\n", "f")
    assert str(problem) == "f:4:3: a.b: the key 'b' stands twice; it stands first in line 2"
    assert plain(node) == {"a": {"b": 1, "c": 2}}


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: !!python/object/apply:os.system [ls]", 1, 4, "is not allowed"),
        ("a: !thing 3", 1, 4, "'!thing' is not allowed"),
        ("a: !!binary aGk=", 1, 4, "'!!binary' is not allowed"),
        ("a: !!int x", 1, 4, "'x' is no int"),
        ("? [a, b]\n: 1", 1, 3, "a key must be a plain word"),
        ('a: "\\ud800"', 1, 4, "half of a surrogate pair"),
        ("a: " + "9" * 5000, 1, 4, "too long"),
        ("a:\n  <<: 3", 2, 7, "takes a mapping"),
    ],
)
def test_what_plain_data_cannot_hold_is_a_problem_at_its_place(text: str, line: int, column: int, message: str) -> None:
    _, [problem] = load(text, "f")
    assert (problem.line, problem.column) == (line, column)
    assert message in problem.message


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("a: 1\nb:\n\tc: 2", 3, 1, "a tab"),
        ("a: b: c", 1, 5, "a ':' does not belong here"),
        ("a: [1, 2", 1, 9, "not valid YAML"),
        ("a: *nothing", 1, 4, "undefined alias"),
        ("a: 1\n---\nb: 2", 2, 1, "another document"),
        ("a: &x [1, *x]", 1, 4, "an alias inside the value that it names"),
        ('a: "\\UFFFFFFFF"', 1, 7, "names no character"),
        ("a: 1\nb: \x07", 2, 4, "U+0007"),
        ("a: " + "[" * 100, 1, 44, "nested more than 40"),
    ],
)
def test_what_is_not_yaml_is_an_error_at_its_place(text: str, line: int, column: int, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        load(text, "f")
    [problem] = caught.value.problems
    assert message in problem.message
    assert (problem.line, problem.column) == (line, column)


def test_merge_keys_give_way_to_own_keys() -> None:
    node, problems = load("base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\nc:\n  y: 0\n  <<: [*b, *o]\n", "f")
    assert problems == []
    assert plain(node)["c"] == {"x": 1, "y": 0, "z": 4}
    assert node.value["c"].node.value["x"].place.line == 1


def test_caps_on_aliases_merges_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    with pytest.raises(ProtocolError, match="after its aliases are expanded"):
        load(bomb, "f")
    with pytest.raises(ProtocolError, match="more than 200 aliases"):
        load("a: &a 1\nb: [" + ", ".join(["*a"] * 300) + "]", "f")
    monkeypatch.setattr(loader, "MAX_MERGES", 3)
    with pytest.raises(ProtocolError, match="merge keys"):
        load("a: &a {x: 1}\n" + "".join(f"k{i}: {{<<: *a}}\n" for i in range(5)), "f")
    monkeypatch.setattr(loader, "MAX_NODES", 20)
    with pytest.raises(ProtocolError, match="more than 20 values"):
        load("a: [" + "1, " * 50 + "]", "f")


def test_origin_shifts_places() -> None:
    node, _ = load("{a: 1}", "--set", origin=(1, 10))
    assert node.value["a"].node.place.column == 14


YAML_PIECES = st.sampled_from(
    [
        "b:",
        *"a{}[]',#",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "&x ",
        "*x",
        "<<: ",
        '"',
        "!!int ",
        "!y",
        "|\n",
        ">-\n",
        "? ",
        "0x",
        "1e9",
        "1e400",
        ".nan",
        "\t",
        "%YAML 1.1\n",
        "---\n",
        "...\n",
        "\\u12",
        '"\\ud834"',
        "\u2028",
        "é",
        "\U0001f600",
    ]
)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(st.text(max_size=60), st.lists(YAML_PIECES, max_size=25).map("".join)))
def test_nothing_but_our_errors_comes_out_of_any_text(text: str) -> None:
    try:
        node, problems = load(text, "f")
    except ProtocolError as error:
        problems = error.problems
        assert problems
    else:
        plain(node)
    assert all(problem.line >= 1 and problem.column >= 1 and problem.message for problem in problems)
