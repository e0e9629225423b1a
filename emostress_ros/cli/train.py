"""Train a model; `emostress train MODALITY --help` names the options of each."""

from __future__ import annotations

import argparse
import importlib

from emostress_ros.errors import MissingExtraError

MODALITIES = ("face", "voice", "physiology", "text")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("modality", choices=MODALITIES)
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of that training")


def run(args: argparse.Namespace) -> int:
    """Hand over to the modality's training."""
    try:
        module = importlib.import_module(f"emostress_ros.training.{args.modality}")
        return int(module.main(args.options))
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("emostress_ros"):
            raise
        raise MissingExtraError(
            f"training needs '{error.name}', which is not installed: "
            f"`pip install 'emostress_ros[train]'`"
        ) from error
