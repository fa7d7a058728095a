"""Units of the project: Å, fs, eV, K, amu; and the conversion constants, taken from ASE (CODATA 2014) so that both agree.

Derived internal unit of mass: eV fs²/Å², so that a = F/m comes out in Å/fs² and ½mv² in eV without further factors.
"""

from __future__ import annotations

from ase import units as _ase

KB_EV_PER_K: float = _ase.kB
"""Boltzmann constant, eV/K."""

AMU_EV_FS2_PER_A2: float = 1.0 / _ase.fs**2
"""One atomic mass unit in eV fs²/Å² (ASE measures time in Å sqrt(amu/eV), so `ase.units.fs` carries the factor)."""

FS_IN_ASE_TIME: float = _ase.fs
"""One femtosecond in ASE's unit of time, Å sqrt(amu/eV)."""

HARTREE_EV: float = _ase.Hartree
BOHR_A: float = _ase.Bohr

FS_PER_PS: float = 1000.0
FS_PER_NS: float = 1.0e6
SECONDS_PER_DAY: float = 86400.0
MEV_PER_EV: float = 1000.0
