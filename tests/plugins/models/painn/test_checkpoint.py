"""Checkpoints: what is saved comes back; what is damaged, swapped, oversized or malformed is refused with a reason."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from mdprotocol.api import CheckpointError
from mdprotocol_plugins.models.painn.checkpoint import ArchitectureCard, card_path, load_checkpoint, save_checkpoint

ARCHITECTURE = ArchitectureCard(hidden=8, blocks=1, radial=4, filter_width=6, cutoff_A=5.0, elements=(1, 6))


@pytest.fixture
def tensors() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    found = {name: rng.standard_normal(shape).astype("f4") for name, shape in ARCHITECTURE.shapes().items()}
    return found | {"atomic_energy": np.array([-10.0, -40.0])}


@pytest.fixture
def saved(tmp_path: Path, tensors: dict[str, np.ndarray]) -> Path:
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, "small", ARCHITECTURE, tensors, {"seed": 1})
    return path


def edit_card(path: Path, **changes: object) -> None:
    card = json.loads(card_path(path).read_text())
    architecture = changes.pop("architecture", {})
    card.update(changes)
    card["architecture"].update(architecture)
    card_path(path).write_text(json.dumps(card))


def rewrite(path: Path, data: bytes) -> None:
    """Replace the weights and let the card agree, so that only the content can be at fault."""
    path.write_bytes(data)
    edit_card(path, sha256=hashlib.sha256(data).hexdigest())


def header_of(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header: dict, body: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def test_round_trip(saved, tensors):
    card, found = load_checkpoint(saved)
    assert card.name == "small"
    assert card.architecture == ARCHITECTURE
    assert card.facts == {"seed": 1}
    assert card.parameters == sum(t.size for name, t in tensors.items() if name != "atomic_energy")
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert found[name].dtype == tensor.dtype
        np.testing.assert_array_equal(found[name], tensor)


def test_a_card_from_before_norms_could_be_rounded_means_what_it_meant(saved):
    card = json.loads(card_path(saved).read_text())
    del card["architecture"]["norm_eps"]
    card_path(saved).write_text(json.dumps(card))
    assert load_checkpoint(saved)[0].architecture.norm_eps == 1e-8


def test_a_changed_byte_is_noticed(saved):
    data = bytearray(saved.read_bytes())
    data[-1] ^= 1
    saved.write_bytes(data)
    with pytest.raises(CheckpointError, match="SHA-256"):
        load_checkpoint(saved)


@pytest.mark.parametrize("missing", ["weights", "card"])
def test_a_missing_file_is_named(saved, missing):
    (saved if missing == "weights" else card_path(saved)).unlink()
    with pytest.raises(CheckpointError, match=r"small\.(safetensors|json)"):
        load_checkpoint(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": 3}', '{"a": 1' * 5])
def test_a_card_that_is_none(saved, text):
    card_path(saved).write_text(text)
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


def test_binary_card(saved):
    card_path(saved).write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "change",
    [
        {"hidden": 10**9},
        {"hidden": 7},
        {"blocks": 0},
        {"blocks": 10**6},
        {"radial": -1},
        {"filter_width": 10**7},
        {"cutoff_A": float("nan")},
        {"cutoff_A": float("inf")},
        {"cutoff_A": -5.0},
        {"norm_eps": 0.0},
        {"elements": []},
        {"elements": [1, 500]},
        {"surprise": 1},
    ],
    ids=str,
)
def test_absurd_architectures_are_refused(saved, change):
    edit_card(saved, architecture=change)
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


def test_an_architecture_of_another_size_is_refused(saved):
    edit_card(saved, architecture={"hidden": 16})
    with pytest.raises(CheckpointError, match="shape"):
        load_checkpoint(saved)


def test_a_missing_tensor_is_named(saved):
    header, body = header_of(saved)
    del header["readout.2.bias"]
    rewrite(saved, with_header(header, body))
    with pytest.raises(CheckpointError, match=r"'readout\.2\.bias' is missing"):
        load_checkpoint(saved)


def test_a_foreign_tensor_is_named(saved):
    header, body = header_of(saved)
    header["extra"] = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    rewrite(saved, with_header(header, body))
    with pytest.raises(CheckpointError, match="'extra'"):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "spec",
    [
        {"shape": [2**40, 2**20]},
        {"shape": [-2, -8]},
        {"dtype": "I64"},
        {"dtype": "nonsense"},
        {"data_offsets": [0, 2**50]},
        {"data_offsets": [-64, 0]},
        {"data_offsets": "ab"},
        {"shape": None},
    ],
    ids=str,
)
def test_headers_that_lie_about_sizes(saved, spec):
    header, body = header_of(saved)
    header["embedding.weight"] = header["embedding.weight"] | spec
    rewrite(saved, with_header(header, body))
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 14) + b'{"x": [1,2,3]}',
        struct.pack("<Q", 2) + b"\xff\xff",
    ],
)
def test_files_that_are_no_safetensors(saved, data):
    rewrite(saved, data)
    with pytest.raises(CheckpointError):
        load_checkpoint(saved)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(saved, tensors, bad):
    header, body = header_of(saved)
    begin = header["embedding.weight"]["data_offsets"][0]
    broken = bytearray(body)
    struct.pack_into("<f", broken, begin, bad)
    rewrite(saved, with_header(header, bytes(broken)))
    with pytest.raises(CheckpointError, match="finite"):
        load_checkpoint(saved)


def test_saving_refuses_what_loading_would(tmp_path, tensors):
    del tensors["readout.0.bias"]
    with pytest.raises(CheckpointError, match=r"readout\.0\.bias"):
        save_checkpoint(tmp_path / "x.safetensors", "x", ARCHITECTURE, tensors, {})
