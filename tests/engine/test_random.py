"""Random streams: distributions, repeatability, independence of neighbours, stages and the size of the block."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from mdprotocol.engine.random import EQUILIBRATION, PRODUCTION, Streams

OFFSETS = np.array([0, 2, 5, 6])


def atoms(seeds: list[int], offsets: np.ndarray = OFFSETS, calls: int = 7, **options: int) -> np.ndarray:
    streams = Streams(seeds, offsets, **options)
    return np.stack([streams.normal_atoms().numpy().copy() for _ in range(calls)])


def test_the_same_seed_gives_the_same_numbers_and_others_differ() -> None:
    np.testing.assert_array_equal(atoms([1, 2, 3]), atoms([1, 2, 3]))
    assert not np.array_equal(atoms([1, 2, 3]), atoms([1, 2, 4]))
    assert not np.array_equal(atoms([1, 2, 3], stage=EQUILIBRATION), atoms([1, 2, 3], stage=PRODUCTION))


def test_a_copy_does_not_depend_on_its_neighbours() -> None:
    alone = atoms([2], np.array([0, 3]))
    np.testing.assert_array_equal(atoms([1, 2, 3])[:, 2:5], alone)


def test_the_size_of_the_block_changes_nothing() -> None:
    np.testing.assert_array_equal(atoms([1, 2, 3], block=1), atoms([1, 2, 3], block=5))


def test_kinds_of_numbers_do_not_disturb_each_other() -> None:
    plain, mixed = Streams([1, 2, 3], OFFSETS), Streams([1, 2, 3], OFFSETS)
    for _ in range(5):
        mixed.normal(2)
        mixed.gamma(torch.tensor([0.5, 1.0, 2.0]))
        assert torch.equal(plain.normal_atoms(), mixed.normal_atoms())


def test_equal_seeds_of_different_purpose_are_not_the_same_numbers() -> None:
    streams = Streams([5], np.array([0, 1]))
    assert not torch.equal(streams.normal_atoms()[0], streams.normal(3)[0])


def test_large_seeds() -> None:
    assert np.isfinite(atoms([2**63 - 1, 0, 2**100])).all()


def test_normal_numbers_are_normal() -> None:
    numbers = atoms([1, 2, 3], calls=600)
    assert stats.kstest(numbers.ravel(), "norm").pvalue > 1e-3
    flat = numbers.reshape(600, -1)
    assert np.abs(np.corrcoef(flat.T) - np.eye(flat.shape[1])).max() < 5 / 600**0.5
    assert abs(np.corrcoef(flat[1:, 0], flat[:-1, 0])[0, 1]) < 5 / 600**0.5


@pytest.mark.parametrize("shape", [0.5, 1.0, 4.5])
def test_gamma_numbers_are_gamma(shape: float) -> None:
    streams = Streams([1, 2, 3], OFFSETS)
    wanted = torch.full((3,), shape, dtype=torch.float64)
    numbers = np.concatenate([streams.gamma(wanted).numpy() for _ in range(600)])
    assert stats.kstest(numbers, "gamma", args=(shape,)).pvalue > 1e-3


def test_gamma_of_nothing_is_zero() -> None:
    assert Streams([1], np.array([0, 1])).gamma(torch.zeros(1)).tolist() == [0.0]
