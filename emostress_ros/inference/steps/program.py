"""Steps run by the compiled kernels: one call of a few microseconds for the whole network."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from emostress_ros.inference.onnx_graph import Array
from emostress_ros.inference.steps.step import Code, Step
from emostress_ros.inference.trial import UnsupportedError
from emostress_ros.kernels import compiled

_AXES, _COLUMNS = 5, 16  # GRAPH_AXES, GRAPH_COLUMNS of src/small_graph.h
_ITEM = 4  # bytes of a float
_ALONG_LAST = (Code.SOFTMAX, Code.SUM, Code.NORM)
_Axes = ctypes.c_int64 * _AXES


class _GraphStep(ctypes.Structure):
    """``struct graph_step`` of ``src/small_graph.h``."""

    _fields_ = (
        ("code", ctypes.c_int64),
        ("a", ctypes.c_void_p),
        ("b", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("sizes", _Axes),
        ("a_strides", _Axes),
        ("b_strides", _Axes),
        ("out_strides", _Axes),
        ("low", ctypes.c_double),
        ("high", ctypes.c_double),
        ("filled", ctypes.c_void_p),
    )


class Program:
    """Steps that are run in order, again and again, on the arrays that they name.

    One thread at a time.  The interpreter's lock is kept: to give it away and to get it back takes
    longer than the run.

    Args:
        steps: whose arrays are kept.

    Raises:
        UnsupportedError: the kernels are not installed.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        run = _compiled_run()
        if run is None:
            raise UnsupportedError("no compiled kernels are installed")
        filled = [_filled_rows(step) for step in steps]
        self._kept = (steps, filled)
        self._steps = (_GraphStep * len(steps))(*map(_packed, steps, filled))
        self._call = lambda: run(self._steps, len(steps))

    def __call__(self) -> None:
        """Run on what the inputs hold now."""
        self._call()


def _packed(step: Step, filled: npt.NDArray[np.int32] | None) -> _GraphStep:
    sizes, strides = _laid_out(step)
    a, b, out = (_Axes(*of_operand) for of_operand in strides)
    return _GraphStep(
        step.code, step.a.ctypes.data, None if step.b is None else step.b.ctypes.data,
        step.out.ctypes.data, _Axes(*sizes), a, b, out, step.low, step.high,
        None if filled is None else filled.ctypes.data,
    )  # fmt: skip


def _laid_out(step: Step) -> tuple[list[int], list[list[int]]]:
    """Return the sizes of a step's five axes, and the strides of its three arrays along them."""
    if step.code is Code.MATMUL:
        axes = list(_axes_of_product(step))
    else:
        shape = np.broadcast_shapes(step.a.shape, *[] if step.b is None else [step.b.shape])
        arrays = (step.a, step.a if step.b is None else step.b, step.out)
        axes = _joined(
            list(zip(shape, *(_strides(array, shape) for array in arrays), strict=True)),
            step.code in _ALONG_LAST,
        )
    axes = [(1, 0, 0, 0)] * (_AXES - len(axes)) + axes
    size, *strides = map(list, zip(*axes, strict=True))
    return size, strides


_Axis = tuple[int, int, int, int]  # its size, and the strides of a, b and out in floats


def _strides(array: Array, shape: tuple[int, ...]) -> Iterator[int]:
    """Yield an array's strides in floats, 0 along axes that it is spread over."""
    missing = len(shape) - array.ndim
    for place, size in enumerate(shape):
        own = array.shape[place - missing] if place >= missing else 1
        yield 0 if own == 1 or size == 1 else array.strides[place - missing] // _ITEM


def _axes_of_product(step: Step) -> Iterator[_Axis]:
    a, b, out = step.a, step.b, step.out
    assert b is not None
    batch = out.shape[:-2]
    of_a, of_b, of_out = (
        list(_strides(array, (*batch, *array.shape[-2:]))) for array in (a, b, out)
    )
    yield from zip(batch, of_a, of_b, of_out[: len(batch)], strict=False)
    yield a.shape[-2], of_a[-2], 0, of_out[-2]
    # A column that stands alone may be called a neighbour.
    yield b.shape[-1], 0, of_b[-1] if b.shape[-1] > 1 else 1, of_out[-1] if b.shape[-1] > 1 else 1
    yield a.shape[-1], of_a[-1], of_b[-2], 0


def _joined(axes: list[_Axis], apart: bool) -> list[_Axis]:
    """Return as few axes as do: those of size 1 go, neighbours that lie in one row become one.

    Args:
        axes: from the outermost.
        apart: the last one stays as it is.
    """
    last = [axes.pop()] if apart else []
    found: list[_Axis] = []
    for axis in axes:
        if axis[0] == 1:
            continue
        if found and found[-1][1:] == tuple(axis[0] * stride for stride in axis[1:]):
            axis = (found.pop()[0] * axis[0], *axis[1:])
        found.append(axis)
    return found + last or [(1, 0, 0, 0)]


def _filled_rows(step: Step) -> npt.NDArray[np.int32] | None:
    """Return (N // 16, 2) first and last row that is not zero, for 16 columns each of a product.

    Adapters of the encoders lie on a diagonal of one large matrix, most of which is zero.
    """
    if step.code is not Code.MATMUL or not step.fixed or step.b is None or step.b.ndim != 2:
        return None
    ranges = []
    for start in range(0, step.b.shape[1] - _COLUMNS + 1, _COLUMNS):
        rows = np.flatnonzero(step.b[:, start : start + _COLUMNS].any(axis=1))
        ranges.append((rows[0], rows[-1] + 1) if len(rows) else (0, 0))
    return np.array(ranges, np.int32)


@compiled
def _compiled_run(library: ctypes.CDLL) -> Callable[[ctypes.Array[_GraphStep], int], None]:
    steps = ctypes.POINTER(_GraphStep)
    kind = ctypes.PYFUNCTYPE(None, steps, ctypes.c_int64)
    return kind(("emostress_graph", library))
