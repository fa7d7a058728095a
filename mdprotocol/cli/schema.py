"""mdprotocol schema: the JSON Schema of a protocol with every registered plugin's options."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("schema", help="print the JSON Schema of a protocol", description=__doc__)
    parser.add_argument("--plugin", action="append", default=[], metavar="PATH|MODULE", help="load a plugin")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write it there")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> int:
    """Print or write it."""
    from mdprotocol.protocol import json_schema  # what stands here is not for the other commands to wait for
    from mdprotocol.registry import build_registry

    text = json.dumps(json_schema(build_registry(args.plugin)), indent=2, ensure_ascii=False) + "\n"
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    return 0
