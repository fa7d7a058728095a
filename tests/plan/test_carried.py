"""What a structure carries and a run does not honour is refused or said, never passed over."""

import dataclasses

import numpy as np

from mdprotocol.contracts import Structure
from mdprotocol.plan.carried import check_carried
from mdprotocol.plan.findings import Findings
from mdprotocol.plan.identity import structure_facts
from mdprotocol.testing.structures import molecule_structure

WATER, OXYGEN = molecule_structure("H2O"), molecule_structure("O2")


def found(structure: Structure) -> Findings:
    findings = Findings()
    check_carried("mine", structure, findings)
    return findings


def test_fixed_atoms_are_refused() -> None:
    (problem,) = found(dataclasses.replace(WATER, fixed=np.array([True, False, True]))).problems
    assert "systems.mine: 2 of its 3 atoms are fixed (0, 2, from 0); every run moves all atoms" in str(problem)


def test_what_is_left_out_of_account_is_a_warning() -> None:
    given = dataclasses.replace(
        OXYGEN, velocities=np.full((2, 3), 0.01), magnetic_moments=np.array([1.0, 1.0]), multiplicity=3
    )
    findings = found(given)
    assert findings.problems == []
    assert [warning.partition(" ")[2].split(" ")[:2] for warning in findings.warnings] == [
        ["its", "velocities"], ["its", "magnetic"], ["its", "multiplicity"],
    ]  # fmt: skip


def test_a_plain_structure_and_the_lowest_spin_are_no_news() -> None:
    assert found(WATER) == Findings()
    assert found(dataclasses.replace(WATER, multiplicity=1, fixed=np.zeros(3, dtype=bool))) == Findings()


def test_the_identity_of_a_structure_that_carries_nothing_has_no_new_parts() -> None:
    plain = structure_facts(WATER)
    assert set(plain) == {"numbers", "positions_A", "masses_amu", "cell_A", "pbc", "charge"}
    given = structure_facts(dataclasses.replace(WATER, velocities=np.zeros((3, 3)), multiplicity=1))
    assert {name: given[name] for name in plain} == plain
    assert set(given) - set(plain) == {"velocities_A_fs", "multiplicity"}
