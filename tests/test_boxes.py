"""A box is followed where it changes, and costs nothing where it stays."""

import numpy as np
import pytest
import torch

from mdprotocol.boxes import Box
from mdprotocol.contracts import Evaluation, Topology
from mdprotocol.testing.structures import make_structure, molecule_structure

ARGON = make_structure([18, 18], [[0, 0, 0], [3.8, 0, 0]], cell=[8.0, 8.0, 8.0])
WIDE = 9.0 * np.eye(3)[None]


def test_the_same_cells_are_no_change_and_the_same_tensor_is_not_looked_into() -> None:
    box = Box(Topology.of([ARGON]))
    cells = torch.from_numpy(ARGON.cell[None].copy())
    assert not box.follow(cells)
    cells.numpy()[:] = np.nan  # not seen: nothing is read of a tensor that torch has not written to
    assert not box.follow(cells)


def test_other_cells_are_a_change_once_also_where_they_are_written_in_place() -> None:
    box = Box(Topology.of([ARGON]))
    cells = torch.from_numpy(WIDE.copy())
    assert [box.follow(cells), box.follow(cells), box.follow(cells.clone())] == [True, False, False]
    cells.mul_(1.1)
    assert box.follow(cells)
    np.testing.assert_allclose(box.cells, 1.1 * WIDE)


def test_the_cell_of_an_open_copy_means_nothing() -> None:
    box = Box(Topology.of([molecule_structure("H2O"), ARGON]))
    cells = torch.from_numpy(np.stack([5.0 * np.eye(3), ARGON.cell]))
    assert not box.follow(cells)
    assert not box.broken


def test_a_broken_cell_is_no_answer_of_its_copy_alone() -> None:
    topology = Topology.of([ARGON, ARGON, ARGON])
    box, cells = Box(topology), torch.from_numpy(topology.cells.copy())
    cells[0, 0, 0], cells[1, 1] = torch.nan, cells[1, 0].clone()
    assert box.follow(cells)
    np.testing.assert_array_equal(box.cells, topology.cells)  # the last that was sound
    found = box.checked(Evaluation(torch.zeros(3), torch.zeros(6, 3)))
    assert found.energy.isnan().tolist() == [True, True, False]
    assert found.forces.isnan().all(dim=1).tolist() == [True] * 4 + [False] * 2
    assert found.errors == {0: "its cell is not finite", 1: "its cell vectors do not span a cell"}
    assert not box.follow(cells)
    assert box.follow(torch.from_numpy(topology.cells))
    assert not box.broken


def test_cells_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3\); prepared for \(1, 3, 3\)"):
        Box(Topology.of([ARGON])).follow(torch.zeros(2, 3, 3))
