"""mdprotocol new protocol|plugin NAME: a small working example to start from."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mdprotocol.errors import UsageError

PROTOCOL = """\
# A protocol: what the force field must do, written down before it is tried. `mdprotocol check` explains the plan.
mdprotocol: 1
name: {name}
seed: 1
# Runs this short check the installation: below 5 ps (least_length_ps) nothing is recommended, whatever the verdict.
models:
  candidate: {{type: ase, calculator: "tblite.ase:TBLite", arguments: {{verbosity: 0}}}}
reference: {{type: tblite}}
systems:
  water: {{type: builtin, name: water}}
simulations:
  nve:
    integrator: {{type: velocity_verlet}}
    timestep_fs: 0.5
    duration_ps: 0.5
    temperatures_K: [300]
    replicas: 4
    equilibration: {{duration_ps: 0.2}}
criteria:
  no_crash: {{level: must, metric: stability.crashed, max: 0}}
  drift: {{level: must, metric: energy_drift.per_atom, units: meV/atom/ps, max: 5}}
  forces: {{level: must, metric: force_error.rmse, units: eV/Å, max: 0.2}}
"""

PLUGIN = '''\
"""A metric of your own. Try it: mdprotocol run PROTOCOL --plugin {name}.py"""

from typing import Literal

from mdprotocol.api import Metric, NotMeasurable, Quantity, hookimpl


class MaxSpeed(Metric):
    """Largest speed of any atom over the trajectory."""

    type: Literal["{name}"] = "{name}"
    quantities = {{"max": Quantity("Å/fs", "largest speed of any atom")}}
    needs = frozenset({{"velocity"}})

    def measure(self, run):
        if run.sizes["frame"] < 2:
            raise NotMeasurable("fewer than two frames")
        return {{"max": float(((run.velocity**2).sum("xyz") ** 0.5).max())}}


@hookimpl
def mdprotocol_metrics():
    return [MaxSpeed]
'''


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("new", help="start a protocol or a plugin", description=__doc__)
    parser.add_argument("what", choices=("protocol", "plugin"))
    parser.add_argument("name", metavar="NAME")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Write the example; never over a file that is there."""
    name = args.name.replace("-", "_")
    if not name.isidentifier():
        raise UsageError(f"'{args.name}' cannot be a name; use letters, digits and _")
    path, text = (Path(f"{name}.yaml"), PROTOCOL) if args.what == "protocol" else (Path(f"{name}.py"), PLUGIN)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text.format(name=name))
    except FileExistsError as error:
        raise UsageError(f"{path} exists already") from error
    print(path)
    return 0
