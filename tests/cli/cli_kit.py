"""What tests of the command line share: a protocol of a plugin's own components."""

from __future__ import annotations

from typing import Any


def protocol_of(component: str, integrator: str = "velocity_verlet") -> dict[str, Any]:
    """One model on one system for ten steps, both of this `type`; nothing ends a run but a crash."""
    return {
        "mdprotocol": 1,
        "name": component,
        "models": {"sound": {"type": component}},
        "systems": {"water": {"type": component}},
        "simulations": {
            "nve": {
                "integrator": {"type": integrator},
                "timestep_fs": 0.5,
                "duration_ps": 0.005,
                "record_every_fs": 1,
                "temperatures_K": [300],
                "replicas": 1,
                "guards": {"bond_stretch": None, "new_bond": None, "max_temperature_factor": 1e6},
            }
        },
        "criteria": {"no_crash": {"level": "must", "metric": "stability.crashed", "max": 0}},
        "reports": [{"type": "json"}],
        "executor": {"type": "serial"},
    }
