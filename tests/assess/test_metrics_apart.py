"""What a metric writes into a variable that it never said it needs: nobody else sees it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from mdprotocol.assess.measuring import _guarded
from mdprotocol.contracts import Metric, Quantity
from mdprotocol.store import ResultsFolder
from mdprotocol.testing.datasets import make_run


class Undeclared(Metric):
    """It needs nothing, as it says."""

    type: Literal["undeclared"] = "undeclared"
    quantities = {"x": Quantity("1", "x")}

    def measure(self, run):
        return {"x": 1.0}


def _item(run):
    run["position"][1] = 0.0


def _place(run):
    run["position"].loc[{"frame": 2}] = 0.0


def _variable(run):
    run.variables["position"][3] = 0.0


def _values(run):
    run["position"].values[4] = 0.0


@pytest.mark.parametrize("write", [_item, _place, _variable, _values])
def test_it_writes_for_itself_alone(tmp_path: Path, write) -> None:
    folder = ResultsFolder(tmp_path)
    folder.write_dataset("runs/a.nc", make_run(frames=5))
    with folder.open("runs/a.nc") as stored, folder.open("runs/a.nc") as untouched:
        mine = _guarded(Undeclared(), stored)
        write(mine)
        assert not np.array_equal(mine["position"].values, untouched["position"].values)
        assert np.array_equal(_guarded(Undeclared(), stored)["position"].values, untouched["position"].values)
        assert np.array_equal(stored["position"].values, untouched["position"].values)
