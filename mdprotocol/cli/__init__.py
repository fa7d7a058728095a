"""The command line: one thin file a command. `main` is the one place where errors become exit codes."""

from mdprotocol.cli.main import main

__all__ = ["main"]
