"""CUDA graphs: what a GPU is asked to do for a batch is recorded once, and from then on asked for in one go.

A small molecule's network is hundreds of short kernels; launching them one by one takes longer than running them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Compute = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
"""Positions (N, 3) -> energies (M,) and forces (N, 3), on one device, without asking anything of it on the way."""
WARM_UP = 3
"""Calls before the recording: libraries choose their algorithms and take their memory in the first ones."""
TOLERANCE_EV_A = 1e-3
"""A replay is the same kernels on the same numbers; where sums are atomic their order, and the last bits, may differ."""


def recorded(compute: Compute, positions: torch.Tensor) -> Compute:
    """`compute` as a CUDA graph for positions of this shape, checked against itself at these.

    Raises:
        RuntimeError: it cannot be recorded (something on the way waits for the GPU), or a replay answers otherwise.
    """
    where = positions.detach().clone()
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP):
            energy, forces = compute(where)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        energy, forces = compute(where)

    def replay(positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        where.copy_(positions)
        graph.replay()
        return energy.clone(), forces.clone()  # the next replay writes into the same memory

    _compare(compute(positions), replay(positions))
    return replay


def _compare(eager: tuple[torch.Tensor, torch.Tensor], replayed: tuple[torch.Tensor, torch.Tensor]) -> None:
    (_, forces), (_, again) = eager, replayed
    sound = torch.isfinite(forces).all(dim=1)
    worst = float((again - forces)[sound].abs().max()) if bool(sound.any()) else 0.0
    if not worst < TOLERANCE_EV_A * max(1.0, float(forces[sound].abs().max()) if bool(sound.any()) else 1.0):
        raise RuntimeError(f"its forces differ by {worst:.2g} eV/Å from those of the same network without it")
