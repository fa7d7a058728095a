"""What a process is started with and must not depend on; how a verdict keeps clear of it: tests/cli/test_surroundings.py."""

from __future__ import annotations

import subprocess
import sys

import pytest

from mdprotocol import surroundings

COMMANDS = {
    "-m mdprotocol run x": "-m mdprotocol run x",
    "-O -m mdprotocol run -O": "-m mdprotocol run -O",
    "-OO -X dev -W error -c pass": "-X dev -W error -c pass",
    "-sOim mdprotocol": "-sm mdprotocol",
    "-i script.py -i": "script.py -i",
    "-Xdev -Ocpass": "-Xdev -cpass",
    "-O -": "-",
}


@pytest.mark.parametrize("before", COMMANDS)
def test_flags_of_the_interpreter_that_decide_something(before: str) -> None:
    assert surroundings._without_flags(before.split()) == COMMANDS[before].split()


def printed(code: str, redirect: str = "", *options: str) -> tuple[int, str]:
    command = [sys.executable, *options, "-c", f"import sys; from mdprotocol import surroundings\n{code}"]
    done = subprocess.run(["sh", "-c", f'"$@" {redirect}', "sh", *command], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_a_file_does_not_get_the_number_of_a_closed_stream() -> None:
    code = "surroundings.usable_streams(); f = open('/dev/null'); print('lost'); sys.exit(f.fileno() < 3)"
    assert printed(code, "<&- >&- 2>&-")[0] == 0


def test_what_a_full_device_cannot_take_is_lost_and_known() -> None:
    code = (
        "surroundings.settle(); print('lost', flush=True); error = surroundings.lost_output()\n"
        "sys.stderr.write(error.strerror)"
    )
    assert printed(code, ">/dev/full") == (0, "No space left on device")


def test_streams_of_our_own_outlive_what_others_do_to_theirs() -> None:
    code = (
        "import os; surroundings.settle(); stream = sys.stdout\n"
        "with surroundings.kept_streams():\n    sys.stdout.close(); os.close(1); sys.stdout = None\n"
        "print('here', flush=True); sys.exit(sys.stdout is not stream)"
    )
    assert printed(code) == (0, "here\n")


def test_warnings_are_no_errors() -> None:
    code = "import warnings; surroundings.settle(); warnings.warn('now', DeprecationWarning); warnings.warn('that')"
    code, said = printed(code, "", "-W", "error")
    assert code == 0
    assert "UserWarning: that" in said
