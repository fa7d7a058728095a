"""What planning finds: problems with their paths in the protocol, and warnings."""

from __future__ import annotations

from dataclasses import dataclass, field

from mdprotocol.errors import Problem, ProtocolError
from mdprotocol.protocol.document import Document
from mdprotocol.protocol.places import Path, dotted

UNKNOWN_FILE = "<protocol>"
"""Stands as the file where a plan is made from a Protocol without its document."""


@dataclass
class Findings:
    """Problems and warnings, collected while a plan is made."""

    document: Document | None = None
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def error(self, path: Path, message: str, *, key: bool = False) -> None:
        """Note a problem at a path (at the path's key, where `key`)."""
        if self.document is None:
            self.problems.append(Problem(UNKNOWN_FILE, 1, 1, dotted(path), message))
        else:
            self.problems.append(self.document.problem(path, message, key=key))

    def warn(self, path: Path, message: str) -> None:
        """Note a warning, with its place where the document is known."""
        if self.document is None:
            self.warnings.append(f"{dotted(path)}: {message}")
        else:
            self.warnings.append(str(self.document.problem(path, message)))

    def raise_problems(self) -> None:
        """Raise ProtocolError with all problems found so far, if any."""
        if self.problems:
            raise ProtocolError(sorted(set(self.problems)))
