"""Metrics: numbers from trajectories, from pairs of trajectories, and from short probes of the model itself."""

from mdprotocol.api import Metric, hookimpl
from mdprotocol_plugins.faults import mdprotocol_faults  # noqa: F401 - until it is an entry point of its own
from mdprotocol_plugins.metrics.angles import Angles
from mdprotocol_plugins.metrics.beyond_elements import BeyondElements
from mdprotocol_plugins.metrics.bond_lengths import BondLengths
from mdprotocol_plugins.metrics.dihedrals import Dihedrals
from mdprotocol_plugins.metrics.distance_distribution import DistanceDistribution
from mdprotocol_plugins.metrics.energy_drift import EnergyDrift
from mdprotocol_plugins.metrics.energy_error import EnergyError
from mdprotocol_plugins.metrics.energy_fluctuation import EnergyFluctuation
from mdprotocol_plugins.metrics.ensemble import Ensemble
from mdprotocol_plugins.metrics.equipartition import Equipartition
from mdprotocol_plugins.metrics.force_consistency import ForceConsistency
from mdprotocol_plugins.metrics.force_error import ForceError
from mdprotocol_plugins.metrics.frequencies import Frequencies
from mdprotocol_plugins.metrics.inference_time import InferenceTime
from mdprotocol_plugins.metrics.kernel_error import KernelError
from mdprotocol_plugins.metrics.kinematics import Kinematics
from mdprotocol_plugins.metrics.kinetic_energy_distribution import KineticEnergyDistribution
from mdprotocol_plugins.metrics.masses import Masses
from mdprotocol_plugins.metrics.momentum import Momentum
from mdprotocol_plugins.metrics.rdf import RDF
from mdprotocol_plugins.metrics.resources import Resources
from mdprotocol_plugins.metrics.reversibility import Reversibility
from mdprotocol_plugins.metrics.short_range_wall import ShortRangeWall
from mdprotocol_plugins.metrics.size_consistency import SizeConsistency
from mdprotocol_plugins.metrics.smoothness import Smoothness
from mdprotocol_plugins.metrics.stability import Stability
from mdprotocol_plugins.metrics.stress import Stress
from mdprotocol_plugins.metrics.survival import Survival
from mdprotocol_plugins.metrics.symmetry import Symmetry
from mdprotocol_plugins.metrics.temperature import Temperature
from mdprotocol_plugins.metrics.timestep_convergence import TimestepConvergence
from mdprotocol_plugins.metrics.trajectory_divergence import TrajectoryDivergence
from mdprotocol_plugins.metrics.usable_timestep import UsableTimestep
from mdprotocol_plugins.metrics.vibrational_spectrum import VibrationalSpectrum


@hookimpl
def mdprotocol_metrics() -> list[type[Metric]]:
    return [
        Stability,
        EnergyDrift,
        EnergyFluctuation,
        Temperature,
        ForceError,
        EnergyError,
        ForceConsistency,
        Symmetry,
        Smoothness,
        ShortRangeWall,
        SizeConsistency,
        BeyondElements,
        InferenceTime,
        KernelError,
        Resources,
        BondLengths,
        VibrationalSpectrum,
        RDF,
        DistanceDistribution,
        Frequencies,
        Ensemble,
        TrajectoryDivergence,
        Angles,
        Dihedrals,
        TimestepConvergence,
        Reversibility,
        Kinematics,
        Momentum,
        Equipartition,
        Masses,
        KineticEnergyDistribution,
        Survival,
        UsableTimestep,
        Stress,
    ]
