"""The base of every component: its options are its fields."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Component(BaseModel):
    """Base of all components: immutable, refuses unknown options, validates defaults."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    type: str

    @classmethod
    def type_name(cls) -> str:
        """Name of the component in a protocol: the default of its `type` field."""
        return str(cls.model_fields["type"].default)

    @classmethod
    def summary(cls) -> str:
        """First line of the docstring."""
        return (cls.__doc__ or "").strip().partition("\n")[0]
