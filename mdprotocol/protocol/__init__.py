"""The protocol: YAML with positions, validated against the registered plugins; its JSON Schema; its resolved dump."""

from mdprotocol.protocol.document import Document, read_document
from mdprotocol.protocol.dump import dump
from mdprotocol.protocol.export import json_schema
from mdprotocol.protocol.moving import moved
from mdprotocol.protocol.validate import validate

__all__ = ["Document", "dump", "json_schema", "moved", "read_document", "validate"]
