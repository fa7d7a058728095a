"""Replicas of a condition: those that its simulation plans, and those that were added after a look at the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mdprotocol.protocol.schema import REFERENCE, Addition


def replicas_of(
    planned: int, additions: Sequence[Addition], model: str, system: str, temperature_K: float, timestep_fs: float
) -> Iterator[tuple[int, int]]:
    """Index and stage of each replica: 0 for those planned, k for those that the k-th addition brings.

    Args:
        planned: number of replicas that the simulation plans itself.
    """
    yield from ((replica, 0) for replica in range(planned))
    have = planned
    for stage, addition in enumerate(additions, 1):
        if _concerns(addition, model, system, temperature_K, timestep_fs):
            yield from ((replica, stage) for replica in range(have, addition.replicas))
            have = max(have, addition.replicas)


def _concerns(addition: Addition, model: str, system: str, temperature_K: float, timestep_fs: float) -> bool:
    return (
        (addition.models is None or model in addition.models or model == REFERENCE)
        and (addition.systems is None or system in addition.systems)
        and (addition.temperatures_K is None or temperature_K in addition.temperatures_K)
        and (addition.timesteps_fs is None or timestep_fs in addition.timesteps_fs)
    )
