"""Whether a model is still what was planned: its files and its code may be replaced between the plan and the last frame."""

from __future__ import annotations

from pathlib import Path

from mdprotocol.contracts import Model
from mdprotocol.errors import CheckpointError
from mdprotocol.plan.identity import hashed, model_facts


def check_unchanged(model: Model, base: str, digest: str) -> None:
    """Compare a model with what it was when it was planned: asked after it was loaded, and before anything is written.

    Args:
        digest: of the plan; empty where none was made.

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
        raise CheckpointError("the model's files or code changed after this was planned; run it again")
