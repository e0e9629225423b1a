"""Train and compare a modality's models under both splits, and write what came out."""

from __future__ import annotations

import argparse
import importlib
import shlex
from pathlib import Path
from typing import Any

from emostress_ros.cli.train import MODALITIES, needs_extra
from emostress_ros.training.devices import use
from emostress_ros.training.options import add_device, whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    work = Path.home() / ".cache/emostress/study"
    parser.add_argument(
        "modality",
        choices=[name for name in MODALITIES if name != "fusion"],
        help="the study of the fusions is written by `emostress train fusion`",
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="folder of the modality's data sets"
    )
    parser.add_argument(
        "--quick", action="store_true", help="a small study, in less than ten minutes on two cores"
    )
    parser.add_argument("--seed", type=whole(), default=0, help="of everything random (0)")
    parser.add_argument(
        "--out", type=Path, default=Path("docs/studies"), metavar="DIR",
        help="folder of what is written (docs/studies)",
    )  # fmt: skip
    parser.add_argument(
        "--models", default="", metavar="A,B", help="these architectures alone; all when not given"
    )
    parser.add_argument(
        "--work", type=Path, default=work, metavar="DIR",
        help="entries and caches, so that a study goes on where it stopped (%(default)s)",
    )  # fmt: skip
    add_device(parser)
    parser.add_argument("--no-progress", action="store_true", help="show no bars")


def run(args: argparse.Namespace) -> int:
    """Compare, write, and print where the page is."""
    with needs_extra():
        study = importlib.import_module("emostress_ros.training.study")
        module = importlib.import_module(f"emostress_ros.training.{args.modality}.study")
    use(args.device)
    options = study.StudyOptions(
        data=args.data,
        quick=args.quick,
        seed=args.seed,
        models=tuple(name.strip() for name in args.models.split(",") if name.strip()),
        work=args.work,
        progress=not args.no_progress,
        command=_command(args),
    )
    with needs_extra():
        done: Any = module.study(options)
    print(study.write(done, args.out))
    return 0


def _command(args: argparse.Namespace) -> str:
    """The words that repeat the study; where its files lie does not matter to it."""
    words = ["emostress", "study", args.modality, "--data", str(args.data)]
    words += ["--quick"] if args.quick else []
    words += ["--models", args.models] if args.models else []
    return shlex.join([*words, "--seed", str(args.seed)])
