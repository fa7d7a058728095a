"""Files of every promised format; and files that are refused, each with its reason."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.io import write

from mdprotocol.api import StructureError
from mdprotocol_plugins.systems import file as file_module
from mdprotocol_plugins.systems.file import File, mdl_charge

ETHANOL = molecule("CH3CH2OH")

ION = """ammonium
  test

  5  4  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 N   0  0  0  0  0  0
    0.5900    0.5900    0.5900 H   0  0  0  0  0  0
   -0.5900   -0.5900    0.5900 H   0  0  0  0  0  0
   -0.5900    0.5900   -0.5900 H   0  0  0  0  0  0
    0.5900   -0.5900   -0.5900 H   0  0  0  0  0  0
  1  2  1  0  0  0  0
  1  3  1  0  0  0  0
  1  4  1  0  0  0  0
  1  5  1  0  0  0  0
M  CHG  1   1   1
M  END
$$$$
"""


@pytest.mark.parametrize("name", ["m.xyz", "m.extxyz", "m.traj", "m.pdb", "m.xsf", "m.gen", "m@2.xyz"])
def test_molecules(tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    write(str(file).replace("@", "_"), ETHANOL)
    Path(str(file).replace("@", "_")).rename(file)
    built = File(path=name).build("mine", tmp_path)
    assert built.name == "mine"
    assert built.numbers.tolist() == ETHANOL.numbers.tolist()
    assert np.allclose(built.positions, ETHANOL.positions, atol=2e-3)
    assert not built.periodic
    assert built.provenance["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["c.cif", "c.extxyz", "c.traj", "POSCAR"])
def test_crystals_keep_their_cell(tmp_path: Path, name: str) -> None:
    copper = bulk("Cu", cubic=True)
    write(tmp_path / name, copper)
    built = File(path=name, repeat=(2, 1, 1)).build("cu", tmp_path)
    assert len(built) == 8
    assert built.pbc.all()
    assert abs(np.linalg.det(built.cell)) == pytest.approx(2 * copper.get_volume(), rel=1e-4)


def test_sdf_with_its_hydrogens_and_charge(tmp_path: Path) -> None:
    (tmp_path / "ion.sdf").write_text(ION)
    built = File(path="ion.sdf").build("ion", tmp_path)
    assert built.numbers.tolist() == [7, 1, 1, 1, 1]
    assert built.charge == 1
    assert File(path="ion.sdf", charge=0).build("ion", tmp_path).charge == 0


def test_mdl_charges_are_summed_over_the_first_molecule() -> None:
    assert mdl_charge(b"x\nM  CHG  2   1  -1   4   2\nM  CHG  1   7   1\nM  END\n$$$$\nM  CHG  1   1   5\n") == 2
    assert mdl_charge(b"nothing here") == 0


@pytest.mark.parametrize("charge", ["1000", "-" + "9" * 50, "1" * 5000])
def test_a_charge_that_no_atom_has(charge: str) -> None:
    with pytest.raises(StructureError, match="no charge of an atom"):
        mdl_charge(f"M  CHG  2   1   1   2 {charge}\nM  END\n".encode())


def test_index_chooses_a_frame(tmp_path: Path) -> None:
    frames = [Atoms("H2", [[0, 0, 0], [0, 0, d]]) for d in (0.7, 0.8, 0.9)]
    write(tmp_path / "t.traj", frames)
    lengths = [File(path="t.traj", index=k).build("h", tmp_path).positions[1, 2] for k in (0, 1, -1)]
    assert lengths == pytest.approx([0.7, 0.8, 0.9])
    with pytest.raises(StructureError, match="no structure 3"):
        File(path="t.traj", index=3).build("h", tmp_path)


def test_format_can_be_named(tmp_path: Path) -> None:
    write(tmp_path / "m.dat", ETHANOL, format="extxyz")
    assert len(File(path="m.dat", format="extxyz").build("m", tmp_path)) == 9
    with pytest.raises(StructureError, match="did you mean 'extxyz'"):
        File(path="m.dat", format="extxzy").build("m", tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "kind of file|not a sound"),
        ("2\n\nH 0 0 0\n", "line 1 says 2 atoms, but only 1 lines follow"),
        ("2\n\nH 0 0 0\nQq 0 0 1\n", "not a sound|no known element"),
        ("2\n\nH 0 0 0\nH 0 0 nan\n", "not numbers"),
        ("2\n\nH 0 0 0\nH 0 0 0.2\n", "0.200 Å apart"),
        ("99999999999\n\nH 0 0 0\n", "line 1 says 99999999999 atoms"),
        (f"1{'0' * 60}\n\nH 0 0 0\n", r"line 1 says over 10\^18 atoms, but only 1 lines"),
        ("1\n\nH 0 0 0\n-7\n\n99999999999\n\nH 0 0 0\n", "line 4 says -7 atoms"),
        ("1\n\nH 0 0 0\n VEC1 9 0 0\nVEC2 0 9 0\n99999999999\n\nH 0 0 0\n", "line 6 says 99999999999 atoms"),
        ("1\nProperties=species:S:1:pos:R:3:x:R:3000000\nH 0 0 0\n", "line 2 says more than 10000 columns an atom"),
        ("1\n\nH 0 0 0\n1\n'Properties' = {species:S:1:x:R:99_999_999}\nH 0 0 0\n", "line 5 says more than"),
        ("\x00\x01\x02", "kind of file|not a sound"),
    ],
)
def test_broken_xyz(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "broken.xyz").write_text(text)
    with pytest.raises(StructureError, match=message):
        File(path="broken.xyz").build("x", tmp_path)


def test_large_numbers_in_a_comment_are_no_columns(tmp_path: Path) -> None:
    text = "1\nProperties=species:S:1:pos:R:3 config=a:123456 id=987654321\nH 0 0 0\n"
    (tmp_path / "sound.xyz").write_text(text)
    assert len(File(path="sound.xyz").build("x", tmp_path)) == 1


@pytest.mark.parametrize("name", ["broken.cif", "broken.sdf", "broken.traj", "broken.pdb", "POSCAR"])
def test_nonsense_in_any_format_is_one_clear_error(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(os.urandom(0) + b"this is no structure at all\n" * 20)
    with pytest.raises(StructureError):
        File(path=name).build("x", tmp_path)


@pytest.mark.parametrize("count", ["999999999", "+9_999_999", 60 * "0" + "99999999", "1\x1c99999999", "\u0669" * 8])
def test_a_poscar_of_more_atoms_than_lines_is_refused_whatever_the_digits(tmp_path: Path, count: str) -> None:
    text = f"x\n1\n9 0 0\n0 9 0\n0 0 9\nH O\n1 {count}\nDirect\n0 0 0\n0 0 0.5\n"
    (tmp_path / "POSCAR").write_text(text, encoding="utf-8")
    with pytest.raises(StructureError, match=r"line 7 says \d+ atoms, but the file has 10 lines"):
        File(path="POSCAR").build("x", tmp_path)


def test_a_binary_file_is_not_believed_about_its_size(tmp_path: Path) -> None:
    write(tmp_path / "t.traj", ETHANOL)
    data = bytearray((tmp_path / "t.traj").read_bytes())
    offsets = int.from_bytes(data[40:48], "little")
    item = int.from_bytes(data[offsets : offsets + 8], "little")
    data[item : item + 8] = (6 << 30).to_bytes(8, "little")
    (tmp_path / "t.traj").write_bytes(data)
    tracemalloc.start()
    try:
        File(path="t.traj").build("x", tmp_path)  # there is one item, and no more than that is read
    except StructureError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 << 20


def test_missing_files_name_the_nearest(tmp_path: Path) -> None:
    write(tmp_path / "ethanol.xyz", ETHANOL)
    with pytest.raises(StructureError, match=r"ethanl\.xyz does not exist.*did you mean 'ethanol.xyz'"):
        File(path="ethanl.xyz").build("x", tmp_path)
    with pytest.raises(StructureError, match="does not exist"):
        File(path="nowhere/ethanol.xyz").build("x", tmp_path)
    with pytest.raises(StructureError, match="is a folder"):
        File(path=".").build("x", tmp_path)


def test_large_compressed_and_special_files(tmp_path: Path, monkeypatch) -> None:
    write(tmp_path / "m.xyz", ETHANOL)
    (tmp_path / "m.xyz.gz").write_bytes(b"\x1f\x8b")
    with pytest.raises(StructureError, match="unpack it first"):
        File(path="m.xyz.gz").build("x", tmp_path)
    monkeypatch.setattr(file_module, "MAX_BYTES", 100)
    with pytest.raises(StructureError, match="MiB are read"):
        File(path="m.xyz").build("x", tmp_path)
    os.mkfifo(tmp_path / "pipe.xyz")
    with pytest.raises(StructureError, match="not a plain file"):
        File(path="pipe.xyz").build("x", tmp_path)


class Bomb:
    def __reduce__(self):
        return open, (os.environ["MDPROTOCOL_TEST_BOMB"], "w")


@pytest.mark.parametrize("name", ["old.traj", "old.xyz", "old.db", "old.py", "old.gpw", "old.pickle", "old.npz"])
def test_nothing_is_unpickled(tmp_path: Path, name: str, monkeypatch) -> None:
    mark = tmp_path / "exploded"
    monkeypatch.setenv("MDPROTOCOL_TEST_BOMB", str(mark))
    (tmp_path / name).write_bytes(
        b"PickleTrajectory" + pickle.dumps(Bomb()) if "traj" in name else pickle.dumps(Bomb())
    )
    with pytest.raises(StructureError):
        File(path=name).build("x", tmp_path)
    assert not mark.exists()


@pytest.mark.parametrize("form", ["db", "gpw", "py", "bundletrajectory", "postgresql"])
def test_unsafe_formats_are_refused_by_name(tmp_path: Path, form: str) -> None:
    write(tmp_path / "m.xyz", ETHANOL)
    with pytest.raises(StructureError, match="can run code"):
        File(path="m.xyz", format=form).build("x", tmp_path)


def test_a_text_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    (tmp_path / "m.xyz").write_text("1\nwäßrig\nHe 0 0 0\n", encoding="utf-8")
    (tmp_path / "m.sdf").write_text(
        "wäßrig\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n"
        "    0.0000    0.0000    0.0000 He  0  0  0  0  0  0  0  0  0  0  0  0\nM  END\n$$$$\n",
        encoding="utf-8",
    )
    code = (
        "import sys; from pathlib import Path; from mdprotocol_plugins.systems.file import File\n"
        "assert sys.getfilesystemencoding() == 'ascii'\n"
        "for name in ('m.xyz', 'm.sdf'):\n    assert len(File(path=name).build('x', Path('.'))) == 1"
    )
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
