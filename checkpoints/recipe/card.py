"""Between networks and checkpoint files: what the card of a student says, and a student read back."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import time
from pathlib import Path
from typing import Any

import torch

from mdprotocol_plugins.models.painn.checkpoint import ArchitectureCard, Card, load_checkpoint, save_checkpoint
from mdprotocol_plugins.models.painn.network import Architecture, PaiNN
from recipe import testing, training
from recipe.batches import Data
from recipe.labels import METHOD

PROGRAMS = ("torch", "tblite", "numpy", "ase")


def tests(network: PaiNN, folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Errors on unseen trajectories (`test`) and on molecules never seen (`held_out`)."""
    return {name: testing.errors(network, Data(folder / f"{name}.npz")) for name in ("test", "held_out")}


def facts(
    network: PaiNN,
    data: Data,
    folder: Path,
    settings: training.Settings,
    curve: list[dict[str, float]],
    seed: int,
    scale: float,
) -> dict[str, Any]:
    """Everything the card says beside the architecture."""
    return {
        "teacher": METHOD,
        "seeds": {"data": seed, "training": settings.seed},
        "data": testing.counts(data) | {"scale": scale},
        "training": training.as_dict(settings),
        "curve_end": curve[-5:],
        **tests(network, folder),
        "versions": {name: importlib.metadata.version(name) for name in PROGRAMS},
        "created": time.strftime("%Y-%m-%d", time.gmtime()),
    }


def write(checkpoint: Path, student: str, network: PaiNN, known: dict[str, Any]) -> Card:
    """Weights and card of a student."""
    architecture = ArchitectureCard(**dataclasses.asdict(network.architecture))
    tensors = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    return save_checkpoint(checkpoint, student, architecture, tensors, known)


def read(checkpoint: Path) -> tuple[Card, PaiNN]:
    """A student from its files, float32."""
    card, tensors = load_checkpoint(checkpoint)
    network = PaiNN(Architecture(**card.architecture.model_dump()))
    network.load_state_dict({name: torch.tensor(value) for name, value in tensors.items()})
    return card, network
