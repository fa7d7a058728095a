"""Reading MLFF-Distiller's checkpoints: three writers, one content. Weights only; nothing in the file is believed unseen.

`config` is never trusted for sizes: hidden width H and the largest atomic number come from the embedding's shape, K from
the radial centres, L from the number of blocks; only the cutoff is read from it, 5 Å where it has none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mdprotocol.api import CheckpointError
from mdprotocol_plugins.models.mlff_distiller.archive import check_archive

if TYPE_CHECKING:
    from torch import Tensor

DEFAULT_CUTOFF_A = 5.0
PREFIX = "model."
"""What the trainer puts before every name."""
MAX_SIZE = {"hidden": 1024, "blocks": 12, "radial": 256, "max_z": 118}


@dataclass(frozen=True)
class Sizes:
    """H, L, K, the largest atomic number, and the cutoff in Å."""

    hidden: int
    blocks: int
    radial: int
    max_z: int
    cutoff_A: float

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor."""
        h, k = self.hidden, self.radial
        found: dict[str, tuple[int, ...]] = {
            "embedding.weight": (self.max_z + 1, h),
            "rbf.centers": (k,),
            "rbf.widths": (k,),
            **_linear("energy_head.0", h, h // 2),
            **_linear("energy_head.2", h // 2, h // 4),
            **_linear("energy_head.4", h // 4, 1),
        }
        for block in range(self.blocks):
            name = f"interactions.{block}"
            found |= {
                **_linear(f"{name}.message.rbf_to_scalar.0", k, h),
                **_linear(f"{name}.message.rbf_to_scalar.2", h, 3 * h),
                f"{name}.update.mixing_matrix": (3, 3),
                **_linear(f"{name}.update.update_mlp.0", 2 * h, h),
                **_linear(f"{name}.update.update_mlp.2", h, 3 * h),
            }
        return found


def _linear(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def load_state(path: Path) -> tuple[Sizes, dict[str, Tensor]]:
    """Sizes and tensors (float, by the names of FORMAT, without prefix) of a checkpoint.

    Raises:
        CheckpointError: it is missing, damaged, too large, or not one of the three forms.
    """
    content = _unpack(path)
    raw = content.get("model_state_dict")
    if not isinstance(raw, dict) or not raw:
        raise CheckpointError(
            f"{path}: no 'model_state_dict' in it; its keys are {', '.join(map(str, list(content)[:8]))}"
        )
    state = {_bare(str(name)): value for name, value in raw.items()}
    sizes = _sizes(path, state, content.get("config"))
    _check(path, state, sizes)
    return sizes, state


def _unpack(path: Path) -> dict[str, Any]:
    import torch

    check_archive(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # its unpickler raises whatever it stumbles over
        reason = str(error).partition("\n")[0]
        raise CheckpointError(f"{path}: torch refuses to load it with weights_only=True: {reason}") from error
    if not isinstance(content, dict):
        raise CheckpointError(f"{path}: holds a {type(content).__name__}, not a dict")
    return content


def _bare(name: str) -> str:
    return name.removeprefix(PREFIX)


def _sizes(path: Path, state: dict[str, Any], config: Any) -> Sizes:
    try:
        embedding, centres = state["embedding.weight"].shape, state["rbf.centers"].shape
    except (KeyError, AttributeError) as error:
        raise CheckpointError(f"{path}: not an MLFF-Distiller student: {error} is missing") from error
    if len(embedding) != 2 or len(centres) != 1:
        raise CheckpointError(f"{path}: embedding or radial centres have the wrong number of dimensions")
    blocks = {name.split(".")[1] for name in state if name.startswith("interactions.")}
    sizes = Sizes(embedding[1], len(blocks), centres[0], embedding[0] - 1, _cutoff(path, config))
    for name, largest in MAX_SIZE.items():
        if not 0 < getattr(sizes, name) <= largest:
            raise CheckpointError(f"{path}: {name} is {getattr(sizes, name)}; 1 to {largest} are allowed")
    return sizes


def _cutoff(path: Path, config: Any) -> float:
    found = config.get("cutoff") if isinstance(config, dict) else None
    if found is None:
        return DEFAULT_CUTOFF_A
    if (
        isinstance(found, bool)
        or not isinstance(found, int | float)
        or not math.isfinite(found)
        or not 0.5 < found <= 20
    ):
        raise CheckpointError(f"{path}: cutoff {found!r} is not a length between 0.5 and 20 Å")
    return float(found)


def _check(path: Path, state: dict[str, Any], sizes: Sizes) -> None:
    import torch

    shapes = sizes.shapes()
    for name in sorted(shapes.keys() | state.keys()):
        if name not in state:
            raise CheckpointError(f"{path}: '{name}' is missing")
        if name not in shapes:
            raise CheckpointError(f"{path}: '{name}' is not part of such a student")
        value = state[name]
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise CheckpointError(f"{path}: '{name}' is not a tensor of floating-point numbers")
        if tuple(value.shape) != shapes[name]:
            raise CheckpointError(f"{path}: '{name}' has shape {tuple(value.shape)}, expected {shapes[name]}")
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(f"{path}: '{name}' holds numbers that are not finite")
