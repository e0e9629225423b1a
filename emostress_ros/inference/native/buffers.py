"""Memory of one tensor: pinned on the CPU, and on the GPU; it grows, and is kept between runs."""

from __future__ import annotations

import ctypes
import math
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np

from emostress_ros.inference.native.cuda import TO_DEVICE, TO_HOST, Cuda

_ALIGNED = 256  # cudaMalloc gives no less; growth by it spares new memory for a face more


def bytes_of(shape: Sequence[int], dtype: np.dtype[Any]) -> int:
    """Return how many bytes an array takes, a multiple of 256 and at least that many."""
    needed = math.prod(shape) * dtype.itemsize
    return max(1, -(-needed // _ALIGNED)) * _ALIGNED


class Buffer:
    """Memory on both sides, of the same size.

    Args:
        cuda: gives it.
        dtype: of the tensor.

    Attributes:
        address: on the GPU; 0 before the first :meth:`reserve`.
        size: bytes on either side.
    """

    def __init__(self, cuda: Cuda, dtype: np.dtype[Any]) -> None:
        self._cuda, self.dtype = cuda, dtype
        self.address = self._host = self.size = 0
        self._finalizers: list[weakref.finalize[Any, Any]] = []

    def reserve(self, shape: Sequence[int]) -> bool:
        """Make room for an array; return whether the memory is another than before.

        Raises:
            ModelError: there is no room.
        """
        size = bytes_of(shape, self.dtype)
        if size <= self.size:
            return False
        self.release()
        self.address = self._cuda.allocate(size)
        self._finalizers.append(_freeing(self, "cudaFree", self.address))
        self._host = self._cuda.allocate_host(size)
        self._finalizers.append(_freeing(self, "cudaFreeHost", self._host))
        self.size = size
        return True

    def view(self, shape: Sequence[int]) -> np.ndarray:
        """Return the CPU's side as an array of a shape that was reserved."""
        count = math.prod(shape)
        memory = (ctypes.c_char * max(1, count * self.dtype.itemsize)).from_address(self._host)
        return np.frombuffer(memoryview(memory).cast("B"), self.dtype, count).reshape(shape)

    def send(self, shape: Sequence[int], stream: int) -> None:
        """Begin to copy an array to the GPU."""
        self._cuda.copy(self.address, self._host, self._bytes(shape), TO_DEVICE, stream)

    def fetch(self, shape: Sequence[int], stream: int) -> None:
        """Begin to copy an array from the GPU."""
        self._cuda.copy(self._host, self.address, self._bytes(shape), TO_HOST, stream)

    def release(self) -> None:
        """Give the memory back."""
        for finalizer in self._finalizers:
            finalizer()
        self._finalizers.clear()
        self.address = self._host = self.size = 0

    def _bytes(self, shape: Sequence[int]) -> int:
        return math.prod(shape) * self.dtype.itemsize


def _freeing(buffer: Buffer, name: str, address: int) -> weakref.finalize[Any, Any]:
    finalizer = weakref.finalize(buffer, buffer._cuda.release, name, address)
    finalizer.atexit = False  # the process's end frees it; CUDA may be gone by then
    return finalizer
