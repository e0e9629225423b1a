"""Train a model; `emostress train MODALITY --help` names the options of each."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Iterator
from contextlib import contextmanager

from emostress_ros.errors import MissingExtraError

MODALITIES = ("face", "voice", "physiology", "text", "fusion")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("modality", choices=MODALITIES, help="whose model")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="options of that training")


def run(args: argparse.Namespace) -> int:
    """Hand over to the modality's training."""
    with needs_extra():
        module = importlib.import_module(f"emostress_ros.training.{args.modality}.train")
        return int(module.main(args.options))


@contextmanager
def needs_extra() -> Iterator[None]:
    """Turn a missing package of the extra ``train`` into an error that says how to mend it.

    Raises:
        MissingExtraError: names the package and the ``pip install``.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("emostress_ros"):
            raise
        raise MissingExtraError(
            f"training needs '{error.name}', which is not installed: "
            f"`pip install 'emostress_ros[train]'`"
        ) from error
