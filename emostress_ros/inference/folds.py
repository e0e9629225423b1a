"""A fold's model folder carries the inputs that it never learned from: ``held_out.npz``.

Where the shipped weights learned from everybody, the networks of a cross-validation stand in for
them: each is a model folder of its own, and together they answer for every person.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ModelNotFoundError

HELD_OUT = "held_out.npz"


@dataclass(frozen=True)
class HeldOut:
    """What a fold is judged on.

    Attributes:
        feeds: inputs of N items, each by the names of the model's inputs, first axis of one.
        truth: (N,) class indices.
        persons: (N,) whom each comes from; none of them is in the fold's training.
    """

    feeds: list[dict[str, npt.NDArray[Any]]]
    truth: npt.NDArray[np.int64]
    persons: list[str]


def save_held_out(
    folder: Path,
    feeds: Sequence[Mapping[str, npt.NDArray[Any]]],
    truth: Sequence[int] | npt.NDArray[np.int64],
    persons: Sequence[str],
) -> None:
    """Write ``held_out.npz`` into a model folder; see :class:`HeldOut`."""
    arrays: dict[str, Any] = {
        f"{i}/{name}": value for i, feed in enumerate(feeds) for name, value in feed.items()
    }
    names = np.frombuffer(json.dumps(list(persons)).encode(), np.uint8)
    np.savez(folder / HELD_OUT, truth=np.asarray(truth, np.int64), persons=names, **arrays)


def load_held_out(folder: Path) -> HeldOut:
    """Read what :func:`save_held_out` wrote.

    Raises:
        ModelNotFoundError: there is no such file.
    """
    file = folder / HELD_OUT
    if not file.is_file():
        raise ModelNotFoundError(f"{folder} is no fold: it has no {HELD_OUT}")
    with np.load(file) as held:
        truth = held["truth"]
        feeds: list[dict[str, npt.NDArray[Any]]] = [{} for _ in truth]
        for key in held.files:
            number, mark, name = key.partition("/")
            if mark:
                feeds[int(number)][name] = held[key]
        return HeldOut(feeds, truth, list(json.loads(held["persons"].tobytes())))
