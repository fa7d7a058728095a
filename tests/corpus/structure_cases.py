"""Malformed structures, and structures that a model cannot treat."""

from __future__ import annotations

import pickle
import struct

from corpus_kit import PROTOCOL, Case

WATER = "3\nwater\nO 0 0 0\nH 0.96 0 0\nH -0.24 0.93 0\n"


def structure(name: str, file: str, content: str | bytes, *says: str, options: str = "") -> Case:
    """The sound protocol with a system from this file."""
    system = f"{{type: file, path: {file}{options}}}"
    text = PROTOCOL.replace("{type: builtin, name: water}", system)
    data = content.encode() if isinstance(content, str) else content
    return Case(f"structure: {name}", ("p.yaml:7:", *says), text.encode(), {file: data})


def system(name: str, options: str, *says: str) -> Case:
    """The sound protocol with another system."""
    text = PROTOCOL.replace("{type: builtin, name: water}", options)
    return Case(f"system: {name}", ("p.yaml:7:", *says), text.encode())


PETABYTE = b"- of UlmASE-Trajectory  " + struct.pack("<5q", 3, 1, 48, 56, 2**50) + b" " * 64
"""A trajectory whose first frame says that it is that large."""

CASES = [
    structure("empty", "a.xyz", "", "a.xyz"),
    structure("a billion atoms", "a.xyz", "1000000000\n\nH 0 0 0\n", "1000000000 atoms"),
    structure("more atoms than lines", "a.xyz", "5\n\nH 0 0 0\n", "5 atoms"),
    structure("extxyz of a billion atoms", "a.extxyz", '1000000000\nLattice="1 0 0 0 1 0 0 0 1"\nH 0 0 0\n', "atoms"),
    structure("a later count of 60 digits", "a.xyz", "1\n\nH 0 0 0\n" + "9" * 60 + "\n\n", "lines follow"),
    structure("negative count", "a.xyz", "-3\n\nH 0 0 0\n", "a.xyz"),
    structure("count of words", "a.xyz", "three\n\nH 0 0 0\n", "a.xyz"),
    structure("no atoms", "a.xyz", "0\n\n", "a"),
    structure("unknown element", "a.xyz", "1\n\nXx 0 0 0\n", "a"),
    structure("made-up element", "a.xyz", "1\n\nQq 0 0 0\n", "a.xyz"),
    structure("coordinate nan", "a.xyz", "2\n\nH 0 0 nan\nH 0 0 1\n", "not numbers"),
    structure("coordinate inf", "a.xyz", "2\n\nH 0 0 inf\nH 0 0 1\n", "not numbers"),
    structure("coordinate of words", "a.xyz", "1\n\nH zero 0 0\n", "a.xyz"),
    structure("two coordinates", "a.xyz", "1\n\nH 0 0\n", "a.xyz"),
    structure("far away", "a.xyz", "2\n\nH 0 0 0\nH 0 0 1e12\n", "beyond"),
    structure("overlapping", "a.xyz", "2\n\nO 0 0 0\nO 0 0 0.01\n", "apart"),
    structure("thousands in one place", "a.xyz", "20000\n\n" + "O 1 1 1\n" * 20_000, "apart"),
    structure("the same place", "a.xyz", "2\n\nO 1 1 1\nO 1 1 1\n", "apart"),
    Case(
        "structure: too heavy for the method",
        ("p.yaml:", "radon"),
        PROTOCOL.replace("{type: builtin, name: water}", "{type: file, path: a.xyz}").encode(),
        {"a.xyz": b"2\n\nU 0 0 0\nU 0 0 2.5\n"},
    ),
    structure("binary", "a.xyz", bytes(range(256)) * 100, "a.xyz"),
    structure("a pickle", "a.pkl", pickle.dumps({"a": 1}), "a.pkl"),
    structure("a pickle called xyz", "a.xyz", pickle.dumps({"a": 1}), "a.xyz"),
    structure("python code", "a.py", "import os\n", "a.py"),
    structure("python code by format", "a.dat", "import os\n", "py", options=", format: py"),
    structure("a database", "a.db", b"SQLite format 3\x00" + b"\x00" * 100, "a.db"),
    structure("compressed", "a.xyz.gz", b"\x1f\x8b\x08\x00rest", "compressed"),
    structure("unknown kind", "a.qqq", "hello\n", "a.qqq"),
    structure("unknown format", "a.xyz", WATER, "extxyz", options=", format: extxy"),
    structure("a frame that is not there", "a.xyz", WATER, "structure 7", options=", index: 7"),
    structure("broken cif", "a.cif", "data_x\n_cell_length_a what\n", "a.cif"),
    structure("cif without atoms", "a.cif", "data_x\n_cell_length_a 3\n", "a"),
    structure("broken sdf", "a.sdf", "x\n\n\n999999  0  0\n", "no atoms"),
    structure("broken traj", "a.traj", b"- of Ulmxxxxxxxxxxxxxxxx", "a.traj"),
    structure("traj of zeros", "a.traj", b"\x00" * 500, "a.traj"),
    structure("traj of a petabyte", "a.traj", PETABYTE, "a.traj: not a sound traj file"),
    structure("broken POSCAR", "POSCAR", "x\n1.0\n1 0 0\n0 1\n", "POSCAR"),
    structure(
        "POSCAR of too many", "POSCAR", "x\n1\n1 0 0\n0 1 0\n0 0 1\nH\n999999999\nDirect\n0 0 0\n", "999999999 atoms"
    ),
    structure("broken pdb", "a.pdb", "ATOM      1  O   HOH A   1      xxx.xxx   0.000   0.000\n", "a"),
    structure("broken json", "a.json", "{", "a.json"),
    structure("flat cell", "a.extxyz", '1\nLattice="1 0 0 2 0 0 0 0 1" pbc="T T T"\nH 0 0 0\n', "plane"),
    structure("zero cell", "a.extxyz", '1\nLattice="0 0 0 0 0 0 0 0 0" pbc="T T T"\nH 0 0 0\n', "cell"),
    structure("cell of nan", "a.extxyz", '1\nLattice="nan 0 0 0 1 0 0 0 1" pbc="T T T"\nH 0 0 0\n', "a"),
    structure("cell smaller than an atom", "a.xyz", "1\n\nH 0 0 0\n", "thick", options=", cell_A: [0.1, 5, 5]"),
    structure("negative cell", "a.xyz", WATER, "cell_A", options=", cell_A: [-5, 5, 5]"),
    structure("periodic without a cell", "a.xyz", WATER, "cell", options=", pbc: true"),
    structure("supercell of millions", "a.xyz", WATER, "atoms", options=", cell_A: [5, 5, 5], repeat: [900, 900, 900]"),
    structure("repeat of nothing", "a.xyz", WATER, "repeat", options=", cell_A: [5, 5, 5], repeat: [0, 1, 1]"),
    structure("absurd charge", "a.xyz", WATER, "charge", options=", charge: 100000"),
    Case(
        "structure: path to a folder",
        ("p.yaml:7:", "folder"),
        PROTOCOL.replace("{type: builtin, name: water}", "{type: file, path: .}").encode(),
    ),
    system("file that is not there", "{type: file, path: gone.xyz}", "gone.xyz"),
    system("a device", "{type: file, path: /dev/zero, format: xyz}", "not a plain file"),
    system("a long path", "{type: file, path: " + "a" * 5000 + "}", "path"),
    system("an empty path", '{type: file, path: ""}', "path"),
    system("unknown molecule", "{type: molecule, name: CH3CH2OHH}", "CH3CH2OH"),
    system("no SMILES", "{type: smiles, smiles: 'C(('}", "SMILES"),
    system("a cell of two lengths", "{type: builtin, name: water, cell_A: [5, 5]}", "cell_A"),
    system("an option of another type", "{type: builtin, name: water, path: a.xyz}", "path"),
]
