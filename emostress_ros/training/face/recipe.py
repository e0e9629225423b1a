"""What a training of a face network was: its command, its data, and those of its teachers."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from emostress_ros.errors import DatasetError
from emostress_ros.training import common
from emostress_ros.training.face.mobilenet import PACKAGE
from emostress_ros.training.weights import parameter_count

_RECIPE = {
    "arch": "resnet_small", "batch": 128, "lr": 0.1, "optimizer": "sgd", "body_lr": 1.0,
    "ema": 0.999, "weight_decay": 5e-4, "smoothing": 0.05, "mixup": 0.0, "distil": 0.8,
    "own_label": 0.3,
    "balance": 0.0, "patience": 0, "stop_after": 0,
    "full_side": False, "flip": False, "half": False, "side": 0,
}  # fmt: skip
"""Options that decide what comes out, and their defaults."""
_THEN, _ALONE = " && ", " --no-export"
_START = "human-models/package"


def run_folder(options: argparse.Namespace) -> Path:
    """Return where a training keeps its checkpoint and log."""
    folder: Path | None = options.work
    return folder or Path("runs") / f"face_{options.arch}_s{options.seed}"


def command_of(options: argparse.Namespace, epochs: int) -> str:
    """Return the command that trains the network again; runs lie in ``runs/``.

    A run that was limited by time is written down as the number of epochs that it came to: the
    schedule is the same.
    """
    words = ["emostress", "train", "face", "--data", "DIR", "--epochs", str(epochs)]
    for name, default in _RECIPE.items():
        value = getattr(options, name)
        if value == default and name != "arch":
            continue
        flag = f"--{name.replace('_', '-')}"
        words += [flag] if value is True else [flag, f"{value:g}" if default and isinstance(
            value, float) else str(value)]  # fmt: skip
    words += ["--seed", str(options.seed), "--work", f"runs/{run_folder(options).name}"]
    words += ["--pretrained", _START] if options.pretrained else []
    words += ["--initial", _placed(options.initial)] if options.initial else []
    for name in ("teachers", "refine", "average"):
        checkpoints = getattr(options, name)
        words += [f"--{name}", *map(_placed, checkpoints)] if checkpoints else []
    return shlex.join(words)


def chain_of(options: argparse.Namespace, epochs: int) -> str:
    """Return the commands of everything that a training rests on, then its own."""
    earlier = (step for state in forerunners(options) for step in state["command"].split(_THEN))
    steps = [step.removesuffix(_ALONE) + _ALONE for step in earlier]
    return _THEN.join([*dict.fromkeys(steps), command_of(options, epochs)])


def _placed(checkpoint: Path) -> str:
    return f"runs/{checkpoint.resolve().parent.name}/{checkpoint.name}"


def forerunners(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield the checkpoints that a training learns from or starts from, each once.

    Raises:
        DatasetError: one was trained with another seed: it saw faces that are held out here.
    """
    initial = [options.initial] if options.initial else []
    paths = dict.fromkeys([*options.teachers, *options.refine, *initial, *options.average])
    for path in paths:
        state = common.load_checkpoint(path)
        if state["seed"] != options.seed:
            raise DatasetError(
                f"{path} was trained with --seed {state['seed']}, so it knows faces that --seed "
                f"{options.seed} holds out; give it the same seed"
            )
        yield state


def training_of(net: nn.Module, options: argparse.Namespace, log: Path) -> dict[str, Any]:
    """Return the card's ``training``.

    Args:
        net: the trained network.
        options: those of the training.
        log: ``log.csv`` of the run.
    """
    rows = common.CsvLog(log, resume=True).read()
    epochs = int(max(rows.get("epoch", [options.epochs])))
    return {
        "command": chain_of(options, epochs),
        "seed": options.seed,
        "split": "FER2013 usage Training; 8 % of it held out for calibration; exact and near "
        "duplicates of PublicTest and of the held-out part dropped",
        "architecture": options.arch,
        "parameters": parameter_count(net),
    }


def recognition_data(options: argparse.Namespace) -> list[dict[str, str]]:
    """Return the card's entry for the start weights, where the network or a forerunner had them."""
    from_start = options.pretrained or any(state["pretrained"] for state in forerunners(options))
    if not from_start:
        return []
    return [
        {
            "name": "VGGFace2 (Cao et al., FG 2018), by way of the start weights HSE-FaceRes "
            f"(Savchenko, SISY 2021; npm {PACKAGE})",
            "licence": "weights: MIT (package); images: research use",
            "persons": "9131 in VGGFace2; not known to FER2013",
            "use": "face recognition, before this training",
        }
    ]
