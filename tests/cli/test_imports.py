"""A command waits for what it needs, not for what others need: heavy libraries are imported where they are used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEVER = {"matplotlib", "torch", "numba"}
COMMAND = (
    "import sys; from mdprotocol.cli import main\n"
    "try:\n"
    "    code = main(sys.argv[1:])\n"
    "except SystemExit as error:\n"
    "    code = error.code\n"
    "assert code == 0, code\n"
    "print('imported:', *sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    "print('statistics:', 'scipy.stats' in sys.modules, file=sys.stderr)\n"
)


def imported(*arguments: str) -> tuple[set[str], bool]:
    """Packages that a command has imported at its end, and whether SciPy's statistics are among them."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    first, second = done.stderr.splitlines()[-2:]
    return set(first.split()[1:]), second.endswith("True")


def test_help_imports_no_numerics() -> None:
    found, _ = imported("--help")
    assert not found & (NEVER | {"scipy", "ase", "xarray", "netCDF4", "numpy", "pydantic"})


@pytest.mark.parametrize("arguments", [("check", "protocols/smoke.yaml"), ("plugins",), ("schema",)])
def test_what_computes_nothing_imports_nothing_that_computes(arguments: tuple[str, ...]) -> None:
    found, statistics = imported(*arguments)
    assert not found & NEVER
    assert not statistics  # ASE's readers and neighbour lists bring other parts of SciPy with them
