"""Planted faults: what can be wrong with a model, its dynamics or its evidence, with sizes that a protocol should see."""

from mdprotocol.api import Fault, hookimpl
from mdprotocol_plugins.faults import answers, bonds, evidence, landscapes, motion


@hookimpl
def mdprotocol_faults() -> list[type[Fault]]:
    return [
        answers.Forces1Percent,
        answers.Forces3Percent,
        answers.Forces10Percent,
        answers.NoisyForces,
        landscapes.Curl,
        landscapes.Oriented,
        landscapes.Jump,
        landscapes.Kink,
        landscapes.SharpNorm,
        landscapes.MissingWall,
        bonds.ShiftedBond,
        bonds.SofterAngle,
        answers.KcalPerMol,
        answers.Hartree,
        answers.ForcesPerBohr,
        answers.SwappedElement,
        answers.PermutedForces,
        answers.DriftingEnergy,
        landscapes.StalePairs,
        answers.HalfPrecision,
        bonds.WrongKernel,
        motion.HeavierHydrogen,
        motion.Euler,
        motion.WrongSign,
        motion.ThermostatLeftOn,
        motion.AseTimestep,
        motion.FrozenAtom,
        motion.NoVelocities,
        evidence.LostVariable,
        evidence.SkippedSimulation,
        evidence.OwnReference,
    ]
