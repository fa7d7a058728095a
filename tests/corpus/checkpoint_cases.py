"""Malformed checkpoints: safetensors with a card (painn), and torch archives (mlff_distiller)."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from corpus_kit import PROTOCOL, Case

from mdprotocol_plugins.models.painn.checkpoint import ArchitectureCard

SMALL = ArchitectureCard(hidden=4, blocks=1, radial=2, filter_width=2, cutoff_A=5.0, elements=(1, 8))


def sound_weights() -> dict[str, np.ndarray]:
    """Weights of the smallest student, all 0.1."""
    return {name: np.full(shape, 0.1, dtype=np.float32) for name, shape in SMALL.shapes().items()}


def packed(header: Mapping[str, Any] | bytes, body: bytes) -> bytes:
    """A safetensors file by hand."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def sound_file() -> bytes:
    from safetensors.numpy import save

    return save(sound_weights())


def card(data: bytes, **changes: Any) -> bytes:
    """The card of these weights, with changes; `None` removes a key."""
    architecture = SMALL.model_dump(mode="json") | changes.pop("architecture", {})
    plain = {"format": "mdprotocol-painn-1", "name": "x", "architecture": architecture, "parameters": 1, "facts": {}}
    plain |= {"sha256": hashlib.sha256(data).hexdigest()} | changes
    return json.dumps({key: value for key, value in plain.items() if value is not None}).encode()


def painn(name: str, data: bytes, *says: str, text: bytes | None = None, **changes: Any) -> Case:
    """A student from this file; `text` is a card that is written as it stands."""
    protocol = PROTOCOL.replace("{type: tblite, method: GFN1-xTB}", "{type: painn, checkpoint: x.safetensors}")
    files = {"x.safetensors": data, "x.json": card(data, **changes) if text is None else text}
    return Case(f"painn: {name}", ("p.yaml:4:", *says), protocol.encode(), files)


def swapped(name: str, *says: str, **arrays: np.ndarray) -> Case:
    """A file whose tensors differ from the sound ones."""
    from safetensors.numpy import save

    changed = {key: value for key, value in (sound_weights() | arrays).items() if value is not None}
    return painn(name, save(changed), *says)


def entry(shape: list[Any], offsets: list[int], dtype: str = "F32") -> dict[str, Any]:
    return {"atomic_energy": {"dtype": dtype, "shape": shape, "data_offsets": offsets}}


SOUND = sound_file()
PAINN = [
    painn("empty file", b"", "safetensors"),
    painn("seven bytes", b"\x01" * 7, "safetensors"),
    painn("header longer than the file", struct.pack("<Q", 10**18) + b"{}", "safetensors"),
    painn("header is no JSON", packed(b"not json", b""), "safetensors"),
    painn("header is a list", packed(b"[1, 2]", b""), "safetensors"),
    painn("header is deep", packed(b"[" * 100_000, b""), "safetensors"),
    painn("truncated", SOUND[:-40], "safetensors"),
    painn("terabytes by shape", packed(entry([10**6, 10**6], [0, 4 * 10**12]), b"\x00" * 16), "safetensors"),
    painn("shape that overflows", packed(entry([2**62, 2**62], [0, 16]), b"\x00" * 16), "safetensors"),
    painn("negative shape", packed(entry([-1], [0, 4]), b"\x00" * 16), "safetensors"),
    painn("infinite shape", packed(entry([1e999], [0, 4]), b"\x00" * 16), "safetensors"),
    painn("shape of a fraction", packed(entry([4.5], [0, 16]), b"\x00" * 16), "whole number"),
    painn("shape of truth", packed(entry([True], [0, 4]), b"\x00" * 16), "whole number"),
    painn("offsets of fractions", packed(entry([4], [0.0, 16.0]), b"\x00" * 16), "whole number"),
    painn("offsets crossed", packed(entry([4], [16, 0]), b"\x00" * 16), "safetensors"),
    painn("offsets of text", packed(entry([4], ["a", "b"]), b"\x00" * 16), "safetensors"),
    painn("unknown dtype", packed(entry([4], [0, 16], "Q8"), b"\x00" * 16), "safetensors"),
    painn("shape of words", packed(entry(["four"], [0, 16]), b"\x00" * 16), "safetensors"),
    painn("a zip", b"PK\x03\x04" + b"\x00" * 100, "safetensors"),
    painn("a pickle", pickle.dumps({"a": 1}), "safetensors"),
    painn("other bytes than the card's", SOUND + b"x", "SHA-256", sha256=hashlib.sha256(SOUND).hexdigest()),
    painn("card empty", SOUND, "JSON", text=b""),
    painn("card is a list", SOUND, "x.json", text=b"[]"),
    painn("card not UTF-8", SOUND, "x.json", text=b"\xff\xfe{}"),
    painn("card deep", SOUND, "x.json", text=b'{"a":' * 50_000),
    painn("card of lists without end", SOUND, "x.json", text=b"[" * 5000 + b"]" * 5000),
    painn("card too large", SOUND, "x.json", text=b" " * 2_000_000),
    painn("card without hash", SOUND, "sha256", sha256=None),
    painn("card with more", SOUND, "extra", extra=1),
    painn("width of a million", SOUND, "hidden", architecture={"hidden": 10**6}),
    painn("odd width", SOUND, "hidden", architecture={"hidden": 5}),
    painn("no blocks", SOUND, "blocks", architecture={"blocks": 0}),
    painn("cutoff of nan", SOUND, "x.json", text=card(SOUND).replace(b"5.0", b"NaN")),
    painn("cutoff of a kilometre", SOUND, "cutoff_A", architecture={"cutoff_A": 1e13}),
    painn("no elements", SOUND, "elements", architecture={"elements": []}),
    painn("element 200", SOUND, "elements", architecture={"elements": [200]}),
    painn("another architecture", SOUND, "shape", architecture={"hidden": 8}),
    painn("water without oxygen", SOUND, "O", architecture={"elements": [1, 6]}),
    swapped("tensor missing", "readout.2.bias", **{"readout.2.bias": None}),  # type: ignore[arg-type]
    swapped("tensor too many", "surprise", surprise=np.zeros(3, np.float32)),
    swapped("tensor of nan", "not finite", **{"readout.0.bias": np.full(2, np.nan, np.float32)}),
    swapped("tensor of inf", "not finite", **{"readout.0.bias": np.full(2, np.inf, np.float32)}),
    swapped("tensor of another shape", "shape", **{"readout.0.bias": np.zeros(7, np.float32)}),
]


def archive(entries: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip archive in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as target:
        for name, content in entries.items():
            target.writestr(name, content)
    return buffer.getvalue()


def of_two_sizes(data: bytes) -> bytes:
    """The directory says of the first entry that it takes almost 4 GB in the file, and of its content what is true."""
    at = data.index(b"PK\x01\x02") + 20
    return data[:at] + struct.pack("<I", 2**32 - 16) + data[at + 4 :]


def torch_file(name: str, data: bytes, *says: str) -> Case:
    """A student of MLFF-Distiller from this file."""
    protocol = PROTOCOL.replace("{type: tblite, method: GFN1-xTB}", "{type: mlff_distiller, checkpoint: x.pt}")
    return Case(f"torch: {name}", ("p.yaml:4:", "x.pt", *says), protocol.encode(), {"x.pt": data})


def saved(content: Any) -> bytes:
    """What torch.save writes."""
    import torch

    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


class _Calls:
    """Pickles as a call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


def _torch_cases() -> list[Case]:
    import os

    import torch

    def tensors(**changes: Any) -> dict[str, Any]:
        found = {
            "embedding.weight": torch.zeros(9, 4),
            "rbf.centers": torch.zeros(2),
            "rbf.widths": torch.ones(2),
        }
        return found | changes

    def state(name: str, *says: str, config: Any = None, **changes: Any) -> Case:
        """A checkpoint whose state dict has these tensors besides the first three."""
        content = {"model_state_dict": tensors(**changes)} | ({"config": config} if config else {})
        return torch_file(name, saved(content), *says)

    def pickled(name: str, data: bytes, *says: str) -> Case:
        """An archive around this pickle."""
        return torch_file(name, archive({"a/data.pkl": data}), *says)

    one = {"interactions.0.x": torch.zeros(1)}
    gigabytes = _Calls(bytearray, 2**31)
    return [
        torch_file("empty file", b"", "zip"),
        torch_file("text", b"hello\n" * 100, "zip"),
        torch_file("old pickle", pickle.dumps({"model_state_dict": {}}), "zip"),
        torch_file("torn", saved({"model_state_dict": tensors()})[:-200], "zip"),
        torch_file(
            "entry whose name is no text", archive({"é/data.pkl": b"."}).replace("é".encode(), b"\xff\xff"), "zip"
        ),
        torch_file("zip without a pickle", archive({"a/version": b"3"}), "data.pkl"),
        torch_file("two pickles", archive({"a/data.pkl": b".", "b/data.pkl": b"."}), "data.pkl"),
        torch_file("zip bomb", archive({"a/data.pkl": b"\x00" * 10**7}, zipfile.ZIP_DEFLATED), "compressed"),
        torch_file("an entry of two sizes", of_two_sizes(archive({"a/data.pkl": b"."})), "two sizes"),
        torch_file("thousands of entries", archive({f"a/{k}": b"" for k in range(10_050)}), "entries"),
        pickled("pickle of nothing", b"", "pickle"),
        pickled("pickle torn", b"\x80\x02}q\x00(X\x05", "pickle"),
        pickled("a storage by a number", b"\x80\x02K\x05Q.", "weights_only"),
        pickled("calls os.system", pickle.dumps(_Calls(os.system, "ls"), 2), "system"),
        pickled("calls eval", pickle.dumps(_Calls(eval, "1"), 2), "eval"),
        pickled("gigabytes by bytearray", pickle.dumps(gigabytes, 2), "bytearray"),
        pickled("gigabytes by a later pickle", pickle.dumps(gigabytes, 4), "STACK_GLOBAL"),
        pickled("gigabytes by a tensor class", b"\x80\x02ctorch\nFloatTensor\nJ\xff\xff\xff\x7f\x85R.", "FloatTensor"),
        torch_file("a list", saved([1, 2]), "list"),
        torch_file("a tensor", saved(torch.zeros(3)), "Tensor"),
        torch_file("no state dict", saved({"weights": tensors()}), "model_state_dict"),
        torch_file("empty state dict", saved({"model_state_dict": {}}), "model_state_dict"),
        torch_file("state dict of numbers", saved({"model_state_dict": {"embedding.weight": 3}}), "missing"),
        torch_file("no embedding", saved({"model_state_dict": {"rbf.centers": torch.zeros(2)}}), "embedding"),
        state("embedding of one dimension", "dimensions", **{"embedding.weight": torch.zeros(4)}),
        state("no blocks", "blocks"),
        state("block of nothing", "missing", **one),
        state("element of 5000", "max_z", **one, **{"embedding.weight": torch.zeros(5001, 4)}),
        state("cutoff of words", "cutoff", config={"cutoff": "far"}, **one),
        state("cutoff of nan", "cutoff", config={"cutoff": float("nan")}, **one),
        state(
            "integers for weights", "energy_head", **one, **{"energy_head.0.bias": torch.zeros(2, dtype=torch.int64)}
        ),
    ]


CASES = [*PAINN, *_torch_cases()]
