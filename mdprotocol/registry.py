"""The frozen registry: every component class by kind and name, with its origin. Built once, before a protocol is read."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType, ModuleType

import pluggy

from mdprotocol import hookspecs
from mdprotocol.contracts import (
    PLANTABLE,
    PROPERTIES,
    Component,
    Executor,
    Fault,
    Integrator,
    Metric,
    Model,
    Property,
    Reporter,
    SystemSource,
    Teacher,
    properties,
)
from mdprotocol.errors import PluginError, asked_to_stop, in_words

KINDS: Mapping[str, type[Component]] = MappingProxyType(
    {
        "models": Model,
        "references": Teacher,
        "systems": SystemSource,
        "integrators": Integrator,
        "metrics": Metric,
        "reporters": Reporter,
        "executors": Executor,
        "faults": Fault,
    }
)
"""Kind -> base class. The hook of a kind is `mdprotocol_<kind>`."""


@dataclass(frozen=True)
class Registered:
    """A component class and the plugin that brought it."""

    kind: str
    name: str
    component: type[Component]
    origin: str


@dataclass(frozen=True)
class Registry:
    """Component classes by kind and name; immutable."""

    entries: Mapping[str, Mapping[str, Registered]]
    sources: tuple[str, ...] = ()
    """The `--plugin` and `plugins:` arguments it was built with, so that a worker process can build the same."""

    def names(self, *kinds: str) -> tuple[str, ...]:
        """Names of these kinds, sorted."""
        return tuple(sorted(name for kind in kinds for name in self.entries[kind]))

    def classes(self, *kinds: str) -> tuple[type[Component], ...]:
        """Component classes of these kinds, sorted by name."""
        found = [entry for kind in kinds for entry in self.entries[kind].values()]
        return tuple(entry.component for entry in sorted(found, key=lambda entry: entry.name))

    def __iter__(self) -> Iterator[Registered]:
        for kind in self.entries:
            yield from (self.entries[kind][name] for name in sorted(self.entries[kind]))

    def properties(self) -> tuple[Property, ...]:
        """The list of properties, and behind it those that plugins have added."""
        found: dict[Property, None] = dict.fromkeys(PROPERTIES)
        for entry in self:
            if issubclass(entry.component, Metric):
                found |= dict.fromkeys(entry.component.tests)
            elif issubclass(entry.component, Fault):
                found |= dict.fromkeys(entry.component.breaks)
        own = sorted(found.keys() - set(PROPERTIES), key=lambda one: one.name)
        return (*PROPERTIES, *own)

    def origins(self) -> tuple[str, ...]:
        """The plugins that brought something, sorted."""
        return tuple(sorted({entry.origin for entry in self}))


def build_registry(sources: Sequence[str] = (), base: Path | None = None) -> Registry:
    """Collect plugins from entry points and from `sources` (module names, or paths of a module or package folder).

    Args:
        sources: explicit plugins. They are code: the caller has already decided that they may run.
        base: folder against which relative paths are read; the working folder by default.

    Raises:
        PluginError: a plugin cannot be loaded, breaks the contract of its hook, or its name is taken.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for point in sorted(importlib.metadata.entry_points(group=hookspecs.PROJECT), key=lambda p: (p.value, p.name)):
        _register(manager, _load_entry_point(point), _origin(point))
    absolute = tuple(_absolute(source, base or Path.cwd()) for source in sources)
    for source in absolute:
        _register(manager, _load_source(source), source)
    return Registry(entries=_collect(manager), sources=absolute)


def is_local_path(source: str) -> bool:
    """Whether a plugin source names a file or folder rather than an installed module."""
    return "/" in source or "\\" in source or source.endswith(".py") or source.startswith(".")


def is_installed_plugin(source: str) -> bool:
    """Whether an installed package names this module, or a module in this package, as a plugin: then it is loaded anyway."""
    points = importlib.metadata.entry_points(group=hookspecs.PROJECT)
    return not is_local_path(source) and any(f"{point.module}.".startswith(f"{source}.") for point in points)


def _origin(point: importlib.metadata.EntryPoint) -> str:
    dist = point.dist
    return f"{dist.name} {dist.version} ({point.value})" if dist else point.value


def _load_entry_point(point: importlib.metadata.EntryPoint) -> ModuleType:
    try:
        return point.load()
    except BaseException as error:
        if asked_to_stop(error):
            raise
        raise PluginError(f"plugin {_origin(point)} cannot be loaded: {in_words(error)}") from error


def _absolute(source: str, base: Path) -> str:
    return str((base / source).resolve()) if is_local_path(source) else source


def _load_source(source: str) -> ModuleType:
    try:
        return _load_path(Path(source)) if is_local_path(source) else importlib.import_module(source)
    except PluginError:
        raise
    except BaseException as error:
        if asked_to_stop(error):
            raise
        raise PluginError(f"plugin {source} cannot be loaded: {in_words(error)}") from error


def _load_path(path: Path) -> ModuleType:
    """Import a file, or the package in a folder, under a name of its own (stable, so that workers find it again)."""
    file = path / "__init__.py" if path.is_dir() else path
    if not file.is_file():
        raise PluginError(f"plugin {path} does not exist (expected a Python file, or a folder with __init__.py)")
    name = f"mdprotocol_local_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    locations = [str(path)] if path.is_dir() else None
    spec = importlib.util.spec_from_file_location(name, file, submodule_search_locations=locations)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin {path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _register(manager: pluggy.PluginManager, module: ModuleType, origin: str) -> None:
    if manager.is_registered(module):
        return
    try:
        manager.register(module, name=origin)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginError(f"plugin {origin}: {error}") from error


def _collect(manager: pluggy.PluginManager) -> Mapping[str, Mapping[str, Registered]]:
    entries: dict[str, dict[str, Registered]] = {kind: {} for kind in KINDS}
    for kind, base in KINDS.items():
        hook = getattr(manager.hook, f"mdprotocol_{kind}")
        for implementation in hook.get_hookimpls():
            for component in _classes_of(implementation, kind, base):
                _add(entries, Registered(kind, component.type_name(), component, implementation.plugin_name))
    return MappingProxyType({kind: MappingProxyType(found) for kind, found in entries.items()})


def _classes_of(implementation: pluggy.HookImpl, kind: str, base: type[Component]) -> list[type[Component]]:
    where = f"plugin {implementation.plugin_name}, hook mdprotocol_{kind}"
    try:
        classes: list[type[Component]] = list(implementation.function())  # type: ignore[call-overload]
    except BaseException as error:
        if asked_to_stop(error):
            raise
        raise PluginError(f"{where}: {in_words(error)}") from error
    for item in classes:
        _check_class(item, base, where)
    return classes


def _check_class(item: object, base: type[Component], where: str) -> None:
    if not (isinstance(item, type) and issubclass(item, base)):
        raise PluginError(f"{where} returned {item!r}; it must return subclasses of mdprotocol.api.{base.__name__}")
    field = item.model_fields.get("type")
    if field is None or not isinstance(field.default, str):
        raise PluginError(f'{where}: {item.__name__} needs a field like `type: Literal["my_name"] = "my_name"`')
    if issubclass(item, Metric):
        _check_metric(item, f"{where}: {item.__name__}")
    if issubclass(item, Fault):
        _check_fault(item, f"{where}: {item.__name__}")
    missing = sorted(getattr(item, "__abstractmethods__", ()))
    if missing:
        raise PluginError(f"{where}: {item.__name__} does not define {', '.join(missing)}")


def _check_metric(item: type[Metric], where: str) -> None:
    if not getattr(item, "quantities", None):
        raise PluginError(f"{where} declares no `quantities`")
    _check_properties(item.tests, f"{where}, `tests`")
    for sign in item.signs:
        _check_properties((sign.breaks,), f"{where}, `signs`")
        if sign.quantity not in item.quantities:
            raise PluginError(
                f"{where}, `signs`: it has no quantity '{sign.quantity}', only {', '.join(item.quantities)}"
            )


def _check_fault(item: type[Fault], where: str) -> None:
    if not issubclass(item, PLANTABLE):
        bases = ", ".join(base.__name__ for base in PLANTABLE)
        raise PluginError(f"{where} has none of the bases that say what a fault changes: {bases}")
    if not getattr(item, "breaks", None):
        raise PluginError(f"{where} declares no property that it `breaks`")
    _check_properties(item.breaks, f"{where}, `breaks`")
    required = [name for name, info in item.model_fields.items() if info.is_required()]
    if required:
        raise PluginError(f"{where} needs a default for {', '.join(required)}")
    if item.sized is not None and item.sized.option not in item.model_fields:
        raise PluginError(f"{where}, `sized`: it has no option '{item.sized.option}'")


def _check_properties(declared: Iterable[object], where: str) -> None:
    for one in declared:
        if reason := properties.refusal(one):
            raise PluginError(f"{where}: {reason}")


def _add(entries: dict[str, dict[str, Registered]], new: Registered) -> None:
    # A model may serve as a reference and the other way round, so the two kinds share their names.
    shared = ("models", "references") if new.kind in ("models", "references") else (new.kind,)
    for kind in shared:
        taken = entries[kind].get(new.name)
        if taken is not None:
            raise PluginError(
                f"two plugins bring {new.kind[:-1]} '{new.name}': {taken.origin} and {new.origin}; remove one of them"
            )
    entries[new.kind][new.name] = new
