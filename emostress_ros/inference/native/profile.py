"""The sizes that an engine is built for: TensorRT wants a least, a usual and a largest of each."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from emostress_ros.errors import ProviderError
from emostress_ros.inference.card import ModelCard, Sizes

BATCH = Sizes(1, 1, 32)
"""Faces or people in one run, where the card says nothing else; more are run in parts."""

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Profile:
    """Sizes of one input, (least, usual, largest) of each axis; a fixed axis has three alike."""

    axes: tuple[Sizes, ...]

    @property
    def least(self) -> Shape:
        """The smallest shape."""
        return tuple(axis.least for axis in self.axes)

    @property
    def usual(self) -> Shape:
        """The shape that kernels are chosen for."""
        return tuple(axis.usual for axis in self.axes)

    @property
    def most(self) -> Shape:
        """The largest shape."""
        return tuple(axis.most for axis in self.axes)

    @property
    def varies(self) -> bool:
        """Whether any axis may vary."""
        return self.least != self.most


def profile_of(name: str, shape: Sequence[int], card: ModelCard | None = None) -> Profile:
    """Return the sizes of an input.

    Args:
        name: of the input.
        shape: as the network has it, -1 where it varies.
        card: names the axes, and under ``axes`` how large they may be.

    Raises:
        ProviderError: an axis that is not the batch varies, and nothing says between what.
    """
    names: Sequence[int | str] = next(
        (tensor.shape for tensor in card.inputs if tensor.name == name) if card else iter(()), ()
    )
    ranges = card.axes if card else {}
    axes = []
    for place, size in enumerate(shape):
        axis = str(names[place]) if place < len(names) else ""
        if size >= 0:
            axes.append(Sizes(size, size, size))
        elif axis in ranges:
            axes.append(ranges[axis])
        elif place == 0:
            axes.append(BATCH)
        else:
            raise ProviderError(
                f"axis {place}{f' ({axis})' if axis else ''} of the input '{name}' may have any "
                "size, and TensorRT wants a least, usual and largest: the card's `axes` names none"
            )
    return Profile(tuple(axes))


def profile_digest(ranges: Mapping[str, Sizes]) -> str:
    """Return a hash of what a card says of its axes: an engine is good for these alone."""
    told = {name: [item.least, item.usual, item.most] for name, item in ranges.items()}
    text = json.dumps([told, [BATCH.least, BATCH.usual, BATCH.most]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]
