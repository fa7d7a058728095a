"""Arithmetic of a PaiNN, counted from its sizes, against torch's own counter on the network itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from mdprotocol.testing import molecule_structure
from mdprotocol_plugins.models.painn.flops import PAIR_FIRST, PAIR_LATER, evaluation_flops
from mdprotocol_plugins.models.painn.model import PainnModel
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN, all_pairs

SIZES = Architecture(24, 3, 8, 20, 5.0, (1, 6, 8))
ETHANOL = molecule_structure("CH3CH2OH")
CHECKPOINTS = Path(__file__).parents[4] / "checkpoints"


def test_matrix_products_are_those_that_torch_counts():
    """All 36 pairs of ethanol are within the cutoff; torch counts matrix products only, so pairs' loops are taken off."""
    numbers, x = torch.from_numpy(ETHANOL.numbers), torch.from_numpy(ETHANOL.positions)
    network = PaiNN(SIZES).requires_grad_(False)
    with FlopCounterMode(display=False) as counter:
        network.energy_and_forces(numbers, x, all_pairs([9]), torch.zeros(9, dtype=torch.int64), 1)
    ours = evaluation_flops(SIZES, 9, 36, tabulated=False) - 36 * 24 * (PAIR_FIRST + 2 * PAIR_LATER)
    assert ours == pytest.approx(counter.get_total_flops(), rel=0.01)


def test_twice_the_molecules_is_twice_the_work():
    one, two = (evaluation_flops(SIZES, 9 * n, 36 * n, tabulated=True) for n in (1, 2))
    assert two == pytest.approx(2 * one)


def test_tables_save_the_filters():
    assert evaluation_flops(SIZES, 9, 36, True) < 0.7 * evaluation_flops(SIZES, 9, 36, False)


def test_the_model_counts_its_own_pairs():
    field = PainnModel(checkpoint="tiny.safetensors").load(CHECKPOINTS)
    sizes = field._card.architecture
    x = ETHANOL.positions
    near = int((np.linalg.norm(x[:, None] - x[None], axis=2)[np.triu_indices(9, 1)] < sizes.cutoff_A).sum())
    field.evaluate(ETHANOL)
    assert field.flops(ETHANOL) == evaluation_flops(sizes, 9, near, field.kernel == "fused")
    assert field.plain("float32").flops(ETHANOL) == evaluation_flops(sizes, 9, near, tabulated=False)
