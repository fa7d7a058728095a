"""Seeds: one for every run, from what the run is and never from the order in which runs are made."""

from __future__ import annotations

import hashlib
import json

BITS = 63


def run_seed(protocol_seed: int, system: str, simulation: str, temperature_K: float, replica: int) -> int:
    """Seed of a run, below 2⁶³.

    The model does not enter, so that all models and the reference start from equal velocities and see equal noise;
    neither does the time step (`simulation` is the name before a list of time steps is expanded).
    """
    return _hashed("run", protocol_seed, system, simulation, float(temperature_K), replica)


def probe_seed(protocol_seed: int, system: str, metric: str) -> int:
    """Seed of a probe, below 2⁶³; equal for all models."""
    return _hashed("probe", protocol_seed, system, metric)


def _hashed(*parts: str | int | float) -> int:
    digest = hashlib.sha256(json.dumps(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> (64 - BITS)
