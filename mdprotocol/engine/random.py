"""One random generator per copy: a copy's noise depends on its seed alone, never on its neighbours in the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from mdprotocol.components import RandomStreams


class Streams(RandomStreams):
    """Counter-based generators (Philox; Salmon et al., SC'11), one a copy, seeded by the runs' seeds."""

    def __init__(self, seeds: Sequence[int], offsets: np.ndarray) -> None:
        self._generators = [np.random.Generator(np.random.Philox(seed)) for seed in seeds]
        self._offsets = offsets
        self._atoms = np.empty((int(offsets[-1]), 3))

    def normal_atoms(self) -> torch.Tensor:
        for generator, first, last in zip(self._generators, self._offsets[:-1], self._offsets[1:], strict=True):
            generator.standard_normal(out=self._atoms[first:last])
        return torch.from_numpy(self._atoms.copy())

    def normal(self, count: int) -> torch.Tensor:
        return torch.from_numpy(np.stack([generator.standard_normal(count) for generator in self._generators]))

    def gamma(self, shape: torch.Tensor) -> torch.Tensor:
        draws = [g.standard_gamma(float(s)) for g, s in zip(self._generators, shape, strict=True)]
        return torch.tensor(draws, dtype=torch.float64)
