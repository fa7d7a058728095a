"""Options that several commands share, and what they mean for the app."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from mdprotocol import app
from mdprotocol.consent import Consent, grant, granted


def add_protocol(parser: argparse.ArgumentParser) -> None:
    """PROTOCOL and what goes with it."""
    parser.add_argument("protocol", type=Path, metavar="PROTOCOL", help="the YAML protocol")
    add_loading(parser)


def add_results(parser: argparse.ArgumentParser, name: str = "results") -> None:
    """RESULTS, a folder that `run` wrote."""
    parser.add_argument(name, type=Path, metavar=name.upper(), help="a results folder")


def add_loading(parser: argparse.ArgumentParser) -> None:
    """--set, --plugin, --allow-local-plugins, --allow-commands."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", dest="overrides", help="override a protocol's value"
    )
    parser.add_argument("--plugin", action="append", default=[], metavar="PATH|MODULE", help="load a plugin")
    parser.add_argument(
        Consent.LOCAL_PLUGINS.flag,
        action="store_true",
        help="import code that the protocol names and that no installed plugin brings: a path, a module of your own",
    )
    parser.add_argument(
        Consent.COMMANDS.flag, action="store_true", help="let the protocol's calculators start other programs"
    )


def source(args: argparse.Namespace) -> app.Source:
    """What to read, from the arguments of `add_protocol`."""
    return loading(app.Source(args.protocol), args)


def loading(base: app.Source, args: argparse.Namespace) -> app.Source:
    """`base` with the arguments of `add_loading`; what they allow holds for this process and its workers."""
    for what, given in ((Consent.LOCAL_PLUGINS, args.allow_local_plugins), (Consent.COMMANDS, args.allow_commands)):
        if given:
            grant(what)
    return dataclasses.replace(
        base,
        overrides=tuple(args.overrides),
        plugins=tuple(args.plugin),
        allow_local=lambda name: granted(Consent.LOCAL_PLUGINS) or _ask(name),
    )


def _ask(name: str) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()) or "CI" in os.environ:
        return False
    print(f"The protocol wants to run plugin code from '{name}'. Run it? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
