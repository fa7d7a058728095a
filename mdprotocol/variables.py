"""Every variable of a run's dataset: its name, dims, units and meaning, in one table. Nothing else names a variable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Variable:
    """A dataset variable: dims as in the file of one run, units as written into `attrs["units"]`."""

    name: str
    dims: tuple[str, ...]
    units: str
    long_name: str


_FRAME_ATOM = ("frame", "atom", "xyz")
_SAMPLE_ATOM = ("sample", "atom", "xyz")
_PLAIN_ATOM = ("plain", "atom", "xyz")

RUN_VARIABLES: dict[str, Variable] = {
    v.name: v
    for v in (
        Variable("time", ("frame",), "fs", "time since the start of production"),
        Variable("position", _FRAME_ATOM, "Å", "position"),
        Variable("velocity", _FRAME_ATOM, "Å/fs", "velocity"),
        Variable("force", _FRAME_ATOM, "eV/Å", "force of the model"),
        Variable("potential_energy", ("frame",), "eV", "potential energy of the model"),
        Variable("kinetic_energy", ("frame",), "eV", "kinetic energy"),
        Variable("total_energy", ("frame",), "eV", "potential plus kinetic energy"),
        Variable("conserved_energy", ("frame",), "eV", "the quantity that the integrator conserves"),
        Variable("temperature", ("frame",), "K", "kinetic temperature, 2K/(dof kB)"),
        Variable("sample_frame", ("sample",), "1", "index of the frame that was given to the reference"),
        Variable("reference_force", _SAMPLE_ATOM, "eV/Å", "force of the reference at the frame's positions"),
        Variable("reference_energy", ("sample",), "eV", "energy of the reference at the frame's positions"),
        Variable("plain_frame", ("plain",), "1", "index of the frame that the plain float64 model evaluated again"),
        Variable("plain_force", _PLAIN_ATOM, "eV/Å", "force of the model in plain float64 at the frame's positions"),
        Variable("plain_energy", ("plain",), "eV", "energy of the model in plain float64 at the frame's positions"),
        Variable("atomic_number", ("atom",), "1", "atomic number"),
        Variable("mass", ("atom",), "amu", "mass of the atom"),
        Variable("initial_position", ("atom", "xyz"), "Å", "geometry of the system before equilibration"),
        Variable("cell", ("vector", "xyz"), "Å", "cell vectors (rows); zero for an open system"),
        Variable("pbc", ("vector",), "1", "1 where periodic along the cell vector"),
    )
}
"""Reference variables use their own dim `sample`, so that no frame without a label carries NaN; `sample_frame` aligns.
So do those of the plain model with `plain` and `plain_frame`; a model without a plainer form has none of them."""

RUN_COORDS = ("time", "atomic_number", "mass")

RUN_ATTRS: dict[str, str] = {
    "model": "name of the model in the protocol",
    "system": "name of the system",
    "simulation": "name of the simulation after expansion",
    "temperature_K": "target temperature, K",
    "replica": "index of the replica, from 0",
    "seed": "seed of this run's random generator",
    "timestep_fs": "time step, fs",
    "duration_ps": "planned length of production, ps",
    "degrees_of_freedom": "3N minus the constraints that the integrator keeps",
    "integrator": "the integrator and its options, JSON",
    "settings": "the run's resolved settings, JSON",
    "identity": "SHA-256 over everything that determines the run",
    "model_digest": "SHA-256 over what the model is made from: files, code, versions, options",
    "outcome": "completed or failed",
    "failure_kind": "nan, runaway_temperature, broken_bond, new_bond, model_error, ...; empty when completed",
    "failure_step": "step of production at which the run failed (-1 when completed; negative steps: equilibration)",
    "failure_time_fs": "the same as a time in fs",
    "failure_detail": "one sentence with the numbers",
    "kernel": "what evaluated the model (torch, fused, ase, ...)",
    "reference_failures": "frames that the reference could not label; absent where it was asked about none",
    "reference_failure_detail": "the first reason",
    "plain_failures": "frames that the plain float64 model did not answer; absent where a model has no plainer form",
    "plain_failure_detail": "the first reason",
}
