"""A run's motion as a whole: momentum, angular momentum, inertia, and which of it the run's dynamics keeps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import xarray as xr

from mdprotocol.api import AMU_EV_FS2_PER_A2, NotMeasurable, chemistry
from mdprotocol_plugins.metrics._series import finite


@dataclass(frozen=True)
class Motion:
    """Frames of a run about its centre of mass. Masses in eV fs²/Å².

    Attributes:
        masses (n,); x, v (frame, n, 3): positions and velocities relative to the centre of mass.
        momentum, angular (frame, 3): total momentum eV fs/Å, angular momentum about the centre of mass eV fs.
        inertia (frame, 3, 3): eV fs².
        kinetic (frame,): from velocities and masses, eV.
    """

    masses: np.ndarray
    x: np.ndarray
    v: np.ndarray
    momentum: np.ndarray
    angular: np.ndarray
    inertia: np.ndarray
    kinetic: np.ndarray


def motion(run: xr.Dataset) -> Motion:
    """Motion of all frames."""
    masses = finite(run, "mass") * AMU_EV_FS2_PER_A2
    position, velocity = finite(run, "position"), finite(run, "velocity")
    centre, drift = (np.einsum("i,fia->fa", masses, q) / masses.sum() for q in (position, velocity))
    x, v = position - centre[:, None], velocity - drift[:, None]
    square = np.einsum("i,fia,fia->f", masses, x, x)
    return Motion(
        masses,
        x,
        v,
        momentum=masses.sum() * drift,
        angular=np.einsum("i,fia->fa", masses, np.cross(x, v)),
        inertia=square[:, None, None] * np.eye(3) - np.einsum("i,fia,fib->fab", masses, x, x),
        kinetic=0.5 * np.einsum("i,fia,fia->f", masses, velocity, velocity),
    )


def periodic(run: xr.Dataset) -> bool:
    """Whether the run has periodic boundaries, where angular momentum means nothing."""
    return bool(finite(run, "pbc").any())


@dataclass(frozen=True)
class Kept:
    """What the dynamics of a run keeps at zero, read from its degrees of freedom.

    Attributes:
        degrees: that the temperature counts.
        translation: whether the momentum is kept.
        rotations: axes about which the angular momentum is kept (3, 2 for a linear molecule) or turns freely.
    """

    degrees: int
    translation: bool
    rotation: bool
    rotations: int


def kept(run: xr.Dataset) -> Kept:
    """What is kept.

    Raises:
        NotMeasurable: a lone atom, or degrees of freedom that fit no number of atoms.
    """
    atoms, degrees = int(run.sizes["atom"]), round(float(run.attrs["degrees_of_freedom"]))
    if atoms == 1:
        raise NotMeasurable("a lone atom has no inner motion")
    missing = 3 * atoms - degrees
    if missing not in (0, 3, 5, 6):
        raise NotMeasurable(f"{degrees} degrees of freedom fit no {atoms} atoms")
    if periodic(run):
        rotations = 0
    else:
        rotations = (
            missing - 3
            if missing > 3
            else chemistry.rotation_axes(finite(run, "initial_position"), finite(run, "mass"))
        )
    return Kept(degrees, missing >= 3, missing > 3, rotations)


def inverse(inertia: np.ndarray, rotations: int) -> np.ndarray:
    """(frame, 3, 3) inverse of the tensors of inertia on their `rotations` largest axes."""
    moments, axes = np.linalg.eigh(inertia)
    inverted = np.zeros_like(moments)
    inverted[:, 3 - rotations :] = 1 / moments[:, 3 - rotations :]
    return np.einsum("fak,fk,fbk->fab", axes, inverted, axes)
