"""Reads the maps of the face detector's net: boxes and landmarks, one of each face.

A compiled kernel (``src/faces.c``) does it where it is installed, numpy elsewhere; a test holds the
two together.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from emostress_ros.kernels import compiled
from emostress_ros.modalities.face.boxes import Faces, FloatArray, suppress

STRIDES = (8, 16, 32)
_VALUES = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}  # maps of the net, and values a cell
_COLUMNS = 15  # of a face that the kernel found: box, landmarks, score
_Owners = npt.NDArray[np.intp]
Reader = Callable[[FloatArray], tuple[Faces, _Owners]]


class Decoder:
    """Turns the net's maps into faces.

    Args:
        names: of the net's outputs, in their order: ``cls_8``, ``cls_16`` and so on.
        width: of the net's input, px.
        height: see ``width``.
        score: least score, [0, 1].
        overlap: of two boxes with a greater IoU the lower-scored goes.
    """

    def __init__(
        self, names: Sequence[str], width: int, height: int, score: float, overlap: float
    ) -> None:
        self._places = [[names.index(f"{name}_{stride}") for name in _VALUES] for stride in STRIDES]
        self._size, self._limits = (width, height), (score, overlap)
        self._grid, self._stride = _anchors(width, height)

    def reader(self, outputs: Sequence[npt.NDArray[np.float32]], count: int) -> Reader:
        """Return what reads maps that stay where they are.

        Args:
            outputs: of the net, contiguous: the cells of one image after those of another.
            count: images, >= 1.

        Returns:
            what takes where each image lies, (count, 6): factors (x, y) from pixels of the net's
            input to those of the image that it is a part of, then left, top, right and bottom of
            that part.  It gives the faces in pixels of the image, those of one part after those of
            another, the best of a part first, and the number of the part of each.
        """
        maps = [[outputs[place] for place in row] for row in self._places]
        every = [values for row in maps for values in row]
        addresses = (ctypes.c_void_p * len(every))(*[values.ctypes.data for values in every])
        faces = np.empty((count * len(self._grid), _COLUMNS), np.float32)
        owners = np.empty(len(faces), np.intp)
        rooms = faces.ctypes.data, owners.ctypes.data

        def read(placed: FloatArray) -> tuple[Faces, _Owners]:
            run = _compiled()
            if run is None:
                found, whose = self._by_numpy(maps, count)
                return _placed(found, placed[whose]), whose
            kept = run(addresses, count, *self._size, *self._limits, placed.ctypes.data, *rooms)
            rows = faces[:kept].copy()
            return (
                Faces(rows[:, :4], rows[:, 4:14].reshape(-1, 5, 2), rows[:, 14]),
                owners[:kept].copy(),
            )

        return read

    def _by_numpy(self, maps: list[list[npt.NDArray]], count: int) -> tuple[Faces, _Owners]:
        score, overlap = self._limits
        cls, obj, bbox, kps = (
            np.concatenate([row[place].reshape(count, -1, size) for row in maps], axis=1)
            for place, size in enumerate(_VALUES.values())
        )
        scores = np.sqrt(np.clip(cls[..., 0], 0, 1) * np.clip(obj[..., 0], 0, 1))
        owners, cell = np.nonzero(scores >= score)
        grid, stride = self._grid[cell], self._stride[cell, None]
        sides, scores = bbox[owners, cell], scores[owners, cell]
        centre = (grid + sides[:, :2]) * stride
        half = np.exp(np.minimum(sides[:, 2:], 8.0)) * stride / 2
        boxes = np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)
        points = kps[owners, cell].reshape(-1, 5, 2)
        landmarks = ((points + grid[:, None]) * stride[:, None]).astype(np.float32)
        kept = []
        for number in range(count):
            rows = np.flatnonzero(owners == number)
            kept.append(rows[suppress(boxes[rows], scores[rows], overlap)])
        chosen = np.concatenate(kept)
        return Faces(boxes, landmarks, scores)[chosen], owners[chosen]


def _placed(faces: Faces, placed: FloatArray) -> Faces:
    """Return (n) faces in pixels of an image that (n, 6) tell of, see :meth:`Decoder.reader`."""
    factors, low, high = (placed[:, None, part] for part in (slice(2), slice(2, 4), slice(4, 6)))
    corners = faces.boxes.reshape(-1, 2, 2) * factors + low
    inside = np.minimum(np.maximum(corners, low), high)
    return Faces(inside.reshape(-1, 4), faces.landmarks * factors + low, faces.scores)


def _anchors(width: int, height: int) -> tuple[FloatArray, FloatArray]:
    """Return the cells (column, row) of all strides, (n, 2), and the stride of each, (n,)."""
    cells, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full(len(cells[-1]), stride))
    return (
        np.concatenate(cells).astype(np.float32),
        np.concatenate(strides).astype(np.float32),
    )


@compiled
def _compiled(library: ctypes.CDLL) -> Callable[..., int]:
    count, side, share, address = ctypes.c_int64, ctypes.c_int32, ctypes.c_float, ctypes.c_void_p
    kind = ctypes.CFUNCTYPE(
        count, address, count, side, side, share, share, address, address, address
    )
    return kind(("emostress_faces", library))
