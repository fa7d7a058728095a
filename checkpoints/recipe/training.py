"""Training: forces first, energies beside them; AdamW, warm-up and cosine decay, averaged weights, clipping."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import huber_loss

from mdprotocol_plugins.models.painn.network import Architecture, PaiNN
from recipe.batches import Data, Molecules

ELEMENTS = (1, 6, 7, 8)
NORM_EPS = 0.1
"""Vector channels are of about 0.3 in a vibrating molecule; see README.md, round norms."""


def _architecture(hidden: int, blocks: int, radial: int, filter_width: int) -> Architecture:
    return Architecture(hidden, blocks, radial, filter_width, cutoff_A=5.0, elements=ELEMENTS, norm_eps=NORM_EPS)


ARCHITECTURES = {
    "original": _architecture(hidden=96, blocks=3, radial=20, filter_width=244),
    "tiny": _architecture(hidden=64, blocks=2, radial=12, filter_width=40),
    "ultra_tiny": _architecture(hidden=32, blocks=2, radial=12, filter_width=28),
}


@dataclass(frozen=True)
class Settings:
    """What a training run is determined by, beside the data."""

    steps: int
    batch: int = 16
    learning_rate: float = 1.5e-3
    final_rate: float = 1e-6
    warmup: int = 500
    weight_decay: float = 1e-5
    average: float = 0.999
    energy_weight: float = 10.0
    force_delta: float = 0.3
    energy_delta: float = 0.05
    soft_force: float = 5.0
    clip: float = 2.0
    seed: int = 7
    validation: int = 256


STEPS = {"original": 36_000, "tiny": 40_000, "ultra_tiny": 60_000}


def train(
    student: str, data: Data, settings: Settings, log: Callable[[str], None], save: Callable[[PaiNN, list], None]
) -> tuple[PaiNN, list[dict[str, float]]]:
    """Train a student; `save` is called with the averaged network now and then.

    Returns the averaged network and its curve: step, training loss, validation force RMSE (eV/Å, dynamics only).
    """
    torch.manual_seed(settings.seed)
    rng = np.random.default_rng(settings.seed)
    network = PaiNN(ARCHITECTURES[student])
    network.atomic_energy.copy_(torch.from_numpy(data.atomic_energies(ELEMENTS)))
    average = copy.deepcopy(network)
    optimizer = torch.optim.AdamW(network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    order = rng.permutation(len(data))
    split = min(settings.validation, len(data) // 5)
    validation, training = order[:split], order[split:]
    validation = validation[np.char.startswith(data.kinds[validation], "md")]  # what dynamics meets
    curve: list[dict[str, float]] = []
    losses, started, queue = [], time.time(), np.empty(0, dtype=int)
    for step in range(1, settings.steps + 1):
        if len(queue) < settings.batch:
            queue = rng.permutation(training)
        chosen, queue = queue[: settings.batch], queue[settings.batch :]
        for group in optimizer.param_groups:
            group["lr"] = rate(step, settings)
        losses.append(_step(network, data.batch(chosen), optimizer, settings))
        _update(average, network, min(settings.average, step / (step + 10)))
        if step % 1000 == 0 or step == settings.steps:
            rmse = force_rmse(average, data, validation)
            curve.append({"step": step, "loss": float(np.mean(losses)), "validation_force_rmse": rmse})
            log(f"{student} {step}/{settings.steps} {time.time() - started:.0f} s {curve[-1]}")
            losses = []
            if step % 5000 == 0:
                save(average, curve)
    return average, curve


def rate(step: int, settings: Settings) -> float:
    """Linear warm-up, then a cosine down to `final_rate`."""
    if step <= settings.warmup:
        return settings.learning_rate * step / settings.warmup
    part = (step - settings.warmup) / max(1, settings.steps - settings.warmup)
    return settings.final_rate + 0.5 * (settings.learning_rate - settings.final_rate) * (1 + math.cos(math.pi * part))


def predict(network: PaiNN, batch: Molecules, training: bool = False) -> tuple[Tensor, Tensor]:
    """Energies and forces of a batch."""
    return network.energy_and_forces(
        batch.numbers, batch.positions, batch.pairs, batch.molecule, len(batch.counts), training=training
    )


def _step(network: PaiNN, batch: Molecules, optimizer: torch.optim.Optimizer, settings: Settings) -> float:
    found = loss(network, batch, settings)
    optimizer.zero_grad(set_to_none=True)
    found.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), settings.clip)
    optimizer.step()
    return float(found.detach())


def loss(network: PaiNN, batch: Molecules, settings: Settings) -> Tensor:
    """What training makes small: Huber losses of forces and of energies per atom, relative for hard molecules."""
    energies, forces = predict(network, batch, training=True)
    scale = hardness(batch, settings.soft_force)
    per_atom = (energies - batch.energies) / batch.counts / scale
    error = (forces - batch.forces) / scale[batch.molecule, None]
    found = huber_loss(error, torch.zeros_like(error), delta=settings.force_delta)
    return found + settings.energy_weight * huber_loss(
        per_atom, torch.zeros_like(per_atom), delta=settings.energy_delta
    )


def hardness(batch: Molecules, soft_force: float) -> Tensor:
    """(M,) how many times a molecule's RMS force exceeds `soft_force` (eV/Å), at least 1.

    Errors are divided by it: squeezed molecules have forces of hundreds of eV/Å, where a few percent are good enough.
    """
    squares = torch.zeros(len(batch.counts), dtype=torch.float64)
    squares.index_add_(0, batch.molecule, (batch.forces**2).mean(dim=1))
    return torch.clamp(torch.sqrt(squares / batch.counts) / soft_force, min=1.0)


@torch.no_grad()
def _update(average: PaiNN, network: PaiNN, keep: float) -> None:
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1 - keep)


def force_rmse(network: PaiNN, data: Data, indices: np.ndarray) -> float:
    """Force RMSE (eV/Å) over all components."""
    squares, count = 0.0, 0
    for chunk in np.array_split(indices, max(1, len(indices) // 64)):
        batch = data.batch(chunk)
        error = predict(network, batch)[1].detach() - batch.forces
        squares, count = squares + float((error**2).sum()), count + error.numel()
    return math.sqrt(squares / count)


def settings_for(student: str, steps: int | None) -> Settings:
    """The recipe's settings, with another number of steps if given."""
    return Settings(steps=steps or STEPS[student])


def as_dict(settings: Settings) -> dict[str, float]:
    """For the card."""
    return asdict(settings)
