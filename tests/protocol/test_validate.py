"""Validation: one clear message for every mistake, at the place where it was made, and all at once."""

from __future__ import annotations

import datetime
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import protocol_kit as kit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from mdprotocol.contracts import ComparisonMetric
from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol import dump, read_document, validate
from mdprotocol.protocol.schema import Equilibration, Protocol, Simulation
from mdprotocol.registry import Registry

Write = Callable[..., Path]


def problems(path: Path, registry: Registry, *overrides: str) -> list[str]:
    with pytest.raises(ProtocolError) as caught:
        validate(read_document(path, overrides), registry, files=True)
    return [str(problem).replace(f"{path.parent}/", "") for problem in caught.value.problems]


def test_a_sound_protocol_becomes_components(write: Write, registry: Registry) -> None:
    protocol = validate(read_document(write()), registry, files=True)
    assert type(protocol) is Protocol
    assert protocol.models == {"good": kit.Spring(checkpoint="good.json")}
    assert protocol.reference == kit.Teacher()
    assert protocol.reports == [kit.Markdown()]
    nve = protocol.simulations["nve"]
    assert (type(nve), type(nve.equilibration)) == (Simulation, Equilibration)
    assert nve.integrator == kit.Verlet()
    assert nve.equilibration is not None
    assert nve.equilibration.integrator == kit.Langevin(friction_per_ps=10.0)


BROKEN: dict[str, tuple[tuple[str, str], str]] = {
    "misspelt key": (
        ("temperatures_K", "temprtures_K"),
        "p.yaml:13:5: simulations.nve.temprtures_K: unknown key 'temprtures_K'; allowed: additions, duration_ps, equilibration, "
        "guards, integrator, models, record_every_fs, reference_every_fs, reference_trajectory, replicas, seeds, "
        "systems, temperatures_K, timestep_fs; did you mean 'temperatures_K'?",
    ),
    "wrong unit": (
        ("duration_ps: 1\n", "duration_ns: 0.001\n"),
        "p.yaml:12:5: simulations.nve.duration_ns: unknown key 'duration_ns'; "
        "its unit here is ps; write duration_ps: 1",
    ),
    "unknown metric": (
        ("drift.per_atom", "drfit.per_atom"),
        "p.yaml:18:13: criteria.drift.metric: unknown metric 'drfit'; allowed: bonds, crash, drift, force_error, "
        "frequencies, reversal, speed; did you mean 'drift'?",
    ),
    "duplicate key": (
        ("    max: 1\n", "    max: 1\n    max: 2\n"),
        "p.yaml:21:5: criteria.drift.max: the key 'max' stands twice; it stands first in line 20",
    ),
    "missing checkpoint": (
        ("good.json", "godo.json"),
        "p.yaml:4:36: models.good.checkpoint: the file godo.json does not exist; paths are relative to the protocol's "
        "folder; did you mean 'good.json'?",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_each_broken_protocol_has_one_clear_message(write: Write, registry: Registry, fault: str) -> None:
    replacement, expected = BROKEN[fault]
    assert problems(write(replacement), registry) == [expected]


def test_all_problems_come_at_once_in_the_order_of_the_file(write: Write, registry: Registry) -> None:
    path = write(*(replacement for replacement, _ in BROKEN.values()))
    expected = sorted((message for _, message in BROKEN.values()), key=lambda text: int(text.split(":")[1]))
    assert problems(path, registry) == expected


@pytest.mark.parametrize(
    ("old", "new", "place", "parts"),
    [
        ("timestep_fs: 0.5", "timestep_fs: 0.5 ps", "11:18", ["takes a number in fs", "write timestep_fs: 500"]),
        ("timestep_fs: 0.5", "timestep_fs: '0.5'", "11:18", ["'0.5' is not a number or a list"]),
        ("timestep_fs: 0.5", "timestep: 0.5", "11:5", ["the unit belongs to the name", "write timestep_fs"]),
        ("timestep_fs: 0.5", "timestep_fs: 30", "11:18", ["30 is out of range", "at most 20"]),
        ("timestep_fs: 0.5", "timestep_fs: {a: 1}", "11:18", ["a mapping is not a number or a list"]),
        ("timestep_fs: 0.5", "timestep_fs: [0.5, x]", "11:24", ["'x' is not a number"]),
        ("timestep_fs: 0.5", "timestep_fs: [0.5, 0.5]", "11:24", ["0.5 stands twice"]),
        ("timestep_fs: 0.5", "timestep_fs: []", "11:18", ["at least 1 needed, 0 given"]),
        ("duration_ps: 1\n", "duration_ps: 1:30\n", "12:18", ["'1:30' is not a number"]),
        ("duration_ps: 1\n", "duration_ps: .inf\n", "12:18", ["not a finite number"]),
        ("duration_ps: 1\n", "duration_ps: 0\n", "12:18", ["0 is out of range", "above 0"]),
        ("    duration_ps: 1\n", "", "10:3", ["the key 'duration_ps' is missing"]),
        ("[100, 300]", "300", "13:21", ["300 is not a list"]),
        ("  nve:\n", "  nve:\n    replicas: true\n", "11:15", ["true is not a whole number"]),
        ("  nve:\n", "  nve:\n    replicas: 2.5\n", "11:15", ["2.5 is not a whole number"]),
        ("  nve:\n", "  nve:\n    seeds: [1, 2]\n", "10:3", ["2 entries for 4 replicas"]),
        ("  nve:\n", "  nve:\n    reference_trajectory: yes\n", "11:27", ["'yes' is not true or false"]),
        ("  nve:\n", "  nve:\n    systems: [shrt]\n", "11:15", ["no system 'shrt'", "did you mean 'short'?"]),
        ("  nve:\n", "  nve:\n    models: [bad]\n", "11:14", ["there is no model 'bad'", "allowed: good"]),
        ("type: spring,", "type: sprung,", "4:16", ["unknown type 'sprung'", "did you mean 'spring'?"]),
        ("type: spring,", "", "4:3", ["the key 'type' is missing", "allowed: spring, teacher"]),
        ("{type: spring, checkpoint: good.json}", "sprung", "4:9", ["unknown type 'sprung'"]),
        ("{type: spring, checkpoint: good.json}", "spring", "4:3", ["'checkpoint' is missing", "File with the spring"]),
        ("{type: spring, checkpoint: good.json}", "3", "4:9", ["3 is not a mapping"]),
        ("good.json", "damaged.json", "4:3", ["damaged.json is damaged"]),
        ("good.json", "no/such.json", "4:36", ["does not exist", "there is no folder no"]),
        ("good.json}", "good.json, precision: float16}", "4:58", ["'float16'", "allowed: float32, float64"]),
        ("good:", "reference:", "4:3", ["a model cannot be called 'reference'"]),
        ("good:", "go od:", "4:3", ["cannot be a name"]),
        ("atoms: 2", "atoms: 2, lattice: {spacing_nm: 3}", "7:44", ["its unit here is Å", "write spacing_A: 30"]),
        ("atoms: 2", "atoms: 2, lattice: {}", "7:34", ["'spacing_A' is missing", "Distance of neighbours"]),
        ("atoms: 2", "atoms: 2, cell_A: [1, 2]", "7:34", ["2 entries are too few"]),
        ("mdprotocol: 1", "mdprotocol: 2", "1:13", ["2 is not known here", "allowed: 1"]),
        ("level: must\n", "level: mst\n", "17:12", ["allowed: must, nice, should", "did you mean 'must'?"]),
        ("drift.per_atom", "drift.per_aton", "18:13", ["no quantity 'per_aton'", "did you mean 'per_atom'?"]),
        ("drift.per_atom", "drift", "18:13", ["of the form <metric>.<quantity>"]),
        ("units: meV/atom/ps", "units: eV/ps", "19:12", ["is measured in meV/atom/ps, not in eV/ps"]),
        ("    max: 1\n", "", "16:3", ["a criterion needs `max`, `min` or both"]),
        ("{simulation: nve}", "{simulation: nv}", "21:80", ["no simulation 'nv'", "did you mean 'nve'?"]),
        ("{simulation: nve}", "{system: [short, lng]}", "21:84", ["no system 'lng'", "did you mean 'long'?"]),
        ("{simulation: nve}", "{systm: nve}", "21:68", ["'systm' is not known here", "did you mean 'system'?"]),
        ("{simulation: nve}", "{temperature: 301}", "21:81", ["temperature of 301 K", "did you mean 300?"]),
        ("{simulation: nve}", "{temperature: cold}", "21:81", ["'cold' is not a temperature"]),
        ("{simulation: nve}", "{system: 3}", "21:76", ["3 is not the name of a system", "allowed: long, short"]),
        ("    max: 1\n", "    max: 1\n    min: 2\n", "16:3", ["min 2.0 is above max 1.0"]),
        ("name: demo", "name: demo\nseed: 99999999999999999999", "3:7", ["is out of range"]),
        ("[must]", "[mst]", "23:37", ["no criterion 'mst'", "did you mean 'must'?"]),
        ("reference: teacher\n", "", "20:32", ["'force_error' needs a reference"]),
        ("[markdown]", "[markdwn]", "24:11", ["unknown type 'markdwn'", "did you mean 'markdown'?"]),
        ("[markdown]", "[markdown, 7]", "24:21", ["7 is not a mapping"]),
        ("drift.per_atom\n    units: meV/atom/ps", "speed.median\n    where: {simulation: nve}", "19:13",
         ["can only name systems"]),
    ],
)  # fmt: skip
def test_one_mistake_is_one_message_at_its_place(
    write: Write, registry: Registry, old: str, new: str, place: str, parts: list[str]
) -> None:
    [message] = problems(write((old, new)), registry)
    assert message.startswith(f"p.yaml:{place}: ")
    assert all(part in message for part in parts), message
    assert not any(jargon in message.lower() for jargon in ("input", "dict", "str ", "literal", "pydantic", "tagged"))


def test_a_reference_trajectory_needs_a_reference(write: Write, registry: Registry) -> None:
    path = write(
        ("reference: teacher\n", ""),
        ("  nve:\n", "  nve:\n    reference_trajectory: true\n"),
        ("force_error.rmse", "drift.percent"),
    )
    [message] = problems(path, registry)
    assert message.startswith("p.yaml:10:27: simulations.nve.reference_trajectory: there is no `reference:`")


def test_names_after_expansion_must_differ(write: Write, registry: Registry) -> None:
    other = "  nve_1fs: {timestep_fs: 1, duration_ps: 1, temperatures_K: [300]}\n"
    path = write(("timestep_fs: 0.5", "timestep_fs: [0.5, 1.0]"), ("criteria:\n", other + "criteria:\n"))
    messages = problems(path, registry)
    assert any("means 'nve' with a time step of 1 fs" in message for message in messages)
    assert all(message.startswith("p.yaml:15:3: ") for message in messages)


def test_a_criterion_may_name_a_simulation_before_and_after_expansion(write: Write, registry: Registry) -> None:
    for name in ("nve", "nve_0.5fs", "nve_1fs"):
        path = write(("timestep_fs: 0.5", "timestep_fs: [0.5, 1]"), ("{simulation: nve}", f"{{simulation: {name}}}"))
        assert validate(read_document(path), registry).criteria["force"].where == {"simulation": name}


def test_problems_of_a_parent_are_placed_in_the_parent(write: Write, registry: Registry, tmp_path: Path) -> None:
    write(("[100, 300]", "[100, hot]"))
    child = tmp_path / "child.yaml"
    child.write_text("extends: p.yaml\nname: child\nseed: -1\n")
    messages = problems(child, registry)
    assert [message.split(" ")[0] for message in messages] == ["child.yaml:3:7:", "p.yaml:13:27:"]


def test_overrides_are_placed_in_their_own_text(write: Write, registry: Registry) -> None:
    messages = problems(write(), registry, "simulations.nve.timestep_fs=1 ps", "sed=3", "models.good.checkpoint=x.json")
    assert [message.partition(": ")[0] for message in messages] == ["--set:1:1", "--set:1:24", "--set:1:29"]
    assert "did you mean 'seed'?" in messages[0]


def test_a_null_removes_where_null_is_not_a_value(write: Write, registry: Registry, tmp_path: Path) -> None:
    write()
    child = tmp_path / "child.yaml"
    child.write_text(
        "extends: p.yaml\ndescription: null\nreference: null\nsystems: {long: null}\ncriteria: {force: null}\n"
        "simulations:\n  nve: {reference_every_fs: null, record_every_fs: null, equilibration: null}\n"
    )
    (tmp_path / "p.yaml").write_text(
        kit.VALID.replace("  nve:\n", "  nve:\n    record_every_fs: 20\n    reference_every_fs: 50\n")
        + "description: old\n"
    )
    protocol = validate(read_document(child), registry)
    nve = protocol.simulations["nve"]
    assert (protocol.description, protocol.reference, list(protocol.systems)) == ("", None, ["short"])
    assert list(protocol.criteria) == ["drift"]
    assert (nve.reference_every_fs, nve.record_every_fs, nve.equilibration) == (None, 10.0, None)


def test_a_null_that_removes_nothing_is_an_error(write: Write, registry: Registry) -> None:
    [message] = problems(write(("duration_ps: 1\n", "duration_ps: null\n")), registry)
    assert message.startswith("p.yaml:12:18: simulations.nve.duration_ps: null is not a number")


def test_files_are_demanded_only_where_asked(write: Write, registry: Registry) -> None:
    document = read_document(write(("good.json", "absent.json")))
    assert validate(document, registry).models["good"] == kit.Spring(checkpoint="absent.json")


def test_a_file_that_no_option_names_is_reported_only_alone(write: Write, registry: Registry, tmp_path: Path) -> None:
    path = write(("good.json", "carded.json"))
    [message] = problems(path, registry)
    assert message.startswith("p.yaml:4:36: models.good.checkpoint: the file carded.json does not exist")
    (tmp_path / "carded.json").write_text("{}")
    [message] = problems(path, registry)
    assert message.startswith("p.yaml:4:3: models.good: the file card.json does not exist")


def test_an_integrator_must_be_given_where_no_default_is_registered(write: Write) -> None:
    class Other(kit.Langevin):
        """Another thermostat."""

    registry = kit.registry_of(kit.COMPONENTS | {"integrators": (kit.Langevin,)})
    [message] = problems(write(), registry)
    assert "simulations.nve.integrator: the key 'integrator' is missing" in message
    registry = kit.registry_of(kit.COMPONENTS | {"integrators": (kit.Verlet,)})
    [message] = problems(write(), registry)
    assert "simulations.nve.equilibration.integrator: the key 'integrator' is missing" in message


def test_a_metric_with_required_options_needs_a_place_of_its_own(write: Write) -> None:
    class Distance(kit.Drift):
        """A distance between two atoms."""

        atoms: list[int]

    Distance.model_fields["type"].default = "distance"
    registry = kit.registry_of(kit.COMPONENTS | {"metrics": (*kit.COMPONENTS["metrics"], Distance)})
    [message] = problems(write(("drift.per_atom", "distance.per_atom")), registry)
    assert message.endswith("metric 'distance' cannot do without atoms; give it a place of its own under `metrics:`")


def test_a_metric_needs_a_variable_that_exists(write: Write) -> None:
    class Odd(kit.Drift):
        """Asks for too much."""

        needs = frozenset({"velocities"})

    rest = tuple(cls for cls in kit.COMPONENTS["metrics"] if cls is not kit.Drift)
    [message] = problems(write(), kit.registry_of(kit.COMPONENTS | {"metrics": (*rest, Odd)}))
    assert "needs the variable 'velocities'" in message
    assert "did you mean 'velocity'?" in message


def test_named_metrics_hide_registered_ones(write: Write, registry: Registry) -> None:
    path = write(
        ("criteria:\n", "metrics:\n  late: {type: drift, skip_ps: 0.5}\ncriteria:\n"),
        ("drift.per_atom", "late.per_atom"),
    )
    protocol = validate(read_document(path), registry)
    assert protocol.metrics == {"late": kit.Drift(skip_ps=0.5)}
    [message] = problems(
        write(("criteria:\n", "metrics: {late: {type: drft}}\ncriteria:\n"), ("drift.per_atom", "late.per_atom")),
        registry,
    )
    assert "unknown type 'drft'" in message


class Nest(kit.Chain):
    """A system whose options hold parts in every way."""

    type: Literal["nest"] = "nest"  # type: ignore[assignment]
    table: dict[str, kit.Lattice] = {}
    parts: list[kit.Lattice] | int = 0
    row: tuple[kit.Lattice, ...] = ()
    two: tuple[int, kit.Lattice] | None = None
    code: Annotated[str, Field(pattern="^[A-Z]$", max_length=1)] = "A"
    few: Annotated[list[int], Field(max_length=2)] = []
    when: datetime.date = datetime.date(2026, 1, 1)


@pytest.mark.parametrize(
    ("option", "path", "message"),
    [
        ("table: {a: {spacin_A: 1}}", "table.a.spacin_A", "allowed: spacing_A; did you mean 'spacing_A'?"),
        ("parts: [{spacing: 1}]", "parts.0.spacing", "the unit belongs to the name; write spacing_A"),
        ("parts: x", "parts", "'x' is not a list or a whole number"),
        ("row: [{spacing_A: 1}, {spacing_nm: 1}]", "row.1.spacing_nm", "its unit here is Å; write spacing_A: 10"),
        ("two: [1, {spacing_pm: 50}]", "two.1.spacing_pm", "write spacing_A: 0.5"),
        ("two: [1, {spacing_A: 50}, 3]", "two", "at most 2 allowed, 3 given"),
        ("code: a", "code", "'a' does not have the form ^[A-Z]$"),
        ("few: [1, 2, 3]", "few", "at most 2 allowed, 3 given"),
        ("when: yesterday", "when", "'yesterday': "),
    ],
)
def test_mistakes_deep_in_a_plugins_options_are_placed_too(write: Write, option: str, path: str, message: str) -> None:
    registry = kit.registry_of(kit.COMPONENTS | {"systems": (kit.Chain, Nest)})
    [found] = problems(write(("type: chain, atoms: 2", f"type: nest, {option}")), registry)
    assert found.startswith("p.yaml:7:")
    assert f": systems.short.{path}: " in found
    assert message in found


def test_an_empty_registry_says_so(write: Write) -> None:
    messages = problems(write(), kit.registry_of({}))
    assert any("unknown type 'spring'; allowed: nothing" in message for message in messages)


def test_comparison_metrics_need_a_reference(write: Write, registry: Registry) -> None:
    assert issubclass(kit.Bonds, ComparisonMetric)
    path = write(("reference: teacher\n", ""), ("force_error.rmse", "bonds.distance"))
    [message] = problems(path, registry)
    assert "'bonds' needs a reference" in message


def test_a_dump_reads_back_to_an_equal_protocol(write: Write, registry: Registry, tmp_path: Path) -> None:
    odd = [
        ("name: demo", "name: demo\ndescription: 'yes: 1:30 é 1e-3'"),
        ("timestep_fs: 0.5", "timestep_fs: [1e-3, 0.5]"),
    ]
    protocol = validate(read_document(write(*odd)), registry)
    again = tmp_path / "resolved.yaml"
    again.write_text(dump(protocol), encoding="utf-8")
    assert validate(read_document(again), registry) == protocol
    assert "confidence: 0.95" in again.read_text(encoding="utf-8")
    assert "&id" not in again.read_text(encoding="utf-8")


WORDS = st.sampled_from([*"abc", "type", "spring", "nve", "drift.per_atom", "short", "must", "1 ps", "", "é"])
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 400), st.floats(allow_nan=False, allow_infinity=False), WORDS
)
DATA = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3), max_leaves=6
)
PATHS = st.sampled_from(
    [
        "models",
        "models.good",
        "reference",
        "systems",
        "systems.short",
        "simulations",
        "simulations.nve",
        "simulations.nve.timestep_fs",
        "simulations.nve.temperatures_K",
        "simulations.nve.equilibration",
        "metrics",
        "criteria",
        "criteria.drift",
        "name",
        "seed",
        "criteria.drift.metric",
        "criteria.drift.per",
        "criteria.force.where",
        "recommendations",
        "reports",
        "executor",
    ]
)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(changes=st.lists(st.tuples(PATHS, DATA), min_size=1, max_size=3))
def test_whatever_stands_in_a_protocol_only_our_errors_come_out(changes: list[tuple[str, object]]) -> None:
    overrides = [f"{where}={json.dumps(value)}" for where, value in changes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.yaml"
        path.write_text(kit.VALID)
        found = _problems_or_protocol(path, overrides)
    if isinstance(found, list):
        assert found
        assert all(problem.line >= 1 and problem.column >= 1 for problem in found)


def _problems_or_protocol(path: Path, overrides: list[str]) -> list[Problem] | Protocol:
    try:
        return validate(read_document(path, overrides), kit.registry_of(kit.COMPONENTS), files=True)
    except ProtocolError as error:
        return error.problems
