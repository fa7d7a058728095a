"""A look into a torch archive before torch reads it: sizes, and every name that its pickle calls.

`weights_only=True` keeps code from running, but not memory from being taken: among the names that it allows are
`bytearray` and tensor classes, which a pickle of a kilobyte can call with a length of gigabytes. Here only the names
that a saved state dict needs are allowed, and nothing is unpickled to find out.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator
from pathlib import Path

from mdprotocol.api import CheckpointError

MAX_BYTES = 256 * 2**20
MAX_ENTRIES = 10_000
MAX_PICKLE_BYTES = 16 * 2**20
ALLOWED = frozenset(
    {
        "collections OrderedDict",
        "torch Size",
        "torch device",
        "torch._utils _rebuild_tensor_v2",
        "torch._utils _rebuild_parameter",
        "torch.nn.parameter Parameter",
        *(
            f"torch {kind}Storage"
            for kind in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
        ),
    }
)
"""Module and name of what a state dict, an optimizer's state and plain numbers are made of."""


def check_archive(path: Path) -> None:
    """Everything that can be known of a torch file without unpickling it.

    Raises:
        CheckpointError: it is no plain torch archive, is too large, or calls what a checkpoint has no use for.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path}: more than {MAX_BYTES // 2**20} MiB are refused")
        with zipfile.ZipFile(path) as archive:
            for problem in _problems(archive):
                raise CheckpointError(f"{path}: {problem}")
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read: {error.strerror or error}") from error
    except zipfile.BadZipFile as error:
        raise CheckpointError(f"{path}: not a torch checkpoint (a zip archive): {error}") from error
    except CheckpointError:
        raise
    except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as error:
        # Encrypted, or of a kind that zipfile does not know.
        raise CheckpointError(f"{path}: not a plain zip archive: {error}") from error


def _problems(archive: zipfile.ZipFile) -> Iterator[str]:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES:
        yield f"{len(entries)} entries; at most {MAX_ENTRIES} are allowed"
    # torch stores without compression: an entry that unpacks to more than the file holds is a bomb.
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        yield "compressed entries, which torch never writes"
    # Its reader takes memory for the one and gives the other.
    if any(entry.compress_size != entry.file_size for entry in entries):
        yield "entries that are not compressed and yet have two sizes"
    pickles = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
    if len(pickles) != 1:
        yield f"{len(pickles)} entries named data.pkl; a torch checkpoint has one"
    if pickles[0].file_size > MAX_PICKLE_BYTES:
        yield f"a pickle of more than {MAX_PICKLE_BYTES // 2**20} MiB"
    yield from _foreign(archive.read(pickles[0]))


def _foreign(data: bytes) -> Iterator[str]:
    """Names that are not allowed, in the order of the pickle."""
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "GLOBAL" and argument not in ALLOWED:
                yield f"its pickle calls {str(argument).replace(' ', '.')}, for which a checkpoint of weights has no use"
            elif opcode.name in ("STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ", "NEWOBJ_EX"):
                yield f"its pickle uses {opcode.name}, which torch.save does not write"
    except (ValueError, IndexError, KeyError, UnicodeError, OverflowError) as error:
        yield f"its pickle cannot be read: {error}"
