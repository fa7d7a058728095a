"""Subjects that move: a harmonic water with the protocol's dynamics, sound or with a planted flaw."""

from __future__ import annotations

from mdprotocol.contracts import Dynamics, ForceField, Integrator, ModelFault, MotionFault, Structure, Subject
from mdprotocol.faults.wrapping import FaultyForceField, FaultyIntegrator
from mdprotocol.testing.analytic import HarmonicBonds
from mdprotocol.testing.structures import molecule_structure
from mdprotocol.testing.subjects import make_subject
from mdprotocol_plugins.integrators.velocity_verlet import VelocityVerlet


def faulty(fault: MotionFault) -> Integrator:
    """Velocity Verlet with this fault."""
    return FaultyIntegrator(sound=VelocityVerlet(), fault=fault)


def moving(
    integrator: Integrator | None = None,
    flaw: ModelFault | None = None,
    *,
    structure: Structure | None = None,
    force_field: ForceField | None = None,
    timestep_fs: float = 0.5,
    temperatures_K: tuple[float, ...] = (300.0,),
    seed: int = 3,
) -> Subject:
    """A subject with one simulation; water with springs between all atoms (its fastest period is about 10 fs)."""
    structure = structure or molecule_structure("H2O")
    sound = force_field or HarmonicBonds(structure, stiffness=45.0)
    dynamics = Dynamics("nve", integrator or VelocityVerlet(), timestep_fs, temperatures_K)
    model = FaultyForceField(sound, flaw) if flaw else sound
    return make_subject(model, structure, seed=seed, dynamics=(dynamics,))
