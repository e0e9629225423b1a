"""Values of the options that a training is given, checked as they are read.

What is out of range ends the command with one line that names the option, what is allowed and what
came, before any data are read::

    add("--lr", type=number(above=0.0), default=0.1)
    emostress train face: error: argument --lr: must be a number above 0; got -0.1
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from emostress_ros.errors import ParameterError
from emostress_ros.training.devices import AUTO, CUDA, DEVICES, gpus, local_processes


def whole(least: int = 0) -> Callable[[str], int]:
    """Return what reads a whole number.

    Args:
        least: smallest one that is allowed.
    """

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(
                f"must be a whole number, at least {least}; got {text}"
            )
        return value

    return read


def number(
    least: float = 0.0, most: float = math.inf, *, above: float | None = None
) -> Callable[[str], float]:
    """Return what reads a number.

    Args:
        least: smallest one that is allowed.
        most: largest one that is allowed.
        above: the number has to be above this, in place of ``least``.
    """
    allowed = f"at least {least:g}" if above is None else f"above {above:g}"
    allowed += "" if math.isinf(most) else f" and at most {most:g}"

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        good = value >= least if above is None else value > above
        if not (good and value <= most and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f"must be a number {allowed}; got {text}")
        return value

    return read


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    return number(0.0, 1.0)(text)


def device(text: str) -> str:
    """Read the name of a device; ``cuda`` is refused where there is none for each process."""
    if text not in DEVICES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(DEVICES)}; got {text}")
    if text == CUDA:
        _enough_gpus()
    return text


def _enough_gpus() -> None:
    try:
        there = gpus()
    except ModuleNotFoundError as error:
        raise argparse.ArgumentTypeError(
            "cuda needs torch, which is not installed: `pip install 'emostress_ros[train]'`"
        ) from error
    wanted = local_processes()
    if there < wanted:
        found = f"there are {there} for {wanted} processes" if there else "there is none"
        raise argparse.ArgumentTypeError(
            f"cuda needs a GPU that torch can use, and {found} here; take cpu, or auto, which "
            f"trains on a GPU where there is one"
        )


def add_device(parser: argparse.ArgumentParser, default: str | None = AUTO) -> None:
    """Declare ``--device``; what it names has to be told to :func:`.devices.use`."""
    parser.add_argument(
        "--device",
        type=device,
        default=default,
        metavar="|".join(DEVICES),
        help="what networks train on; auto: a GPU where torch finds one, else the CPU",
    )


def kept(checkpoint: Path, flag: str = "--work") -> None:
    """Refuse to go on with a training of which nothing was kept.

    Args:
        checkpoint: where it would be.
        flag: option that names its folder.

    Raises:
        ParameterError: it is not there.
    """
    if not checkpoint.is_file():
        raise ParameterError(
            f"--resume: there is no {checkpoint} to go on with; name the folder of the training "
            f"with {flag}, or begin anew without --resume"
        )
