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
    """Read the name of a device of torch's that is there."""
    import torch

    there = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    if text.split(":")[0] not in there:
        raise argparse.ArgumentTypeError(f"there is {' and '.join(there)} here; got {text}")
    return text


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
