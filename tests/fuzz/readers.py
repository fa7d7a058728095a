"""Every reader of foreign files with sound seeds, its format's words, and what is done with what it gives."""

from __future__ import annotations

import dataclasses
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))

from checkpoint_cases import SMALL, card, sound_file
from corpus_kit import PROTOCOL


@dataclass(frozen=True)
class Reader:
    """A reader of one kind of file.

    Attributes:
        file: path of the file in a folder of the campaign's own.
        seeds: sound files.
        words: tokens of the format.
        read: reads a file and uses what it gave as the program does.
    """

    file: str
    seeds: Callable[[], list[bytes]]
    words: Sequence[bytes]
    read: Callable[[Path], Any]


# ---------------------------------------------------------------------------------------------------------- protocol

YAML = [
    b": ", b"- ", b"? ", b"<<: *a", b"&a ", b"*a", b"!!python/name:os.system", b"!!binary ", b"!!set", b"|\n", b">-\n",
    b"{", b"}", b"[", b"]", b",", b"'", b'"', b"#", b"---\n", b"...\n", b"%YAML 9.9\n", b"\t", b"\\ud800", b'"\\x00"',
    b"extends: p.yaml\n", b"plugins: [./x.py]\n", b"type: file, path: ../../etc", b"seeds: [1, 1]", b"each: [model]",
    b"looks: 3", b"additions: [{look: 1}]", b"where: {temperature: [300]}", b"reference_trajectory: true", b"repeat: 1",
    b"expectations: {a: {metric: stability.crashed}}", b"integrator: {type: langevin, friction_per_ps: 1}",
]  # fmt: skip


def protocols(folder: Path) -> Reader:
    from mdprotocol.plan import expand_runs, make_study
    from mdprotocol.protocol import read_document, validate
    from mdprotocol.registry import build_registry

    registry = build_registry([])
    root = Path(__file__).parents[2] / "protocols"

    def seeds() -> list[bytes]:
        alone = [path.read_bytes() for path in sorted(root.glob("*.yaml"))]
        return [PROTOCOL.encode(), *(text for text in alone if b"\nmodels:" in text and b"\nextends:" not in text)]

    def read(path: Path) -> None:
        protocol = validate(read_document(path), registry)
        if sum(1 for _ in zip(expand_runs(protocol), range(1000), strict=False)) < 1000:
            make_study(protocol, registry)

    return Reader("p.yaml", seeds, YAML, read)


# ------------------------------------------------------------------------------------------------------- checkpoints

JSON = [
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"null", b"true", b"NaN", b"Infinity", b"-1", b"1e999", b'"\\ud800"',
    b"[" * 2000, b'{"a":' * 2000, b"\\u0000", b'"__proto__"', b'"elements"', b'"hidden"', b'"facts"',
]  # fmt: skip
SAFETENSORS = [
    *JSON, b'"__metadata__":{"a":"b"},', b'"dtype":"F64"', b'"dtype":"BF16"', b'"shape":[4611686018427387904,4]',
    b'"shape":[-1]', b'"shape":[0]', b'"data_offsets":[0,0]', b'"data_offsets":[0.0,4]', b'"shape":[true]', b'"shape":[1.5]',
]  # fmt: skip


def painn_weights(folder: Path) -> Reader:
    """The safetensors file; its card always has its hash, so that the file itself is read."""
    from mdprotocol_plugins.models.painn.checkpoint import load_checkpoint

    def read(path: Path) -> None:
        path.with_suffix(".json").write_bytes(card(path.read_bytes()))
        load_checkpoint(path)

    return Reader("x.safetensors", lambda: [sound_file()], SAFETENSORS, read)


def painn_card(folder: Path) -> Reader:
    from mdprotocol_plugins.models.painn.checkpoint import load_checkpoint

    def read(path: Path) -> None:
        path.with_suffix(".safetensors").write_bytes(sound_file())
        load_checkpoint(path.with_suffix(".safetensors"))

    return Reader("x.json", lambda: [card(sound_file(), facts={"a": [1, 2.5]}), SMALL_CARD], JSON, read)


SMALL_CARD = card(sound_file(), architecture={"elements": list(SMALL.elements)})

PICKLE = [
    b"\x80\x02", b"}", b"]", b"(", b")", b"R", b".", b"q\x00", b"h\x00", b"u", b"s", b"X\x05\x00\x00\x00model", b"K\x01",
    b"J\xff\xff\xff\x7f", b"G\x7f\xf0\x00\x00\x00\x00\x00\x00", b"Q", b"ccollections\nOrderedDict\n", b"N", b"\x88", b"0",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ctorch\nFloatStorage\n", b"ctorch\nSize\n", b"ctorch\ndevice\n", b"\x85",
    b"ctorch._utils\n_rebuild_parameter\n", b"ctorch.nn.parameter\nParameter\n", b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\x86", b"\x87", b"b", b"t", b"e", b"a", b"2", b"1", b"cbuiltins\neval\n",
]  # fmt: skip


@cache
def _student() -> tuple[bytes, ...]:
    """Checkpoints of the smallest student as two of its writers leave them."""
    import torch

    from mdprotocol_plugins.models.mlff_distiller.checkpoint import Sizes

    shapes = Sizes(hidden=4, blocks=1, radial=2, max_z=8, cutoff_A=4.0).shapes()
    state = {name: torch.full(shape, 0.1) for name, shape in shapes.items()}
    trained = {f"model.{name}": value for name, value in state.items()}
    contents = (
        {"model_state_dict": state, "config": {"cutoff": 4.0}, "num_parameters": 1},
        {"epoch": 3, "model_state_dict": trained, "config": {"cutoff": 4.0}, "training_history": [0.5], "metadata": {}},
    )
    found = []
    for content in contents:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        found.append(buffer.getvalue())
    return tuple(found)


def torch_archive(folder: Path) -> Reader:
    from mdprotocol_plugins.models.mlff_distiller.checkpoint import load_state

    words = [b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x06", b"data.pkl", b"byteorder", b"big", *PICKLE]
    return Reader("x.pt", lambda: list(_student()), words, load_state)


def torch_pickle(folder: Path) -> Reader:
    """The pickle inside of the archive, packed as torch does, so that the archive is sound."""
    from mdprotocol_plugins.models.mlff_distiller.checkpoint import load_state

    archives = [zipfile.ZipFile(io.BytesIO(data)) for data in _student()]

    def seeds() -> list[bytes]:
        return [archive.read(_pickle_of(archive)) for archive in archives]

    def read(path: Path) -> None:
        packed = path.with_suffix(".pt")
        with zipfile.ZipFile(packed, "w") as target:
            for name in archives[0].namelist():
                data = path.read_bytes() if name == _pickle_of(archives[0]) else archives[0].read(name)
                target.writestr(name, data)
        load_state(packed)

    return Reader("x.pkl", seeds, PICKLE, read)


def _pickle_of(archive: zipfile.ZipFile) -> str:
    return next(name for name in archive.namelist() if name.endswith("data.pkl"))


# -------------------------------------------------------------------------------------------------------- structures

STRUCTURE = [
    b'Lattice="5 0 0 0 5 0 0 0 5"', b'pbc="T T T"', b"Properties=species:S:1:pos:R:3", b"Properties=pos:R:3", b":R:99999",
    b"Properties=species:S:1:pos:R:3:forces:R:3", b"energy=nan", b'"', b"=", b"C", b"Xx", b"0 0 0\n", b"loop_\n", b"data_y\n",
    b"_atom_site_occupancy\n", b"_symmetry_equiv_pos_as_xyz\n'x,y,z'\n", b"1/0", b"x,y", b";\n", b"?", b"(5)", b"V3000", b"\n\n",
    b"M  CHG  1   1   9\n", b"M  END\n", b"$$$$\n", b"Direct\n", b"Selective dynamics\n", b"Cartesian\n", b"MODEL\n", b"ENDMDL\n",
    b"CRYST1    1.0     0.0     1.0   0.00  90.00 180.00 P 1\n", b"ATOM  ", b"HETATM", b"CONECT", b"- of Ulm", b"ndarray",
    b"_space_group_IT_number 999\n", b"_symmetry_space_group_name_H-M 'F m -3 m'\n", b"-0", b"stress=", b"move_mask:L:1",
]  # fmt: skip


@cache
def _structures(form: str) -> tuple[bytes, ...]:
    """A molecule and a crystal as ASE writes them in a format (the sdf by hand: ASE only reads it)."""
    from ase.build import bulk, molecule
    from ase.io import write

    crystal, ethanol = bulk("NaCl", "rocksalt", a=5.64), molecule("CH3CH2OH", vacuum=4.0)
    ethanol.pbc = form in ("vasp", "cif")
    several = [ethanol, crystal] if form in ("extxyz", "traj") else None
    found = []
    for atoms in (ethanol, crystal, several):
        if atoms is not None:
            buffer = io.BytesIO() if form in ("traj", "cif") else io.StringIO()
            write(buffer, atoms, format=form)
            text = buffer.getvalue()
            found.append(text if isinstance(text, bytes) else text.encode())
    return tuple(found)


SDF = """water
  by hand

  3  2  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.1193 O   0  0  0  0  0  0
    0.0000    0.7632   -0.4770 H   0  0  0  0  0  0
    0.0000   -0.7632   -0.4770 H   0  0  0  0  0  0
  1  2  1  0
  1  3  1  0
M  CHG  1   1   1
M  END
$$$$
"""


def structure(file: str, form: str) -> Callable[[Path], Reader]:
    """A reader of structure files in a format."""

    def make(folder: Path) -> Reader:
        from mdprotocol_plugins.systems.file import File

        def seeds() -> list[bytes]:
            return [SDF.encode()] if form == "sdf" else list(_structures(form))

        return Reader(file, seeds, STRUCTURE, lambda path: File(path=path.name).build("s", path.parent))

    return make


# ----------------------------------------------------------------------------------------------------------- results

RUN = "runs/mine/water/nve/T300K_r0.nc"
HDF5 = [
    b"\x89HDF\r\n\x1a\n",
    b"OHDR",
    b"OCHK",
    b"FRHP",
    b"FHDB",
    b"BTHD",
    b"BTLF",
    b"TREE",
    b"SNOD",
    b"HEAP",
    b"GCOL",
    b"FADB",
]


IDENTITY = "ab" * 32


@cache
def _planned() -> Any:
    """The corpus's protocol with all that is planned by it, as judging has it."""
    from mdprotocol.plan import make_study
    from mdprotocol.protocol import read_document, validate
    from mdprotocol.registry import build_registry

    path = Path(__file__).with_name("planned.yaml")
    registry = build_registry([])
    protocol = validate(read_document(path), registry)
    study = make_study(protocol, registry)
    runs = tuple(dataclasses.replace(run, identity=IDENTITY) for run in study.runs)
    return dataclasses.replace(study, runs=runs)


@cache
def _run_dataset() -> Any:
    from mdprotocol.plan.identity import settings_facts
    from mdprotocol.testing.datasets import make_run

    run = _planned().runs[0]
    facts = json.dumps(settings_facts(run.settings))
    names = {"model": run.model, "system": run.system, "simulation": run.simulation}
    return make_run(frames=11, reference_every=5, identity=IDENTITY, seed=1, settings=facts, **names).assign_attrs(
        seed=str(run.seed)
    )


def _bytes_of(folder: Path, relative: str, dataset: Any) -> bytes:
    from mdprotocol.store import ResultsFolder

    ResultsFolder(folder / "seeds").write_dataset(relative, dataset)
    return (folder / "seeds" / relative).read_bytes()


def _judged(folder: Path) -> Any:
    """Measured, stacked and judged as by `judge` and by who analyses it."""
    from mdprotocol.app.concluding import run_rows
    from mdprotocol.assess import judge_models, measure, tabulate
    from mdprotocol.store import open_results

    study = _planned()
    results = open_results(folder)
    measurements = measure(study, results.folder)
    verdicts = judge_models(study, measurements)
    tabulate(study, measurements)
    run_rows(study.runs, results.folder)
    for run in results.runs:
        with results.run(run) as dataset:
            dataset.load()
    results.dataset("mine", "water", "nve").load()
    return verdicts


def run_file(folder: Path) -> Reader:
    def read(path: Path) -> None:
        _judged(folder)

    return Reader(RUN, lambda: [_bytes_of(folder, RUN, _run_dataset())], HDF5, read)


def run_facts(folder: Path) -> Reader:
    """A run's attributes, in a file that is sound otherwise."""
    from mdprotocol.store import ResultsFolder

    def plain(value: Any) -> Any:
        if isinstance(value, bool | dict | list) or value is None or (isinstance(value, int) and abs(value) >= 2**63):
            return str(value)
        return value.replace("\0", "").encode("utf-8", "replace").decode() if isinstance(value, str) else value

    def read(path: Path) -> None:
        try:
            facts = json.loads(path.read_bytes())
        except (ValueError, RecursionError):
            return
        if isinstance(facts, dict):
            named = {f"a{k}" if key not in sound else key: plain(value) for k, (key, value) in enumerate(facts.items())}
            ResultsFolder(folder).write_dataset(
                RUN, _run_dataset().copy().assign_attrs(dict.fromkeys(sound, "")).assign_attrs(named)
            )
            _judged(folder)

    sound = _run_dataset().attrs
    return Reader("facts.json", lambda: [json.dumps(sound).encode()], JSON, read)


def measurements(folder: Path) -> Reader:
    from mdprotocol.assess import from_dataset, judge_models, measure, tabulate, to_dataset
    from mdprotocol.store import ResultsFolder

    def seeds() -> list[bytes]:
        inner = folder / "seeds"
        _bytes_of(folder, RUN, _run_dataset())
        return [_bytes_of(folder, "measurements.nc", to_dataset(measure(_planned(), ResultsFolder(inner)), _planned()))]

    def read(path: Path) -> None:
        study = _planned()
        found = from_dataset(ResultsFolder(path.parent).load("measurements.nc"))
        judge_models(study, found)
        tabulate(study, found)

    return Reader("measurements.nc", seeds, HDF5, read)


def verdict(folder: Path) -> Reader:
    from mdprotocol.assess import compare_results
    from mdprotocol.store import ResultsFolder, open_results

    sound = json.dumps(_sound_verdict()).encode()
    seeded = measurements(folder).seeds()[0]

    def read(path: Path) -> None:
        (path.parent / "measurements.nc").write_bytes(seeded)
        open_results(path.parent).verdict()
        compare_results(ResultsFolder(path.parent), ResultsFolder(path.parent))

    return Reader("verdict.json", lambda: [sound], JSON, read)


def _sound_verdict() -> Any:
    from mdprotocol.testing.reports import several_report
    from mdprotocol_plugins.reporters.json_file import JsonReporter

    (data,) = JsonReporter().render(several_report()).values()
    return json.loads(data)


def provenance(folder: Path) -> Reader:
    """provenance.json as the next run and the report use it, and skipped.json beside it."""

    from mdprotocol.app.reusing import strike_off
    from mdprotocol.app.running import _write_after
    from mdprotocol.app.stopping import FILE, skipped
    from mdprotocol.report import build_report
    from mdprotocol.report.provenance import read_provenance
    from mdprotocol.store import ResultsFolder
    from mdprotocol.testing import reports
    from mdprotocol_plugins.reporters.markdown import MarkdownReporter

    taken = {"from": "../other", "date": "2026-11-23", "runs": {"runs/mine/water/nve/T300K_r1": "ab" * 32}}
    plain = {
        **reports.PROVENANCE,
        "command": "mdprotocol run p.yaml",
        "warnings": ["a warning of the plan"],
        "threads": {"torch": 1, "OMP_NUM_THREADS": "1"},
        "reused": [taken],
        "runs": {"runs/mine/water/nve/T300K_r0": "no need"},
    }

    def read(path: Path) -> None:
        store = ResultsFolder(path.parent)
        facts = read_provenance(store)
        report = dataclasses.replace(reports.empty_report(), figures=lambda: ())
        made = build_report(_planned().protocol, report.verdicts, (), (), facts, lambda run: None)
        MarkdownReporter().render(dataclasses.replace(made, figures=lambda: ()))
        (path.parent / FILE).write_bytes(path.read_bytes())
        _write_after(store, 1.0, 1)
        strike_off(store)
        skipped(store)

    return Reader("provenance.json", lambda: [json.dumps(plain).encode()], JSON, read)


def plan(folder: Path) -> Reader:
    """plan.json as judging and the next run use it."""
    from mdprotocol.app import disagreement, planned, since
    from mdprotocol.app.sources import Source, prepare
    from mdprotocol.store import ResultsFolder

    prepared = prepare(Source(Path(__file__).with_name("planned.yaml")))
    protocol, study = prepared.protocol, _planned()
    runs, probes = study.runs, study.probes
    sound = planned.Planned(
        protocol=planned.section(protocol, planned.DATA),
        contents=planned.contents_of(prepared),
        models={run.model: "ab" * 32 for run in runs},
        runs={run.id: "cd" * 32 for run in runs},
        probes={probe.id: "cd" * 32 for probe in probes},
        probe_options={probe.metric: planned._options(probe) for probe in probes},
        made_for={"cd" * 32: "12" * 32},
        criteria={"12" * 32: planned.judged_by(study)},
        seen=["mine/water/nve", "mine/water"],
        replaced={"ef" * 32: planned.Replaced(runs[0].id, runs[0].model, "ab" * 32, "failed")},
    )

    def read(path: Path) -> None:
        store = ResultsFolder(path.parent)
        found = planned.read_planned(store)
        disagreement.foreign(prepared, store)
        if found is not None:
            disagreement.listed(disagreement.differences(found, prepared, store))
            planned.identified(found, prepared, study)
        since.changed_criteria(found, study)
        since.first_criteria(found)
        planned.as_known(prepared, found)
        since.further_runs(found, runs, store)

    return Reader("plan.json", lambda: [json.dumps(dataclasses.asdict(sound)).encode()], JSON, read)


def segment(folder: Path) -> Reader:
    """A segment whose checksum is made good, so that what is behind it is reached too (one time in two)."""
    from mdprotocol.store.segment import decode, encode

    arrays = {"x": np.arange(12.0).reshape(2, 2, 3), "n": np.array([3], dtype=np.uint64), "none": np.empty((0, 3))}

    def read(path: Path) -> None:
        data = path.read_bytes()
        if len(data) % 2:
            data = data[:-4] + zlib.crc32(data[:-4]).to_bytes(4, "little")
            path.write_bytes(data)
        found = decode(path)
        if found is not None:
            sum(float(np.sum(values)) for values in found.arrays.values() if values.dtype.kind in "fiu")

    words = [
        b"|O",
        b"<f8",
        b"'shape': (4611686018427387904,)",
        b"'shape': (-1,)",
        b"True",
        b"\x93NUMPY\x01\x00",
        b"V0",
        *JSON,
    ]
    return Reader("md-000000.seg", lambda: [b"".join(map(bytes, encode({"step": 3}, arrays)))], words, read)


def work(folder: Path) -> Reader:
    """The header of a work folder, as resuming reads it."""
    from mdprotocol.app.resuming import _named
    from mdprotocol.store import ResultsFolder
    from mdprotocol.store.work import unfinished

    header = {"version": 1, "runs": [{"id": "runs/a/b/c/T300K_r0", "identity": "ab" * 32}]}

    def read(path: Path) -> None:
        for _, facts in unfinished(ResultsFolder(folder)):
            _named(facts)

    return Reader("work/k/batch.json", lambda: [json.dumps(header).encode()], JSON, read)


READERS: dict[str, Callable[[Path], Reader]] = {
    "protocol": protocols,
    "painn_weights": painn_weights,
    "painn_card": painn_card,
    "torch_archive": torch_archive,
    "torch_pickle": torch_pickle,
    "xyz": structure("a.xyz", "xyz"),
    "extxyz": structure("a.extxyz", "extxyz"),
    "cif": structure("a.cif", "cif"),
    "sdf": structure("a.sdf", "sdf"),
    "traj": structure("a.traj", "traj"),
    "poscar": structure("POSCAR", "vasp"),
    "pdb": structure("a.pdb", "proteindatabank"),
    "run_file": run_file,
    "run_facts": run_facts,
    "measurements": measurements,
    "verdict": verdict,
    "provenance": provenance,
    "plan": plan,
    "segment": segment,
    "work": work,
}
"""Each makes its reader in a folder of its own."""
