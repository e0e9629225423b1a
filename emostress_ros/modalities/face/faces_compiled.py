"""The compiled kernel for what is read from upright faces besides their expression.

``src/mouths.c``; where it is not installed :mod:`.mouth` and :mod:`.quality` use numpy.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.kernels import compiled

FloatArray = npt.NDArray[np.float64]
SIDE = 48
MOUTH_SHAPE = (16, 24)


@dataclass(frozen=True)
class FaceKernels:
    """The kernel's functions."""

    run_mouths: Callable[..., None]
    run_differences: Callable[..., None]
    run_sharpness: Callable[..., None]

    def mouths(self, faces: npt.NDArray[np.uint8]) -> FloatArray:
        """(n, 48, 48) faces to (n, 16, 24) mouths of standardised faces."""
        faces = np.ascontiguousarray(faces)
        found = np.empty((len(faces), *MOUTH_SHAPE))
        self.run_mouths(faces.ctypes.data, len(faces), found.ctypes.data)
        return found

    def differences(self, before: FloatArray, after: FloatArray) -> FloatArray:
        """Return (n,) mean squares of what differs between (n, 16, 24) mouths."""
        before, after = np.ascontiguousarray(before), np.ascontiguousarray(after)
        found = np.empty(len(before))
        self.run_differences(before.ctypes.data, after.ctypes.data, len(before), found.ctypes.data)
        return found

    def variances(self, faces: npt.NDArray[np.uint8]) -> FloatArray:
        """Return (n, 2): the variance of each face's levels and of its Laplacian."""
        faces = np.ascontiguousarray(faces)
        found = np.empty((len(faces), 2))
        self.run_sharpness(faces.ctypes.data, len(faces), found.ctypes.data)
        return found


@compiled
def face_kernels(library: ctypes.CDLL) -> FaceKernels:
    """Return the kernel's functions."""
    count, address = ctypes.c_int64, ctypes.c_void_p
    of_faces = ctypes.CFUNCTYPE(None, address, count, address)
    of_pairs = ctypes.CFUNCTYPE(None, address, address, count, address)
    return FaceKernels(
        of_faces(("emostress_mouths", library)),
        of_pairs(("emostress_mouth_differences", library)),
        of_faces(("emostress_sharpness", library)),
    )
