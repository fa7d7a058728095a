"""Where a protocol comes from: read, checked against the plugins that it may use; and results folders that exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mdprotocol.consent import Consent
from mdprotocol.errors import ProtocolError, UsageError
from mdprotocol.protocol import Document, read_document, validate
from mdprotocol.protocol.schema import Protocol
from mdprotocol.registry import Registry, build_registry, is_installed_plugin, is_local_path
from mdprotocol.store import ResultsFolder


@dataclass(frozen=True)
class Source:
    """Where a protocol comes from, and what the caller allows it to load.

    Attributes:
        path: the YAML file.
        overrides: `--set` arguments, `path=value`.
        plugins: `--plugin` arguments (modules or paths), already allowed by the user who typed them.
        allow_local: decides on each entry of the protocol's own `plugins:` list that no installed plugin brings, because
            importing it runs it.
    """

    path: Path
    overrides: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    allow_local: Callable[[str], bool] = lambda source: False


@dataclass(frozen=True)
class Prepared:
    """A protocol read and validated against the plugins it may use."""

    document: Document
    registry: Registry
    protocol: Protocol

    @property
    def base(self) -> Path:
        return self.document.base


def prepare(source: Source, *, files: bool = False) -> Prepared:
    """Read a protocol: document, then plugins, then validation.

    Args:
        files: the models' files must exist too; judging needs none of them.

    Raises:
        ProtocolError: with every problem and its place; first of all where the protocol wants plugin code that is not
            installed and that the caller does not allow.
    """
    document = read_document(source.path, overrides=source.overrides)
    registry = build_registry([*source.plugins, *_allowed(document, source)])
    return Prepared(document, registry, validate(document, registry, files=files))


def _allowed(document: Document, source: Source) -> list[str]:
    problems = [
        document.problem(("plugins", place), _refusal(name))
        for place, name in enumerate(document.plugins)
        if not (is_installed_plugin(name) or name in source.plugins or source.allow_local(name))
    ]
    if problems:
        raise ProtocolError(problems)
    return [str(document.base / name) if is_local_path(name) else name for name in document.plugins]


def _refusal(name: str) -> str:
    flag = Consent.LOCAL_PLUGINS.flag
    if is_local_path(name):
        return f"the protocol loads plugin code from the local path '{name}'; look at it, then add {flag}"
    return (
        f"the protocol imports the module '{name}' as a plugin, but no installed package names it in its entry points "
        f"(group 'mdprotocol'); install the plugin, or look at the module and add {flag}"
    )


def stored(results: Path, overrides: tuple[str, ...] = (), plugins: tuple[str, ...] = ()) -> Source:
    """The protocol kept in a results folder; what is not installed is refused unless the caller replaces `allow_local`."""
    return Source(existing(results).root / "protocol.yaml", overrides, plugins)


def existing(results: Path) -> ResultsFolder:
    if not (results / "protocol.yaml").is_file():
        raise UsageError(f"{results} is not a results folder (it has no protocol.yaml)")
    return ResultsFolder(results)
