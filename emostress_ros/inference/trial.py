"""What runs a model in place of ONNX Runtime is tried against it before it is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from emostress_ros.inference.onnx_graph import Array

Run = Callable[[], object]
"""Runs a model on arrays that stay."""
TOLERANCE = 1e-3
"""Tells a wrong step from the rounding of a right one, where both compute with floats."""


class UnsupportedError(Exception):
    """A model holds what a kernel does not do; ONNX Runtime runs it then."""


def require(holds: bool, said: str) -> None:
    """Raise UnsupportedError, with what was said, unless it holds."""
    if not holds:
        raise UnsupportedError(said)


def off_by(ours: Run, reference: Run, outputs: Sequence[Array]) -> float:
    """Run both on what the inputs hold; return how far they are apart at most.

    Args:
        ours: is to say the same.
        reference: what runs the model otherwise.
        outputs: that both overwrite.

    Returns:
        the largest difference, of the larger of 1 and the number itself; NaN where one is NaN.
    """
    reference()
    wanted = [array.copy() for array in outputs]
    for array in outputs:
        array.fill(np.nan)
    ours()
    off = 0.0
    for found, right in zip(outputs, wanted, strict=True):
        apart = np.abs(found - right) / np.maximum(1.0, np.abs(right))
        off = float(np.max(apart, initial=off))
    return off
