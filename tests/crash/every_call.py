"""What becomes of a short run when its k-th file system call goes wrong, for every k. Run under LD_PRELOAD of faulty.c.

    LD_PRELOAD=faulty.so python tests/crash/every_call.py WORK MODE [STRIDE]

Every case is a forked process: the run with the fault, then the run again without. Prints JSON: number of cases, exit codes
of the runs with a fault, and every case whose final files were not those of an undisturbed run, bit by bit.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import random_kills

from mdprotocol.engine import journal, labels
from mdprotocol.engine.tasks import single_thread
from mdprotocol.errors import MDProtocolError

HERE = Path(__file__).parent
MODES = {
    "kill": 1, "kill in write": 2, "disk full": 3, "broken disk": 4, "short writes": 5, "read-only": 6, "kill at boundary": 7,
}  # fmt: skip
REFUSED, UNTOUCHED = 4, 99


def run(folder: Path) -> int:
    """The run in this process, as the command line would end it."""
    try:
        return random_kills.run_here(HERE / "short.yaml", folder, ())
    except MDProtocolError as error:
        print(error, file=sys.stderr)
        return REFUSED


def main() -> int:
    work, mode, stride = Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]) if len(sys.argv) > 3 else 1
    layer = ctypes.CDLL(None)
    layer.faulty_count.restype = ctypes.c_long
    single_thread()
    journal.SEGMENT_SECONDS = labels.SEGMENT_SECONDS = 0.0  # a checkpoint whenever there may be one
    assert run(work / "undisturbed") == 0  # in this process, so that children need to import nothing
    folder, codes, wrong, unread = work / "hurt", Counter[int](), list[str](), list[str]()
    for k in itertools.count(1, stride):
        shutil.rmtree(folder, ignore_errors=True)

        def hurt(k: int = k) -> int:
            layer.faulty_arm(ctypes.c_long(k), MODES[mode], str(folder).encode())
            code = run(folder)
            return UNTOUCHED if layer.faulty_count() < k else code

        code = random_kills.forked(hurt)
        if code == UNTOUCHED:
            break
        codes[code] += 1
        print(f"call {k}: exit code {code}; {len(wrong)} wrong so far", file=sys.stderr, flush=True)
        try:
            random_kills.runs(folder)
        except Exception as error:
            unread.append(f"call {k}: {error}")
        again = random_kills.forked(lambda: run(folder))
        found = [f"exit code {again}"] if again else random_kills.differences(work / "undisturbed", folder)
        found += [str(path) for path in folder.rglob("*") if path.name.startswith(".tmp-") or path.suffix == ".seg"]
        wrong += [f"call {k}: {text}" for text in found]
    print(json.dumps({"mode": mode, "cases": codes.total(), "codes": codes, "wrong": wrong, "unreadable": unread}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
