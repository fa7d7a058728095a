"""Distil PaiNN students from GFN2-xTB: `python checkpoints/distil.py data`, then `train --student NAME`. See README.md."""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import os
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
# Sums over several threads differ in the last bit, and trajectories then part: one thread, set before OpenMP is loaded.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch  # noqa: E402
from mdprotocol_plugins.painn.checkpoint import ArchitectureCard, save_checkpoint  # noqa: E402
from mdprotocol_plugins.painn.network import PaiNN  # noqa: E402

from recipe import dataset, testing, training  # noqa: E402
from recipe.batches import Data  # noqa: E402
from recipe.memory import keep_freed_memory  # noqa: E402


def main(arguments: list[str] | None = None) -> int:
    """Run one stage, or `all`."""
    args = _parser().parse_args(arguments)
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    students = [args.student] if args.student else list(training.ARCHITECTURES)
    if args.stage in ("data", "all"):
        dataset.build(args.data, args.seed, args.scale, _log)
    if args.stage in ("train", "all"):
        for student in students:
            _train(student, args)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("data", "train", "all"))
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
        _save(student, network, curve, settings, data, args)

    network, curve = training.train(student, data, settings, _log, save)
    save(network, curve)


def _save(
    student: str,
    network: PaiNN,
    curve: list[dict[str, float]],
    settings: training.Settings,
    data: Data,
    args: argparse.Namespace,
) -> None:
    facts = {
        "teacher": "GFN2-xTB",
        "seeds": {"data": args.seed, "training": settings.seed},
        "data": testing.counts(data) | {"scale": args.scale},
        "training": training.as_dict(settings),
        "curve_end": curve[-5:],
        "test": testing.errors(network, Data(args.data / "test.npz")),
        "held_out": testing.errors(network, Data(args.data / "held_out.npz")),
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "tblite", "numpy", "ase")},
        "created": time.strftime("%Y-%m-%d", time.gmtime()),
    }
    architecture = ArchitectureCard(**dataclasses.asdict(network.architecture))
    tensors = {name: tensor.detach().numpy() for name, tensor in network.state_dict().items()}
    card = save_checkpoint(args.out / f"{student}.safetensors", student, architecture, tensors, facts)
    for group in ("test", "held_out"):
        for name, error in facts[group].items():
            _log(f"{student} {group} {name}: {error}")
    _log(f"{student}: {card.parameters} parameters")


def _log(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
