"""Cut-outs of a camera image: scaled for the detector, and turned upright for the expression model.

The compiled kernel (``src/images.c``) and Pillow give the same pixels; the kernel copies less.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from emostress_ros.kernels import compiled

Pixels = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Part = tuple[int, int, int, int]
"""Of an image: left, top, right, bottom, px."""
Matrix = tuple[float, float, float, float, float, float]
"""(2, 3), row by row."""

SUPERSAMPLE = 2


def fit(image: Pixels, planes: npt.NDArray[np.float32]) -> tuple[float, float]:
    """Scale an image into the upper left of black planes, keeping its proportions.

    A large image is first reduced by a box filter: fast, and nothing aliases.

    Args:
        image: (H, W, 3) uint8 RGB.
        planes: (3, height, width) float32, written: blue, green, red, 0 … 255.

    Returns:
        the factors (x, y) from the planes back to the image.
    """
    rows, columns = image.shape[:2]
    height, width = planes.shape[1:]
    scale = min(width / columns, height / rows)
    size = (max(1, round(columns * scale)), max(1, round(rows * scale)))
    shrink = int(1 / scale + 1e-6) if scale < 1 else 1
    drawing = _compiled()
    if drawing is None or not drawing.fit(image, shrink, size, planes):
        picture = Image.fromarray(image)
        if shrink > 1:
            picture = picture.reduce(shrink)
        if picture.size != size:
            picture = picture.resize(size, Image.Resampling.BILINEAR)
        planes[:, : size[1], : size[0]] = np.asarray(picture).transpose(2, 0, 1)[::-1]
    return columns / size[0], rows / size[1]


def fit_parts(image: Pixels, parts: Sequence[Part], planes: FloatArray) -> FloatArray:
    """Scale parts of an image as :func:`fit` does, each into planes of its own.

    Args:
        image: (H, W, 3) uint8 RGB.
        parts: n of them, at least a pixel large.
        planes: (n, 3, height, width) float32, written.

    Returns:
        (n, 2) factors (x, y) from the planes back to the image.
    """
    drawing = _compiled()
    factors = np.empty((len(parts), 2), np.float32)
    if drawing is None or not drawing.fit_parts(image, parts, planes, factors):
        planes.fill(0.0)
        for row, (left, top, right, bottom) in enumerate(parts):
            factors[row] = fit(image[top:bottom, left:right], planes[row])
    return factors


def upright(image: Pixels, landmarks: FloatArray, template: FloatArray, side: int) -> Pixels | None:
    """Draw grey faces, turned so that their landmarks lie as the template's.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (n, 5, 2) px.
        template: (5, 2) px in the squares.
        side: of the squares, px.

    Returns:
        (n, side, side); None where the kernel is not installed or cannot draw one of them.
    """
    drawing = _compiled()
    return None if drawing is None else drawing.upright(image, landmarks, template, side)


def warp(image: Pixels, shrink: int, matrix: Matrix, side: int, bordered: bool) -> Pixels:
    """Draw a grey square, sampled :data:`SUPERSAMPLE` times as finely and averaged.

    Args:
        image: (H, W, 3) uint8 RGB; made grey, then reduced by a box filter.
        shrink: factor of the box filter.
        matrix: from a place in the finer square to the reduced picture.
        side: of the square, px.
        bordered: whether what lies outside the picture is of its mean level; else black.

    Returns:
        (side, side).
    """
    drawing = _compiled()
    drawn = drawing.warp(image, shrink, matrix, side, bordered) if drawing else None
    if drawn is not None:
        return drawn
    patch = Image.fromarray(image).convert("L")
    if shrink > 1:
        patch = patch.reduce(shrink)
    fine = patch.transform(
        (SUPERSAMPLE * side, SUPERSAMPLE * side), Image.Transform.AFFINE, matrix,
        Image.Resampling.BILINEAR, fillcolor=int(np.asarray(patch).mean()) if bordered else 0,
    )  # fmt: skip
    return np.asarray(fine.reduce(SUPERSAMPLE))


@dataclass(frozen=True)
class _Compiled:
    """The kernel's functions."""

    run_fit: Callable[..., int]
    run_fit_parts: Callable[..., int]
    run_warp: Callable[..., int]
    run_upright: Callable[..., int]

    def fit(
        self, image: Pixels, shrink: int, size: tuple[int, int], planes: npt.NDArray[np.float32]
    ) -> bool:
        """Return whether the kernel could do it."""
        rows, columns = image.shape[:2]
        left = (-(-columns // shrink), -(-rows // shrink))
        if not all(part < 2 * whole for part, whole in zip(left, size, strict=True)):
            return False  # a line of few pixels, scaled by another factor than its length
        image = _in_rows(image)
        return not self.run_fit(
            image.ctypes.data, image.strides[0], columns, rows, shrink, *size,
            planes.ctypes.data, planes.strides[1] // 4, planes.strides[0] // 4,
        )  # fmt: skip

    def fit_parts(
        self, image: Pixels, parts: Sequence[Part], planes: FloatArray, factors: FloatArray
    ) -> bool:
        """Return whether the kernel could do it."""
        image, places = _in_rows(image), np.array(parts, np.int32)
        height, width = planes.shape[2:]
        return not self.run_fit_parts(
            image.ctypes.data, image.strides[0], places.ctypes.data, len(parts), width, height,
            planes.ctypes.data, factors.ctypes.data,
        )  # fmt: skip

    def upright(
        self, image: Pixels, landmarks: FloatArray, template: FloatArray, side: int
    ) -> Pixels | None:
        """Return the faces; None where one cannot be drawn."""
        image, rows, columns = _in_rows(image), image.shape[0], image.shape[1]
        points = np.ascontiguousarray(landmarks, np.float32)
        wanted = np.ascontiguousarray(template, np.float64)
        out = np.empty((len(points), side, side), np.uint8)
        failed = self.run_upright(
            image.ctypes.data, image.strides[0], columns, rows, points.ctypes.data, len(points),
            wanted.ctypes.data, side, out.ctypes.data,
        )  # fmt: skip
        return None if failed else out

    def warp(
        self, image: Pixels, shrink: int, matrix: Matrix, side: int, bordered: bool
    ) -> Pixels | None:
        """Return the square; None where there is no memory."""
        image = _in_rows(image)
        out = np.empty((side, side), np.uint8)
        failed = self.run_warp(
            image.ctypes.data, image.strides[0], image.shape[1], image.shape[0], shrink,
            (ctypes.c_double * 6)(*matrix), side, bordered, out.ctypes.data,
        )  # fmt: skip
        return None if failed else out


def _in_rows(image: Pixels) -> Pixels:
    """Return the image with its pixels side by side in every row."""
    return image if image.strides[1:] == (3, 1) else np.ascontiguousarray(image)


@compiled
def _compiled(library: ctypes.CDLL) -> _Compiled:
    number, size, address = ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p
    fit_type = ctypes.CFUNCTYPE(
        ctypes.c_int, address, size, number, number, number, number, number, address, size, size
    )
    warp_type = ctypes.CFUNCTYPE(
        ctypes.c_int, address, size, number, number, number, address, number, number, address
    )
    parts_type = ctypes.CFUNCTYPE(
        ctypes.c_int, address, size, address, size, number, number, address, address
    )
    upright_type = ctypes.CFUNCTYPE(
        ctypes.c_int, address, size, number, number, address, size, address, number, address
    )
    return _Compiled(
        fit_type(("emostress_fit", library)),
        parts_type(("emostress_fit_parts", library)),
        warp_type(("emostress_warp", library)),
        upright_type(("emostress_upright", library)),
    )
