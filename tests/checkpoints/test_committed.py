"""The checkpoints in the repository: each loads, fits its card, has its size, and reached its target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.data import covalent_radii
from ase.io import read
from ase.neighborlist import natural_cutoffs, neighbor_list
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from mdprotocol_plugins.models.painn.checkpoint import Card, load_checkpoint
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN, all_pairs, parameter_count

ROOT = Path(__file__).parents[2]
TARGETS = {"original": (427_292, 0.05), "tiny": (77_203, 0.10), "ultra_tiny": (21_459, 0.20)}
"""Parameters, and the force RMSE (eV/Å) that each must reach on unseen trajectories."""
TRAJECTORIES = [f"{m} md{t}" for m in ("water", "methane", "alanine") for t in (300, 500)]


def load(name: str) -> tuple[Card, PaiNN]:
    card, tensors = load_checkpoint(ROOT / "checkpoints" / f"{name}.safetensors")
    network = PaiNN(Architecture(**card.architecture.model_dump()))
    network.load_state_dict({key: torch.tensor(value) for key, value in tensors.items()})
    return card, network.double()


def read_geometry(name: str) -> Atoms:
    return read(ROOT / "plugins" / "systems" / "geometries" / f"{name}.xyz")


def centred(name: str) -> np.ndarray:
    atoms = read_geometry(name)
    return atoms.positions - atoms.get_center_of_mass()


def bonds(atoms: Atoms) -> list[tuple[int, int]]:
    i, j = neighbor_list("ij", atoms, natural_cutoffs(atoms, mult=1.2))
    return [(a, b) for a, b in zip(i.tolist(), j.tolist(), strict=True) if a < b]


def fragment(atoms: Atoms, i: int, j: int) -> list[int]:
    """Atoms on the side of j when the bond i-j is cut."""
    links = [pair for pair in bonds(atoms) if pair != (i, j)]
    matrix = coo_matrix(([1] * len(links), tuple(zip(*links, strict=True))), shape=(len(atoms),) * 2)
    _, label = connected_components(matrix, directed=False)
    return np.flatnonzero(label == label[j]).tolist()


def forces_at(network: PaiNN, name: str, positions: np.ndarray | None = None) -> torch.Tensor:
    atoms = read_geometry(name)
    n = len(atoms)
    x = torch.tensor(atoms.positions if positions is None else positions)
    numbers, molecule = torch.tensor(atoms.numbers), torch.zeros(n, dtype=torch.int64)
    return network.energy_and_forces(numbers, x, all_pairs([n]), molecule, 1)[1]


@pytest.mark.parametrize("name", TARGETS)
def test_size_is_within_one_percent(name):
    card, network = load(name)
    assert card.name == name
    assert card.parameters == parameter_count(network)
    assert card.parameters == pytest.approx(TARGETS[name][0], rel=0.01)


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("trajectory", TRAJECTORIES)
def test_the_card_reports_errors_within_the_target(name, trajectory):
    errors = load(name)[0].facts["test"][trajectory]
    assert errors["samples"] >= 50
    assert errors["force_rmse_eV_per_A"] <= TARGETS[name][1]


@pytest.mark.parametrize("name", TARGETS)
def test_the_card_says_how_it_was_made(name):
    facts = load(name)[0].facts
    assert facts["data"]["samples"] > 10_000
    assert {"scf", "force", "duplicate"} & facts["data"]["dropped"].keys()
    assert facts["seeds"].keys() == {"data", "training"}
    assert facts["held_out"]
    assert facts["versions"].keys() >= {"torch", "tblite"}


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("molecule", ["water", "methane", "alanine"])
def test_the_teachers_minimum_is_nearly_the_students(name, molecule):
    """These geometries are relaxed with the teacher, so what is left of the force is the student's error."""
    forces = forces_at(load(name)[1], molecule)
    assert float(forces.abs().max()) < 5 * TARGETS[name][1]


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("molecule", ["water", "methane", "alanine"])
@pytest.mark.parametrize("share", [0.5, 0.6, 0.7, 0.8, 0.9])
def test_a_squeezed_molecule_pushes_back(name, molecule, share):
    """At half to nine tenths of every distance the forces point outwards: the virial is positive."""
    network = load(name)[1]
    outward = share * centred(molecule)
    virial = float((forces_at(network, molecule, share * read_geometry(molecule).positions).numpy() * outward).sum())
    assert np.isfinite(virial)
    assert virial > 5.0


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("molecule", ["water", "methane", "alanine"])
def test_every_squeezed_bond_pushes_back(name, molecule):
    """Each bond at half to nine tenths of its length, one side moved as a whole: it is pushed apart, ever harder."""
    network, atoms = load(name)[1], read_geometry(molecule)
    for i, j in bonds(atoms):
        side = fragment(atoms, i, j)
        along = (atoms.positions[j] - atoms.positions[i]) / atoms.get_distance(i, j)
        push = []
        for share in (0.5, 0.6, 0.7, 0.8, 0.9):
            x = atoms.positions.copy()
            x[side] += (share - 1.0) * atoms.get_distance(i, j) * along
            push.append(float((forces_at(network, molecule, x).numpy()[side] @ along).sum()))
        assert push == sorted(push, reverse=True), f"bond {i}-{j}: {push}"
        assert push[-1] > 1.0


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("elements", [(a, b) for a in (1, 6, 7, 8) for b in (1, 6, 7, 8) if a <= b])
def test_two_atoms_alone_push_each_other_apart(name, elements):
    """At 0.4 to 0.7 of the sum of the covalent radii, though the student never saw a pair alone."""
    network = load(name)[1]
    bond = float(covalent_radii[list(elements)].sum())
    for share in (0.4, 0.5, 0.6, 0.7):
        x = torch.tensor([[0.0, 0.0, 0.0], [share * bond, 0.0, 0.0]], dtype=torch.float64)
        pair, molecule = torch.tensor([[0], [1]]), torch.zeros(2, dtype=torch.int64)
        forces = network.energy_and_forces(torch.tensor(elements), x, pair, molecule, 1)[1]
        assert float(forces[1, 0]) > 1.0
