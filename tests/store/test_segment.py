"""Segment files: what was written comes back, and nothing that was torn, damaged or made by others is trusted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.segment import decode, encode
from mdprotocol.store.work import Work, unfinished

ARRAYS = {
    "x": np.arange(12.0).reshape(2, 2, 3) / 7,
    "none": np.empty((0, 3)),
    "big": np.array([2**64 - 1], dtype=np.uint64),
    "odd": np.array([np.nan, -0.0, np.inf]),
}


def write(path: Path, facts: dict, arrays: dict) -> bytes:
    path.write_bytes(b"".join(bytes(part) for part in encode(facts, arrays)))
    return path.read_bytes()


def test_what_was_written_comes_back_bit_by_bit(tmp_path: Path) -> None:
    write(tmp_path / "a", {"step": 3, "why": "é"}, ARRAYS | {"turned": ARRAYS["x"].T})
    found = decode(tmp_path / "a")
    assert found is not None
    assert found.facts == {"step": 3, "why": "é"}
    assert list(found.arrays) == [*ARRAYS, "turned"]
    for name, values in ARRAYS.items():
        assert found.arrays[name].tobytes() == values.tobytes()
        assert found.arrays[name].shape == values.shape
        assert found.arrays[name].flags.aligned
    np.testing.assert_array_equal(found.arrays["turned"], ARRAYS["x"].T)


def test_every_torn_or_damaged_file_is_refused(tmp_path: Path) -> None:
    whole = write(tmp_path / "a", {"step": 3}, ARRAYS)
    assert decode(tmp_path / "absent") is None
    for length in range(len(whole)):
        (tmp_path / "b").write_bytes(whole[:length])
        assert decode(tmp_path / "b") is None
    for place in range(0, len(whole), 7):
        hurt = bytearray(whole)
        hurt[place] ^= 0x10
        (tmp_path / "b").write_bytes(hurt)
        assert decode(tmp_path / "b") is None
    (tmp_path / "b").write_bytes(whole + b"more")
    assert decode(tmp_path / "b") is None


def test_pickles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="numbers only"):
        write(tmp_path / "a", {}, {"x": np.array([object()], dtype=object)})
    # One with a good checksum by somebody else: its header promises objects.
    import io
    import zlib

    parts = b"".join(bytes(part) for part in encode({}, {"x": np.zeros(1)}))[:-4]
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": (1,)})
    forged = parts[: -(128 + 8)] + stream.getvalue() + b"\0" * 8
    (tmp_path / "a").write_bytes(forged + zlib.crc32(forged).to_bytes(4, "little"))
    assert decode(tmp_path / "a") is None


def test_a_series_ends_at_the_first_segment_that_cannot_be_trusted(tmp_path: Path) -> None:
    work = Work(ResultsFolder(tmp_path), "k")
    work.begin({"a": 1})
    for number in range(5):
        work.append("md", number, {"n": number}, {"x": np.full(3, number)})
    (work.path / "md-000003.seg").write_bytes(b"torn")
    assert [segment.facts["n"] for segment in work.segments("md")] == [0, 1, 2]
    with pytest.raises(StoreError, match="cannot be read"):
        work.segment("md", 7)
    assert [(w.key, facts) for w, facts in unfinished(ResultsFolder(tmp_path))] == [("k", {"a": 1})]
    work.remove()
    assert list(unfinished(ResultsFolder(tmp_path))) == []
    work.remove()  # it is gone already


def test_a_work_folder_without_a_readable_header_begins_anew(tmp_path: Path) -> None:
    work = Work(ResultsFolder(tmp_path), "k")
    work.begin({"a": 1})
    work.append("md", 0, {}, {"x": np.zeros(1)})
    work.begin({"a": 1})
    assert len(list(work.segments("md"))) == 1
    (work.path / "batch.json").write_text("{")
    assert [facts for _, facts in unfinished(ResultsFolder(tmp_path))] == [{}]
    work.begin({"a": 1})
    assert list(work.segments("md")) == []
