"""Whether a model or a reference is what was planned: its files and code may be replaced before the last frame is written."""

from __future__ import annotations

from pathlib import Path

from mdprotocol.contracts import Model
from mdprotocol.errors import CheckpointError
from mdprotocol.plan.identity import hashed, model_facts


def check_unchanged(model: Model, base: str, digest: str, role: str = "model") -> None:
    """Compare a model with what it was when it was planned: asked after it was loaded, and before anything is written.

    Args:
        digest: of the plan; empty where none was made.
        role: what the plan uses it for, in messages.

    Raises:
        CheckpointError: it is another one now.
    """
    if not digest:
        return
    try:
        same = hashed(model_facts(model, Path(base))) == digest
    except OSError:
        same = False
    if not same:
        raise CheckpointError(f"the {role}'s files or code changed after this was planned; run it again")
