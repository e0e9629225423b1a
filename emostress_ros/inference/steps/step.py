"""What a small network is run as: arithmetic over arrays that stay."""

from __future__ import annotations

import enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


class Code(enum.IntEnum):
    """What a step does; the order is that of ``graph_code`` in ``src/small_graph.h``."""

    COPY = 0
    ADD = 1
    SUB = 2
    MUL = 3
    DIV = 4
    RELU = 5
    SIGMOID = 6
    SQRT = 7
    CLIP = 8
    ERF = 9
    SOFTPLUS = 10
    ABS = 11
    SOFTMAX = 12
    SUM = 13
    NORM = 14
    MATMUL = 15


class Step(NamedTuple):
    """One step.

    Attributes:
        code: what is done.
        a: first operand; it broadcasts with ``b``.  Of a sum, a norm and a softmax the last axis
            is the one that is gone along, of a product (..., M, K).
        b: second operand, of a product (..., K, N); None where there is one.
        out: result, of the operands' broadcast shape; of a sum and a norm of size 1 along the last
            axis, of a product (..., M, N).
        low: least of a clip; the factor of a sum.
        high: greatest of a clip.
        fixed: ``b`` stays as it is.
    """

    code: Code
    a: FloatArray
    b: FloatArray | None
    out: FloatArray
    low: float = 1.0
    high: float = 0.0
    fixed: bool = False
