"""One random generator per copy: a copy's noise depends on its seed alone, never on its neighbours in the batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from mdprotocol.contracts import RandomStreams

VELOCITIES, EQUILIBRATION, PRODUCTION = range(3)
"""Stages of a run; each has streams of its own, so that the length of one does not change the noise of the next."""

_ATOMS, _GAMMA, _NORMAL = range(3)


class Streams(RandomStreams):
    """Counter-based generators (Philox; Salmon et al., SC'11, doi:10.1145/2063384.2063405), seeded by the runs' seeds.

    Normal numbers are drawn in blocks of steps: a call costs one slice, however many copies there are. The numbers of a
    copy do not depend on the size of the block, because each stream serves one purpose.

    Args:
        seeds: one a copy.
        offsets: (B+1,) the atoms of copy b are offsets[b]:offsets[b+1].
        stage: `VELOCITIES`, `EQUILIBRATION` or `PRODUCTION`.
        block: calls drawn at once.
        device: where the numbers are wanted; they are drawn on the CPU, and sent there without waiting for it.
    """

    def __init__(
        self,
        seeds: Sequence[int],
        offsets: np.ndarray,
        stage: int = PRODUCTION,
        block: int = 32,
        device: str = "cpu",
    ) -> None:
        self._seeds, self._offsets, self._stage, self._block = tuple(seeds), offsets, stage, block
        self._device = device
        self._shape: tuple[torch.Tensor | None, list[float]] = (None, [])
        self._atoms: _Block | None = None
        self._normal: dict[int, _Block] = {}
        self._gamma: list[np.random.Generator] | None = None

    def normal_atoms(self) -> torch.Tensor:
        """(N, 3) standard normal numbers; the caller may change the tensor, and must use it before the next calls."""
        return (self._atoms or self._block_of("atoms")).next()

    def normal(self, count: int) -> torch.Tensor:
        """(B, count) standard normal numbers."""
        return self._block_of(f"normal.{count}").next()

    def gamma(self, shape: torch.Tensor) -> torch.Tensor:
        """(B,) numbers from Gamma(shape_b, 1); 0 where the shape is 0."""
        if self._gamma is None:
            self._gamma = self._generators(_GAMMA)
        if self._shape[0] is not shape:  # the same tensor again has the same numbers: a GPU is asked once
            self._shape = shape, shape.tolist()
        drawn = [generator.standard_gamma(k) for generator, k in zip(self._gamma, self._shape[1], strict=True)]
        return _sent(torch.tensor(drawn, dtype=torch.float64), self._device)

    # -------------------------------------------------------------------------------------------------- checkpoints

    def state(self) -> dict[str, np.ndarray]:
        """All that the next numbers depend on: generators, and what is left of the blocks drawn from them."""
        blocks = {} if self._atoms is None else {"atoms": self._atoms}
        blocks |= {f"normal.{count}": block for count, block in self._normal.items()}
        kept = {f"{name}.{part}": values for name, block in blocks.items() for part, values in block.state().items()}
        return kept if self._gamma is None else kept | {"gamma.generators": _packed(self._gamma)}

    def restore(self, kept: Mapping[str, np.ndarray]) -> None:
        """Go on from a `state` of streams with the same seeds, atoms, stage and block."""
        for key in kept:
            name, _, part = key.rpartition(".")
            if name == "gamma":
                self._gamma = self._generators(_GAMMA)
                _unpack(self._gamma, kept[key])
            elif part == "generators":
                self._block_of(name).restore(kept[key], kept[f"{name}.left"])

    def _block_of(self, name: str) -> _Block:
        if name == "atoms":
            self._atoms = self._atoms or _Block(self._generators(_ATOMS), self._offsets, 3, self._block, self._device)
            return self._atoms
        count = int(name.partition(".")[2])
        if count not in self._normal:
            each = np.arange(len(self._seeds) + 1)
            generators = self._generators(_NORMAL, count)
            self._normal[count] = _Block(generators, each, count, self._block, self._device)
        return self._normal[count]

    def _generators(self, *purpose: int) -> list[np.random.Generator]:
        key = (self._stage, *purpose)
        return [np.random.Generator(np.random.Philox(np.random.SeedSequence(s, spawn_key=key))) for s in self._seeds]


class _Block:
    """Standard normal numbers of all copies for the next steps; copy b fills the rows offsets[b]:offsets[b+1]."""

    def __init__(
        self, generators: list[np.random.Generator], offsets: np.ndarray, width: int, steps: int, device: str
    ) -> None:
        self._generators, self._offsets, self._device = generators, offsets, device
        self._numbers = np.empty((steps, int(offsets[-1]), width))
        self._rows = torch.from_numpy(self._numbers)
        self._next = steps

    def next(self) -> torch.Tensor:
        if self._next == len(self._numbers):
            self._fill()
        row = self._rows[self._next]
        self._next += 1
        return row

    def _fill(self) -> None:
        steps, _, width = self._numbers.shape
        for generator, first, last in zip(self._generators, self._offsets[:-1], self._offsets[1:], strict=True):
            self._numbers[:, first:last] = generator.standard_normal((steps, last - first, width))
        self._rows, self._next = _sent(torch.from_numpy(self._numbers), self._device), 0

    def state(self) -> dict[str, np.ndarray]:
        """The generators, which stand behind this block, and the rows that are left of it."""
        return {"generators": _packed(self._generators), "left": self._numbers[self._next :]}

    def restore(self, generators: np.ndarray, left: np.ndarray) -> None:
        _unpack(self._generators, generators)
        self._next = len(self._numbers) - len(left)
        self._numbers[self._next :] = left
        self._rows = _sent(torch.from_numpy(self._numbers), self._device)


def _sent(numbers: torch.Tensor, device: str) -> torch.Tensor:
    """The numbers on a device, by way of memory that it can read while the CPU goes on; themselves where that is the CPU."""
    return numbers if device == "cpu" else numbers.pin_memory().to(device, non_blocking=True)


_WORDS = ("counter", "key", "buffer")
_NUMBERS = ("buffer_pos", "has_uint32", "uinteger")


def _packed(generators: Sequence[np.random.Generator]) -> np.ndarray:
    """(B, 13) uint64: the whole state of each Philox generator."""
    return np.array([_words(generator.bit_generator.state) for generator in generators], dtype=np.uint64)


def _words(state: Mapping[str, Any]) -> list[int]:
    inner = state["state"] | {"buffer": state["buffer"]}
    return [int(word) for name in _WORDS for word in inner[name]] + [int(state[name]) for name in _NUMBERS]


def _unpack(generators: Sequence[np.random.Generator], packed: np.ndarray) -> None:
    for generator, words in zip(generators, packed, strict=True):
        generator.bit_generator.state = {
            "bit_generator": "Philox",
            "state": {"counter": words[:4].copy(), "key": words[4:6].copy()},
            "buffer": words[6:10].copy(),
            **{name: int(word) for name, word in zip(_NUMBERS, words[10:], strict=True)},
        }
