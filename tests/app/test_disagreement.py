"""A protocol of other data than a folder holds is neither run into it nor judged by it; judging changes criteria only."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from app_kit import PROTOCOL, Gate

from mdprotocol.app import report, stored
from mdprotocol.errors import UsageError
from mdprotocol.verdicts import Decision

OTHERS: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "model": {"models": {"m": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}}},
    "option of a model": {"models": {"m": {**PROTOCOL["models"]["m"], "arguments": {"asap_cutoff": True}}}},
    "system": {"systems": {"copper": {"type": "bulk", "name": "Al", "cubic": True}}},
    "every model": {"models": {"another": {"type": "ase", "calculator": "ase.calculators.lj:LennardJones"}}},
}


@pytest.mark.parametrize("other", OTHERS)
def test_a_folder_of_another_protocol_is_not_written_into(ran: Gate, other: str) -> None:
    before = ran.snapshot()
    with pytest.raises(UsageError, match=r"holds the results of another protocol .* → .*--fresh"):
        ran.run(path=ran.write("bad.yaml", **OTHERS[other]))
    assert ran.snapshot() == before


DATA = {
    "models.m.calculator=ase.calculators.lj:LennardJones": "models.m.calculator: ase.calculators.emt:EMT → ase.calc",
    "models.m.data_files=[]": "models.m.data_files",
    "systems.copper.name=Al": "systems.copper.name: Cu → Al",
    "seed=4": "seed: 3 → 4",
    "name=other": "name: gate → other",
    "simulations.nve.duration_ps=0.01": r"simulations.nve.duration_ps: 0.1 → 0.01",
    "simulations.nve.replicas=1": "simulations.nve.replicas: 2 → 1",
    "simulations.nve.guards.bond_stretch=null": r"simulations.nve.guards.bond_stretch: 1.8 → nothing",
}


@pytest.mark.parametrize("change", DATA)
def test_judging_changes_no_data(ran: Gate, change: str) -> None:
    before = ran.snapshot()
    for call in (
        lambda: ran.judge(change),
        lambda: report(ran.results, stored(ran.results, (change,))),
    ):
        with pytest.raises(UsageError, match=DATA[change]):
            call()
    assert ran.snapshot() == before


def test_another_protocol_is_judged_by_only_where_its_data_is_the_same(ran: Gate) -> None:
    """The same content under another path is the same; whoever names another model is refused."""
    elsewhere = ran.folder / "elsewhere"
    elsewhere.mkdir()
    shutil.copy(ran.folder / "weights.txt", elsewhere / "w.txt")
    model = {**PROTOCOL["models"]["m"], "data_files": ["w.txt"]}
    same = ran.write("elsewhere/same.yaml", models={"m": model})
    assert ran.judge(path=same).verdicts[0].decision is Decision.APPROVED
    (elsewhere / "w.txt").write_text("bad")
    with pytest.raises(UsageError, match="holds the data of another protocol"):
        ran.judge(path=same)


def test_a_protocol_edited_by_hand_is_refused(ran: Gate) -> None:
    path = ran.results / "protocol.yaml"
    path.write_text(path.read_text().replace("emt:EMT", "lj:LennardJones"))
    with pytest.raises(UsageError, match=r"models\.m\.calculator"):
        ran.judge()
