"""Structures from files, by ASE's readers; nothing that unpickles, runs code, connects or decompresses."""

from __future__ import annotations

import hashlib
import io
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Annotated, Any, Literal

import ase
from ase import Atoms
from pydantic import Field

from mdprotocol.api import Structure, StructureError
from mdprotocol_plugins.systems._shared import SourceWithCell, finish, nearest

MAX_BYTES = 64 * 2**20
MOST_COLUMNS = 10_000
"""Of an atom in an extxyz file."""
REFUSED = frozenset({"bundletrajectory", "db", "gpw", "mysql", "postgresql", "py", "eon"})
"""Folders, databases, pickles, code."""
COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".lzma", ".zst", ".zip"})
XYZ = frozenset({"xyz", "extxyz"})
VASP = frozenset({"vasp"})
MDL = frozenset({"sdf", "mol"})


class File(SourceWithCell):
    """A structure from any file that ASE reads: xyz, extxyz, cif, traj, sdf (with its hydrogens), POSCAR, pdb, ..."""

    type: Literal["file"] = "file"
    path: Annotated[str, Field(min_length=1, max_length=4096)]
    """Relative to the folder of the protocol."""
    index: int = -1
    """Which structure of a file with several, from 0; the last by default."""
    format: str | None = None
    """Name of the format in ASE, where the file's name does not tell."""

    def files(self, base: Path) -> tuple[Path, ...]:
        return (base / self.path,)

    def build(self, name: str, base: Path) -> Structure:
        file = base / self.path
        data = _content(self.path, file)
        form = self._format(file)
        if form in XYZ:
            _check_xyz(self.path, data)
        if form in VASP:
            _check_poscar(self.path, data)
        atoms = self._read(file, data, form)
        source = {"source": f"file {self.path}", "sha256": hashlib.sha256(data).hexdigest(), "format": form}
        charge = mdl_charge(data) if form in MDL else 0
        if form in MDL:
            _refuse_isotopes(self.path, data)
        return finish(name, atoms, self, source | {"index": str(self.index), "ase": ase.__version__}, charge)

    def _format(self, file: Path) -> str:
        from ase.io.formats import UnknownFileTypeError, filetype, ioformats  # its readers take half a second to import

        try:
            form = self.format or filetype(str(file))
        except (UnknownFileTypeError, OSError, UnicodeError) as error:
            raise StructureError(f"{self.path}: ASE does not know this kind of file; set `format`") from error
        if form not in ioformats:
            raise StructureError(f"{self.path}: ASE has no format '{form}'{nearest(form, ioformats)}")
        if form in REFUSED:
            raise StructureError(
                f"{self.path}: files of format '{form}' can run code or are no single file; convert it to extxyz"
            )
        if not ioformats[form].can_read:
            raise StructureError(f"{self.path}: ASE writes format '{form}' but does not read it")
        return form

    def _read(self, file: Path, data: bytes, form: str) -> Atoms:
        from ase.io import read
        from ase.io.formats import ioformats

        content = _opened(file, data, ioformats[form].isbinary) if ioformats[form].acceptsfd else str(file)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = read(content, index=self.index, format=form, do_not_split_by_at_sign=True)
        except (IndexError, StopIteration) as error:
            raise StructureError(f"{self.path}: there is no structure {self.index} in the file (from 0)") from error
        except (MemoryError, RecursionError) as error:
            raise StructureError(
                f"{self.path}: not a sound {form} file: it asks for more memory than there is"
            ) from error
        except Exception as error:  # readers raise whatever they stumble over
            raise StructureError(f"{self.path}: not a sound {form} file: {_short(error)}") from error
        if not isinstance(found, Atoms):
            raise StructureError(f"{self.path}: holds no structure")
        return found


def _opened(file: Path, data: bytes, binary: bool) -> IO[Any]:
    """A file's content as ASE's readers take it.

    Binary formats say how much is to be read next: bytes in hand give what there is, a file has room made beforehand. A
    text is UTF-8, whatever the locale.
    """
    content = io.BytesIO(data)
    content.name = str(file)  # some readers look for other files beside it
    return content if binary else io.TextIOWrapper(content, encoding="utf-8")


def _check_xyz(shown: str, data: bytes) -> None:
    """Each frame has the lines that its first line promises: ASE's reader counts to any number that stands there."""
    lines, first = _lines(data), 0
    while first < len(lines) and (atoms := _whole(lines[first])) is not None:
        if atoms < 0:
            raise StructureError(f"{shown}: line {first + 1} says {_shown(atoms)} atoms")
        if first + 2 + atoms > len(lines):
            raise StructureError(
                f"{shown}: line {first + 1} says {_shown(atoms)} atoms, "
                f"but only {max(len(lines) - first - 2, 0)} lines follow"
            )
        if _columns(lines[first + 1]) > MOST_COLUMNS:
            raise StructureError(f"{shown}: line {first + 2} says more than {MOST_COLUMNS} columns an atom")
        first += 2 + atoms
        while first < len(lines) and lines[first].lstrip().startswith("VEC"):  # cell vectors that may follow a frame
            first += 1
    if first == 0:
        raise StructureError(f"{shown}: not a sound xyz file: the first line must be the number of atoms")


def _columns(line: str) -> int:
    """Columns that `Properties=name:kind:columns:...` asks for: ASE's reader makes a field of each."""
    found = re.findall(r"""Properties["']?\s*=\s*(?:"([^"]*)"|'([^']*)'|{([^}]*)}|(\S+))""", line)
    return _total(part for ways in found for said in ways for part in said.split(":"))


def _check_poscar(shown: str, data: bytes) -> None:
    """As many lines as atoms: ASE's reader makes room for any number that stands in line 6 or 7."""
    lines = _lines(data)
    for number, line in enumerate(lines[5:7], 6):
        atoms = _total(line.split())
        if atoms > len(lines):
            raise StructureError(
                f"{shown}: line {number} says {_shown(atoms)} atoms, but the file has {len(lines)} lines"
            )


def _lines(data: bytes) -> list[str]:
    """Lines of a text as ASE's readers get them."""
    return [line.decode("utf-8", "replace") for line in data.splitlines()]


def _whole(text: str) -> int | None:
    """What Python, and so ASE, takes for a whole number: with signs, underscores, and digits of any script."""
    try:
        return int(text)
    except ValueError:
        return None


def _total(words: Iterable[str]) -> int:
    """Sum of the counts among words."""
    return sum(max(_whole(word) or 0, 0) for word in words)


def _shown(number: int) -> str:
    """A number that fits into a message."""
    if abs(number) < 10**18:
        return str(number)
    return "over 10^18" if number > 0 else "under -10^18"


def mdl_charge(data: bytes) -> int:
    """Sum of the formal charges (`M  CHG` lines) of the first molecule in an MDL file.

    Raises:
        StructureError: one of them is no charge of an atom.
    """
    first = data.decode("utf-8", errors="replace").split("$$$$")[0]
    lines = re.findall(r"^M  CHG\s+\d+((?:\s+\d+\s+-?\d+)+)", first, flags=re.MULTILINE)
    charges = [charge for line in lines for charge in line.split()[1::2]]
    wrong = [charge for charge in charges if len(charge.lstrip("-")) > 3]  # the format has three columns for it
    if wrong:
        raise StructureError(f"M  CHG: {wrong[0][:20]} is no charge of an atom")
    return sum(map(int, charges))


def _refuse_isotopes(shown: str, data: bytes) -> None:
    """ASE's reader passes over isotopes, and a run would go on with the masses of the elements."""
    if re.search(rb"^M  ISO", data.split(b"$$$$")[0], flags=re.MULTILINE):
        raise StructureError(
            f"{shown}: names isotopes (M  ISO), which ASE does not read; use extxyz with a column masses"
        )


def _content(shown: str, file: Path) -> bytes:
    """The file's bytes, if it is a plain file of sound size."""
    if file.is_dir():
        raise StructureError(f"{shown} is a folder; a single file is needed")
    if not file.exists():
        siblings = [entry.name for entry in file.parent.iterdir()] if file.parent.is_dir() else []
        hint = nearest(file.name, siblings)
        raise StructureError(f"the file {shown} does not exist (relative to the protocol's folder){hint}")
    if not file.is_file():
        raise StructureError(f"{shown} is not a plain file")
    if file.suffix.lower() in COMPRESSED:
        raise StructureError(f"{shown} is compressed; unpack it first")
    size = os.stat(file).st_size
    if size > MAX_BYTES:
        raise StructureError(f"{shown} has {size / 2**20:.0f} MiB; at most {MAX_BYTES // 2**20} MiB are read")
    try:
        return file.read_bytes()
    except OSError as error:
        raise StructureError(f"{shown} cannot be read: {error.strerror}") from error


def _short(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
