"""The catalogue of planted faults, with the sizes that a protocol should see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mdprotocol.errors import UsageError
from mdprotocol.faults import answers, evidence, landscapes, motion
from mdprotocol.faults.fault import Change, Fault
from mdprotocol.faults.wrapping import Flaw, FlawedModel
from mdprotocol.protocol.places import choices
from mdprotocol.units import FS_IN_ASE_TIME, HARTREE_EV

KCAL_MOL_EV = 0.0433641153
"""1 kcal/mol in eV (4184 J/mol over N_A e)."""

GRADIENT = ("force_consistency", "energy_drift", "energy_fluctuation", "timestep_convergence")
"""Metrics that see forces which are not minus the gradient of the energy."""
SHAPE = (
    "force_error",
    "energy_error",
    "frequencies",
    "trajectory_divergence",
    "bond_lengths",
    "angles",
    "ensemble",
    "vibrational_spectrum",
)
"""Metrics that see a landscape which is not the reference's."""
MOTION = (
    "timestep_convergence",
    "reversibility",
    "kinematics",
    "trajectory_divergence",
    "energy_drift",
    "energy_fluctuation",
    "stability",
)
"""Metrics that see an integrator which is none."""


def _flaw(flaw: Flaw) -> Change:
    return FlawedModel(flaw)


def _scaled(name: str, share: float) -> Fault:
    what = f"all forces are {100 * share:g} % too large"
    return Fault(name, what, share, "1", GRADIENT, lambda s: _flaw(answers.ScaledForces(s)), scalable=True)


CATALOGUE: tuple[Fault, ...] = (
    _scaled("forces_1_percent", 0.01),
    _scaled("forces_3_percent", 0.03),
    _scaled("forces_10_percent", 0.10),
    Fault(
        "noisy_forces",
        "forces carry Gaussian noise",
        0.05,
        "eV/Å",
        GRADIENT,
        lambda s: _flaw(answers.NoisyForces(s)),
        True,
    ),
    Fault(
        "curl",
        "forces have a swirl that no energy has",
        0.05,
        "eV/Å²",
        (*GRADIENT, "momentum"),
        lambda s: _flaw(landscapes.Curl(s)),
        True,
    ),
    Fault(
        "oriented",
        "the energy depends on the direction of pairs in space",
        0.05,
        "eV",
        ("symmetry", "momentum"),
        lambda s: _flaw(landscapes.Oriented(s)),
        True,
    ),
    Fault(
        "jump",
        "each pair's energy jumps at a cutoff of 5 Å",
        0.05,
        "eV",
        ("smoothness", *GRADIENT),
        lambda s: _flaw(landscapes.Jump(s)),
        True,
    ),
    Fault(
        "kink",
        "each pair's force jumps at 1.05 Å",
        1.0,
        "eV/Å",
        ("smoothness", *GRADIENT, *SHAPE),
        lambda s: _flaw(landscapes.Kink(s)),
        True,
    ),
    Fault(
        "sharp_norm",
        "forces jump where an atom's surroundings are symmetric",
        0.05,
        "eV",
        SHAPE,
        lambda s: _flaw(landscapes.SharpNorm(s)),
        True,
    ),
    Fault(
        "missing_wall",
        "atoms that come near fall into each other",
        2000.0,
        "eV",
        ("short_range_wall", "stability"),
        lambda s: _flaw(landscapes.MissingWall(s)),
        True,
    ),
    Fault(
        "shifted_bond",
        "one bond's well lies elsewhere",
        0.05,
        "Å",
        SHAPE,
        lambda s: _flaw(landscapes.ShiftedBond(s)),
        True,
    ),
    Fault(
        "softer_angle",
        "one angle is softer",
        2.0,
        "eV",
        SHAPE,
        lambda s: _flaw(landscapes.SofterAngle(s)),
        True,
    ),
    Fault(
        "kcal_per_mol",
        "energies and forces in kcal/mol are taken for eV",
        None,
        "",
        (*SHAPE, *MOTION),
        lambda _: _flaw(answers.Rescaled(1 / KCAL_MOL_EV)),
    ),
    Fault(
        "hartree",
        "energies and forces in Hartree are taken for eV",
        None,
        "",
        (*SHAPE, *MOTION),
        lambda _: _flaw(answers.Rescaled(1 / HARTREE_EV)),
    ),
    Fault(
        "forces_per_bohr",
        "forces in eV/Bohr are taken for eV/Å",
        None,
        "",
        (*SHAPE, *GRADIENT),
        lambda _: _flaw(answers.ForcesPerBohr()),
    ),
    Fault(
        "swapped_element",
        "an atom is taken for another element",
        None,
        "",
        (*SHAPE, "stability", "symmetry"),
        lambda _: _flaw(answers.SwappedElement()),
    ),
    Fault(
        "permuted_forces",
        "forces come back in another order of atoms",
        None,
        "",
        (*SHAPE, *GRADIENT, "stability", "symmetry"),
        lambda _: _flaw(answers.PermutedForces()),
    ),
    Fault(
        "drifting_energy",
        "the energy's zero creeps from call to call",
        2.0,
        "meV/atom in 1000 calls",
        ("force_consistency", "energy_drift", "energy_error", "timestep_convergence"),
        lambda s: _flaw(answers.DriftingEnergy(s)),
        True,
    ),
    Fault(
        "stale_pairs",
        "a neighbour list is renewed too rarely",
        5.0,
        "eV",
        (*GRADIENT, *SHAPE, "reversibility"),
        lambda s: _flaw(landscapes.StalePairs(s)),
        True,
    ),
    Fault(
        "half_precision",
        "energies and forces are rounded to 16 bits",
        None,
        "",
        (*GRADIENT, "symmetry", "smoothness", "reversibility"),
        lambda _: _flaw(answers.HalfPrecision()),
    ),
    Fault(
        "wrong_kernel",
        "what runs has one bond's well elsewhere, and the plain form of the same model has not",
        0.05,
        "Å",
        ("kernel_error", *SHAPE),
        lambda s: FlawedModel(landscapes.ShiftedBond(s), in_kernel=True),
        True,
    ),
    Fault(
        "heavier_hydrogen",
        "hydrogen atoms have a wrong mass",
        2.0,
        "1",
        ("masses", "trajectory_divergence", "vibrational_spectrum"),
        motion.HeavierHydrogen,
    ),
    Fault("euler", "explicit Euler steps", None, "", MOTION, lambda _: motion.OtherIntegrator(motion.Euler)),
    Fault(
        "wrong_sign",
        "the second half kick has the wrong sign",
        None,
        "",
        MOTION,
        lambda _: motion.OtherIntegrator(motion.WrongSign),
    ),
    Fault(
        "thermostat_left_on",
        "a Langevin thermostat acts in a run at constant energy",
        1.0,
        "1/ps",
        ("momentum", "reversibility", "timestep_convergence"),
        lambda s: motion.OtherIntegrator(motion.ThermostatLeftOn, s),
        True,
    ),
    Fault(
        "ase_timestep",
        "the time step is off by the factor of ASE's unit of time",
        FS_IN_ASE_TIME,
        "1",
        ("kinematics", "trajectory_divergence", "vibrational_spectrum"),
        lambda s: motion.OtherIntegrator(motion.OtherTimestep, s),
    ),
    Fault(
        "frozen_atom",
        "one atom never moves",
        None,
        "",
        ("momentum", "equipartition", "trajectory_divergence"),
        lambda _: motion.OtherIntegrator(motion.FrozenAtom),
    ),
    Fault(
        "no_velocities",
        "production starts from rest",
        None,
        "",
        ("kinematics", "trajectory_divergence", "temperature"),
        lambda _: motion.OtherIntegrator(motion.NoVelocities),
    ),
    Fault("lost_variable", "a run's file lacks a variable", None, "", (), lambda _: evidence.LostVariable()),
    Fault("skipped_simulation", "a simulation was never run", None, "", (), lambda _: evidence.SkippedSimulation()),
    Fault(
        "own_reference",
        "the model's forces are compared with its own",
        None,
        "",
        ("force_error", "energy_error"),
        lambda _: evidence.OwnReference(),
    ),
)


def chosen(names: Sequence[str] | None = None, sizes: dict[str, float] | None = None) -> tuple[Fault, ...]:
    """The faults of these names (all where None), at these sizes where given.

    Raises:
        UsageError: there is no fault of a name, or one that has no size is given one.
    """
    known = {fault.name: fault for fault in CATALOGUE}
    for name in (*(names or ()), *(sizes or {})):
        if name not in known:
            raise UsageError(f"there is no fault '{name}'; {choices(name, known)}")
    for name, size in (sizes or {}).items():
        if known[name].size is None:
            raise UsageError(f"fault '{name}' has no size, so it cannot be {size:g}")
        known[name] = replace(known[name], size=size)
    return tuple(known[name] for name in (dict.fromkeys(names) if names is not None else known))
