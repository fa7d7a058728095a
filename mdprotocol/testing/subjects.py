"""A subject for tests of probes, with an engine behind it. Needs torch."""

from __future__ import annotations

import functools

from mdprotocol.contracts import Dynamics, ForceField, Structure, Subject
from mdprotocol.engine.propagate import propagate


def make_subject(
    force_field: ForceField,
    structure: Structure,
    *,
    seed: int = 1,
    batch_sizes: tuple[int, ...] = (1,),
    reference: ForceField | None = None,
    dynamics: tuple[Dynamics, ...] = (),
) -> Subject:
    """What a probe is given in a run of the program."""
    move = functools.partial(propagate, force_field, structure)
    return Subject(force_field, structure, seed, batch_sizes, reference, dynamics, move)
