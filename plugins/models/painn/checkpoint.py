"""A PaiNN checkpoint: `<name>.safetensors` with the weights, `<name>.json` with the card that says what they are.

Nothing is executed on loading, and nothing is allocated before sizes and shapes are checked against the card.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mdprotocol.api import CheckpointError

MAX_BYTES = 512 * 2**20
MAX_HEADER = 2**20
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


class ArchitectureCard(BaseModel):
    """Sizes of the network (see `network.Architecture`)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    hidden: Annotated[int, Field(ge=4, le=1024, multiple_of=2)]
    blocks: Annotated[int, Field(ge=1, le=12)]
    radial: Annotated[int, Field(ge=1, le=256)]
    filter_width: Annotated[int, Field(ge=1, le=2048)]
    cutoff_A: Annotated[float, Field(gt=0.5, le=20)]
    elements: Annotated[tuple[Annotated[int, Field(ge=1, le=94)], ...], Field(min_length=1, max_length=94)]
    norm_eps: Annotated[float, Field(ge=1e-12, le=1)] = 1e-8

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name -> shape of every tensor of the network."""
        h, k, f = self.hidden, self.radial, self.filter_width
        found: dict[str, tuple[int, ...]] = {
            "atomic_energy": (len(self.elements),),
            "embedding.weight": (len(self.elements), h),
            "readout.0.weight": (h // 2, h),
            "readout.0.bias": (h // 2,),
            "readout.2.weight": (1, h // 2),
            "readout.2.bias": (1,),
        }
        for l in range(self.blocks):
            found |= {
                f"blocks.{l}.filter.0.weight": (f, k),
                f"blocks.{l}.filter.0.bias": (f,),
                f"blocks.{l}.filter.2.weight": (3 * h, f),
                f"blocks.{l}.filter.2.bias": (3 * h,),
                f"blocks.{l}.mix.weight": (2 * h, h),
                f"blocks.{l}.update.0.weight": (h, 2 * h),
                f"blocks.{l}.update.0.bias": (h,),
                f"blocks.{l}.update.2.weight": (3 * h, h),
                f"blocks.{l}.update.2.bias": (3 * h,),
            }
        return found


class Card(BaseModel):
    """What a checkpoint says about itself; `facts` holds data counts, seeds, training curve and test errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: str = "mdprotocol-painn-1"
    name: str
    architecture: ArchitectureCard
    parameters: int
    sha256: str
    facts: dict[str, Any] = {}


def card_path(checkpoint: Path) -> Path:
    """The card beside a checkpoint."""
    return checkpoint.with_suffix(".json")


def read_card(checkpoint: Path) -> Card:
    """The card of a checkpoint.

    Raises:
        CheckpointError: it is missing or not a card.
    """
    path = card_path(checkpoint)
    try:
        if path.stat().st_size > MAX_HEADER:
            raise CheckpointError(f"{path}: a card of more than {MAX_HEADER} bytes is refused")
        return Card.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CheckpointError(f"{path}: the card of {checkpoint.name} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise CheckpointError(f"{path}: {where}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path}: not JSON: {error}") from error


def load_checkpoint(checkpoint: Path) -> tuple[Card, dict[str, np.ndarray]]:
    """Card and tensors (name -> array, as stored).

    Raises:
        CheckpointError: a file is missing, damaged, not what the card says, or absurdly large.
    """
    card = read_card(checkpoint)
    data = _read(checkpoint)
    found = hashlib.sha256(data).hexdigest()
    if found != card.sha256:
        raise CheckpointError(f"{checkpoint}: SHA-256 {found[:12]}... is not the card's {card.sha256[:12]}...")
    tensors = _tensors(checkpoint, data)
    _compare(checkpoint, tensors, card.architecture.shapes())
    return card, tensors


def save_checkpoint(
    checkpoint: Path,
    name: str,
    architecture: ArchitectureCard,
    tensors: Mapping[str, np.ndarray],
    facts: dict[str, Any],
) -> Card:
    """Write weights and card (weights first, so that a card never speaks of weights that are not there)."""
    from safetensors.numpy import save

    _compare(checkpoint, tensors, architecture.shapes())
    data = save({key: np.ascontiguousarray(value) for key, value in tensors.items()})
    parameters = sum(value.size for key, value in tensors.items() if key != "atomic_energy")
    card = Card(
        name=name,
        architecture=architecture,
        parameters=parameters,
        sha256=hashlib.sha256(data).hexdigest(),
        facts=facts,
    )
    _replace(checkpoint, data)
    _replace(card_path(checkpoint), (card.model_dump_json(indent=2) + "\n").encode())
    return card


def _replace(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one, never a part."""
    unfinished = path.with_name(path.name + ".part")
    unfinished.write_bytes(data)
    unfinished.replace(path)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path}: more than {MAX_BYTES // 2**20} MiB are refused")
        return path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error


def _tensors(path: Path, data: bytes) -> dict[str, np.ndarray]:
    """Views into the file's bytes: the header's shapes are checked against the bytes that are there."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > min(MAX_HEADER, len(data) - 8):
            raise ValueError("header longer than the file")
        header = json.loads(data[8 : 8 + length])
        body = memoryview(data)[8 + length :]
        return {key: _view(body, spec) for key, spec in header.items() if key != "__metadata__"}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a sound safetensors file: {error}") from error


def _view(body: memoryview, spec: dict[str, Any]) -> np.ndarray:
    dtype, shape, (begin, end) = DTYPES[spec["dtype"]], tuple(spec["shape"]), spec["data_offsets"]
    if any(type(number) is not int for number in (*shape, begin, end)):
        raise ValueError("a shape or an offset is not a whole number")
    size = dtype.itemsize
    for n in shape:
        size *= n
    if not (0 <= begin <= end <= len(body)) or end - begin != size or min(shape, default=0) < 0:
        raise ValueError(f"a tensor of shape {shape} does not fit its {end - begin} bytes")
    return np.frombuffer(body[begin:end], dtype=dtype).reshape(shape)


def _compare(path: Path, tensors: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name in sorted(shapes.keys() | tensors.keys()):
        if name not in tensors:
            raise CheckpointError(f"{path}: tensor '{name}' is missing")
        if name not in shapes:
            raise CheckpointError(f"{path}: tensor '{name}' is not part of the card's architecture")
        if tensors[name].shape != shapes[name]:
            raise CheckpointError(f"{path}: '{name}' has shape {tensors[name].shape}, the card says {shapes[name]}")
        if not np.isfinite(tensors[name]).all():
            raise CheckpointError(f"{path}: '{name}' holds numbers that are not finite")
