"""Seals: damage is found before libhdf5 sees the file, and a results file is still plain NetCDF."""

from __future__ import annotations

import os

import netCDF4
import pytest

from mdprotocol.errors import StoreError
from mdprotocol.store import ResultsFolder
from mdprotocol.store.seal import is_sound


@pytest.fixture
def path(tmp_path, small_run):
    ResultsFolder(tmp_path).write_dataset("runs/a.nc", small_run())
    return tmp_path / "runs/a.nc"


def test_a_sealed_file_is_sound_and_still_plain_netcdf(path):
    assert is_sound(path)
    with netCDF4.Dataset(path) as file:
        assert file.getncattr("identity") == "ab" * 32


def test_a_flipped_bit_anywhere_a_cut_or_more_bytes_break_the_seal(path):
    whole = path.read_bytes()
    folder = ResultsFolder(path.parents[1])
    places = [*range(0, len(whole), len(whole) // 60), len(whole) - 1]
    hurt = [bytes([*whole[:k], whole[k] ^ 4, *whole[k + 1 :]]) for k in places]
    for number, data in enumerate([*hurt, whole[:-1], whole[:40], b"", whole + b"x"]):
        path.write_bytes(data)
        os.utime(path, ns=(number, number))
        assert not is_sound(path)
        assert folder.attributes("runs/a.nc") is None
        assert folder.run_ids() == []
        with pytest.raises(StoreError, match="damaged"):
            folder.open("runs/a.nc")
    path.write_bytes(whole)
    assert folder.run_ids() == ["runs/a"]


def test_no_seal_no_trust(path, small_run):
    small_run().to_netcdf(path)
    assert ResultsFolder(path.parents[1]).identity("runs/a.nc") is None
    assert not is_sound(path.parent / "gone.nc")
