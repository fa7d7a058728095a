"""The resolved protocol as YAML: every default written out, read back to an equal protocol."""

from __future__ import annotations

from typing import Any

import yaml

from mdprotocol.protocol.loader import PlainLoader
from mdprotocol.protocol.schema import Protocol


class _Dumper(yaml.SafeDumper):
    """Safe dumper that quotes exactly what our loader would read as something other than text; no aliases."""

    yaml_implicit_resolvers = PlainLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_float(dumper: _Dumper, value: float) -> yaml.ScalarNode:
    # PyYAML writes 1e-05 as "1.0e-05"; repr is shortest and exact, and our loader reads it.
    return dumper.represent_scalar("tag:yaml.org,2002:float", repr(value))


_Dumper.add_representer(float, _represent_float)


def dump(protocol: Protocol) -> str:
    """YAML of the resolved protocol; `validate(read_document(file), registry)` gives an equal one."""
    plain = {key: value for key, value in protocol.plain().items() if key not in ("extends", "replaces")}
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
