"""A file has all of its content in itself: HDF5 can keep it in other files, and reads whatever they are.

Links to other files, variables of raw bytes elsewhere and variables put together from other files all look like variables
of their own to readers of NetCDF. In a results folder by a stranger they would show what lies outside of it.
"""

from __future__ import annotations

from pathlib import Path


def refuse_content_elsewhere(path: str | Path) -> None:
    """Refuse a file that refers to others, or has groups.

    Raises:
        ValueError: what it is.
        OSError: the file is no HDF5.
    """
    import h5py  # slow to import, and commands that read no results have no use for it

    with h5py.File(path, "r", locking=False) as file:
        for name in file:
            if not isinstance(file.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"'{name}' is a link to content elsewhere")
            entry = file[name]
            if isinstance(entry, h5py.Group):
                raise ValueError(f"'{name}' is a group")
            if isinstance(entry, h5py.Dataset) and (entry.is_virtual or entry.external):
                raise ValueError(f"the content of '{name}' is in another file")
