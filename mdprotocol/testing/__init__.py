"""The kit for tests of plugins: structures, datasets, analytic force fields, and checks that any plugin should pass.

from mdprotocol.testing import make_run, check_metric
from mdprotocol.testing.analytic import LennardJones        # needs torch
from mdprotocol.testing.checks import check_force_field     # needs torch
from mdprotocol.testing.subjects import make_subject         # needs torch
"""

from mdprotocol.testing.datasets import dataset_of, make_run
from mdprotocol.testing.metrics import check_metric
from mdprotocol.testing.structures import from_atoms, make_structure, molecule_structure, rattled

__all__ = [
    "check_metric",
    "dataset_of",
    "from_atoms",
    "make_run",
    "make_structure",
    "molecule_structure",
    "rattled",
]
