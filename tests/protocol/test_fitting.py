"""What a base says of what its child has replaced is left out with a reason; any other missing name is a mistake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import protocol_kit as kit
import pytest

from mdprotocol.errors import ProtocolError
from mdprotocol.plan import make_plan
from mdprotocol.protocol import dump, read_document, validate
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry

BASE = (
    kit.VALID.replace("  long: {type: chain, atoms: 5}\n", "  long: {type: chain, atoms: 5}\n  box: {type: chain, atoms: 7}\n")
    .replace("simulations:\n", "apart: [box]\nsimulations:\n  boxed: {timestep_fs: [0.5, 1], duration_ps: 1,"
             " temperatures_K: [300], systems: [box]}\n")
    .replace("criteria:\n", "criteria:\n  of_box: {level: nice, metric: drift.per_atom, max: 1, where: {simulation: boxed_1fs}}\n"
             "  of_long: {level: must, metric: drift.per_atom, max: 1, where: {simulation: nve, system: [short, long]}}\n"
             "  fast: {level: should, metric: speed.median, max: 1}\n")
    .replace("requires: [must]}", "requires: [must]}\n  - {use: screening, requires: [force, fast]}\n"
             "  - {use: heating, requires: [of_box, fast]}")
)  # fmt: skip
Read = Callable[..., Protocol]


@pytest.fixture
def read(tmp_path: Path, registry: Registry) -> Read:
    """Validates a child of the base, given its text, with overrides."""

    def read(child: str, *sets: str, base: str = BASE) -> Protocol:
        (tmp_path / "good.json").write_text("{}")
        (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
        (tmp_path / "child.yaml").write_text(f"extends: base.yaml\n{child}\n", encoding="utf-8")
        return validate(read_document(tmp_path / "child.yaml", sets), registry)

    return read


def test_what_is_apart_is_run_and_probed_where_it_is_named(read: Read) -> None:
    protocol = read("")
    assert protocol.simulations["nve"].systems == ["short", "long"]
    assert protocol.simulations["boxed"].systems == ["box"]
    assert protocol.criteria["fast"].where == {"system": ["short", "long"]}
    assert protocol.criteria["of_box"].where == {"simulation": "boxed_1fs"}
    assert (protocol.apart, protocol.left_out, protocol.dropped) == ([], {}, {})
    assert read('criteria: {fast: {where: {system: "*"}}}').criteria["fast"].where == {}
    assert read("apart: []").simulations["nve"].systems is None


def test_own_systems_in_one_line(read: Read) -> None:
    protocol = read("replaces: [systems]\nsystems: {mine: {type: chain, atoms: 3}}")
    assert list(protocol.systems) == ["mine"]
    assert set(protocol.criteria) == {"fast", "drift", "force"}
    assert protocol.left_out == {
        "simulations.boxed": "its systems (box) are not there",
        "criteria.of_box": "there is no simulation boxed_1fs any more",
    }
    assert protocol.dropped == {"of_long": "does not apply: there is no system short, long any more"}
    assert protocol.recommendations[2].requires == ["fast"]


def test_one_system_less_leaves_the_others(read: Read) -> None:
    protocol = read("systems: {short: null}")
    assert protocol.criteria["of_long"].where == {"simulation": "nve", "system": ["long"]}
    assert (protocol.left_out, protocol.dropped) == ({}, {})


def test_without_a_reference_a_must_criterion_is_dropped_and_no_use_rests_on_it(read: Read) -> None:
    protocol = read("reference: null")
    assert protocol.dropped == {"force": "does not apply: there is no reference"}
    assert [use.use for use in protocol.recommendations] == ["production MD", "heating"]
    assert protocol.left_out == {"recommendations.1": "the use 'screening' asks for force"}
    assert read("", "reference=null").dropped == protocol.dropped


@pytest.mark.parametrize("name", ["boxed", "nve"])
def test_a_simulation_less(read: Read, name: str) -> None:
    protocol = read(f"simulations: {{{name}: null}}")
    assert name not in protocol.simulations
    gone = {"of_box"} if name == "boxed" else {"of_long", "force"}
    assert set(protocol.criteria) == {"of_box", "of_long", "fast", "drift", "force"} - gone
    assert set(protocol.dropped) == gone - {"of_box"}


def test_fewer_time_steps_leave_out_what_names_the_others(read: Read) -> None:
    protocol = read("simulations: {boxed: {timestep_fs: [0.5]}}")
    assert protocol.left_out == {"criteria.of_box": "there is no simulation boxed_1fs any more"}


def test_a_criterion_that_is_null_by_hand_takes_no_use_with_it_but_those_that_need_it(read: Read) -> None:
    protocol = read("criteria: {of_box: null, fast: null}")
    assert [use.use for use in protocol.recommendations] == ["production MD", "screening"]
    assert protocol.recommendations[1].requires == ["force"]


@pytest.mark.parametrize(
    ("child", "message"),
    [
        ("criteria: {drift: {where: {system: mathane}}}", "there is no system 'mathane'"),
        ("systems: {short: null}\ncriteria: {drift: {where: {system: short}}}", "there is no system 'short'"),
        ("systems: {short: null}\nsimulations: {nve: {systems: [short]}}", "there is no system 'short'"),
        ("apart: [bux]", "there is no system 'bux'; allowed: box, long, short; did you mean 'box'?"),
        ("reference: null\ncriteria: {force: {metric: force_error.rmse, level: must}}", "needs a reference"),
        ("recommendations: [{use: x, requires: [farce]}]", "there is no criterion 'farce'"),
        ("replaces: [systems]", "it takes names of sections that this file has"),
        ("replaces: systems", "it takes names of sections that this file has"),
        ("replaces: [[a]]", "it takes names of sections that this file has"),
    ],
)
def test_mistakes_stay_mistakes(read: Read, child: str, message: str) -> None:
    with pytest.raises(ProtocolError) as error:
        read(child)
    assert message in str(error.value)
    assert "child.yaml:" in str(error.value)


@pytest.mark.parametrize("section", ["systems: {}", "reference: null"])
def test_what_a_base_never_had_is_its_own_mistake(read: Read, section: str) -> None:
    base = BASE.replace("system: [short, long]", "system: [short, lang]")
    with pytest.raises(ProtocolError, match="there is no system 'lang'"):
        read("", base=base)


@pytest.mark.parametrize("sets", [[], ["replaces=[systems]"]])
def test_only_a_file_replaces_what_it_extends(tmp_path: Path, sets: list[str]) -> None:
    (tmp_path / "base.yaml").write_text(BASE + ("" if sets else "replaces: [systems]\n"), encoding="utf-8")
    with pytest.raises(ProtocolError, match=r"extends no other|cannot be set from the command line"):
        read_document(tmp_path / "base.yaml", sets)


def test_one_file_by_itself_is_no_base(tmp_path: Path, registry: Registry) -> None:
    (tmp_path / "good.json").write_text("{}")
    (tmp_path / "base.yaml").write_text(BASE, encoding="utf-8")
    for sets in (["reference=null"], ["systems.box=null"], ["simulations.nve=null"]):
        with pytest.raises(ProtocolError):
            validate(read_document(tmp_path / "base.yaml", sets), registry)


def test_the_plan_says_so_in_a_line_each_and_the_resolved_protocol_is_read_back(
    read: Read, tmp_path: Path, registry: Registry
) -> None:
    protocol = read("replaces: [systems]\nsystems: {mine: {type: chain, atoms: 3}}")
    plan = make_plan(protocol, tmp_path, registry, document=read_document(tmp_path / "child.yaml"))
    for name in ("simulations.boxed: left out", "criteria.of_box: left out", "criteria.of_long: this must criterion"):
        assert sum(name in line for line in plan.warnings) == 1
    (tmp_path / "again.yaml").write_text(dump(protocol), encoding="utf-8")
    again = validate(read_document(tmp_path / "again.yaml"), registry)
    assert again == protocol
