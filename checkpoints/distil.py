"""Distil PaiNN students from GFN2-xTB: `python checkpoints/distil.py data`, then `train --student NAME` (README.md)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
# Sums over several threads differ in the last bit, and trajectories then part: one thread, set before OpenMP is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from recipe import card, dataset, training  # noqa: E402
from recipe.batches import Data  # noqa: E402
from recipe.memory import keep_freed_memory  # noqa: E402

from mdprotocol_plugins.models.painn.network import PaiNN  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run one stage, or `all`: data, train and test."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    students = [args.student] if args.student else list(training.ARCHITECTURES)
    if args.stage in ("data", "all"):
        dataset.build(args.data, args.seed, args.scale, _log)
    for student in students:
        if args.stage in ("train", "all"):
            _train(student, args)
        if args.stage in ("test", "all"):
            _test(student, args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("data", "train", "test", "all"))
    parser.add_argument("--student", choices=list(training.ARCHITECTURES), help="all three where absent")
    parser.add_argument("--data", type=Path, default=HERE / "data", help="folder of the data set")
    parser.add_argument("--out", type=Path, default=HERE, help="folder of the checkpoints")
    parser.add_argument("--scale", type=float, default=1.0, help="size of the data set")
    parser.add_argument("--steps", type=int, help="training steps (the recipe's where absent)")
    parser.add_argument("--seed", type=int, default=2026, help="seed of the data set")
    parser.add_argument("--threads", type=int, default=1)
    return parser


def _train(student: str, args: argparse.Namespace) -> None:
    data = Data(args.data / "train.npz")
    settings = training.settings_for(student, args.steps)
    args.out.mkdir(parents=True, exist_ok=True)

    def save(network: PaiNN, curve: list[dict[str, float]]) -> None:
        known = card.facts(network, data, args.data, settings, curve, args.seed, args.scale)
        card.write(args.out / f"{student}.safetensors", student, network, known)

    network, curve = training.train(student, data, settings, _log, save)
    save(network, curve)


def _test(student: str, args: argparse.Namespace) -> None:
    known, network = card.read(args.out / f"{student}.safetensors")
    _log(f"{student}: {known.parameters} parameters")
    for group, errors in card.tests(network, args.data).items():
        _show(f"{student} {group}", errors)


def _show(heading: str, errors: Mapping[str, Mapping[str, float]]) -> None:
    for name, error in errors.items():
        _log(f"{heading} {name}: " + ", ".join(f"{key} {value:g}" for key, value in error.items()))


def _log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
