"""The protocol: YAML with positions, validated against the registered plugins; its JSON Schema; its resolved dump."""

from mdprotocol.protocol.document import Document, read_document
