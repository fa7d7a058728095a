"""The catalogue of planted faults: those of all plugins, at the sizes that a protocol asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from mdprotocol.contracts import Fault
from mdprotocol.errors import UsageError
from mdprotocol.protocol.places import choices
from mdprotocol.registry import Registry


def catalogue(registry: Registry) -> dict[str, Fault]:
    """Every registered fault at its own size, by name, in the order in which plugins bring them."""
    found: dict[str, Fault] = {}
    for name, entry in registry.entries["faults"].items():
        fault = entry.component(type=name)
        assert isinstance(fault, Fault)
        found[name] = fault
    return found


def chosen(
    registry: Registry, names: Iterable[str] | None = None, sizes: Mapping[str, float] | None = None
) -> tuple[Fault, ...]:
    """The faults of these names (all where None), at these sizes where given.

    Raises:
        UsageError: there is no fault of a name, or a size is given to one that has none or cannot have this one.
    """
    known, sizes = catalogue(registry), sizes or {}
    wanted = list(known) if names is None else list(dict.fromkeys(names))
    for name in (*wanted, *sizes):
        if name not in known:
            raise UsageError(f"there is no fault '{name}'; {choices(name, known)}")
    return tuple(_resized(known[name], sizes.get(name)) for name in wanted)


def _resized(fault: Fault, size: float | None) -> Fault:
    try:
        return fault if size is None else fault.of_size(size)
    except ValidationError as error:
        reasons = "; ".join(detail["msg"] for detail in error.errors())
        raise UsageError(f"fault '{fault.type}' cannot have the size {size:g}: {reasons}") from None
    except ValueError as error:
        raise UsageError(str(error)) from None
