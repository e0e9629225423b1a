"""The few calls of CUDA's runtime library that running an engine takes, by ctypes.

JetPack has libcudart and TensorRT, but neither pycuda nor cuda-python.  Signatures and numbers are
those of NVIDIA's *CUDA Runtime API* reference; they are the same from CUDA 11 to 13.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emostress_ros.errors import ModelError, ProviderError

LIBRARY_VARIABLE = "EMOSTRESS_CUDART"
"""Environment variable: file of CUDA's runtime library, where it is not found by itself."""

TO_DEVICE, TO_HOST = 1, 2  # cudaMemcpyKind
_NON_BLOCKING = 1  # cudaStreamNonBlocking: does not wait for the default stream
_MAJOR, _MINOR = 75, 76  # cudaDevAttrComputeCapabilityMajor, ...Minor
# cudaDeviceProp begins with the name, 256 bytes; the structure grows with the versions.
_PROPERTIES_BYTES, _NAME_BYTES = 8192, 256
_FOLDERS = ("/usr/local/cuda/lib64", "/usr/local/cuda/targets/aarch64-linux/lib")
_PIP = ("nvidia/cuda_runtime/lib", "nvidia/cu13/lib", "nvidia/cu12/lib")

_POINTER, _OUT = ctypes.c_void_p, ctypes.POINTER(ctypes.c_void_p)
_INT_OUT = ctypes.POINTER(ctypes.c_int)
_SIZE, _SIZE_OUT = ctypes.c_size_t, ctypes.POINTER(ctypes.c_size_t)
_SIGNATURES: dict[str, tuple[Any, ...]] = {
    "cudaGetDeviceCount": (_INT_OUT,),
    "cudaGetDeviceProperties": (_POINTER, ctypes.c_int),
    "cudaDeviceGetAttribute": (_INT_OUT, ctypes.c_int, ctypes.c_int),
    "cudaMemGetInfo": (_SIZE_OUT, _SIZE_OUT),
    "cudaMalloc": (_OUT, _SIZE),
    "cudaFree": (_POINTER,),
    "cudaMallocHost": (_OUT, _SIZE),
    "cudaFreeHost": (_POINTER,),
    "cudaMemcpyAsync": (_POINTER, _POINTER, _SIZE, ctypes.c_int, _POINTER),
    "cudaStreamCreateWithFlags": (_OUT, ctypes.c_uint),
    "cudaStreamSynchronize": (_POINTER,),
    "cudaStreamDestroy": (_POINTER,),
}


@dataclass(frozen=True)
class Device:
    """A GPU.

    Attributes:
        name: as the driver tells it, such as ``Orin``.
        capability: compute capability, such as ``8.7``.
        memory_bytes: all that it has; on a Jetson shared with the CPU.
    """

    name: str
    capability: str
    memory_bytes: int


class Cuda:
    """CUDA's runtime, every return code checked.

    Args:
        library: libcudart, loaded.

    Raises:
        ProviderError: a function is missing.
    """

    def __init__(self, library: Any) -> None:
        self._library = library
        library.cudaGetErrorString.restype = ctypes.c_char_p
        library.cudaGetErrorString.argtypes = (ctypes.c_int,)
        for name, arguments in _SIGNATURES.items():
            try:
                function = getattr(library, name)
            except AttributeError as error:
                raise ProviderError(f"libcudart has no {name}: it is too old or damaged") from error
            function.argtypes, function.restype = arguments, ctypes.c_int

    @classmethod
    def load(cls) -> Cuda:
        """Find and load the library.

        Raises:
            ProviderError: it is nowhere, or cannot be loaded; names what mends it.
        """
        failed = ""
        for name in _candidates():
            try:
                return cls(ctypes.CDLL(name))
            except OSError as error:
                failed = failed or f" ({error})"
        raise ProviderError(
            f"CUDA's runtime library libcudart is not found{failed}: JetPack brings it (`sudo apt "
            f"install cuda-cudart-12-6` or the like), elsewhere `pip install "
            f"nvidia-cuda-runtime-cu12`; {LIBRARY_VARIABLE}=FILE names another"
        )

    def device(self) -> Device:
        """Return the first GPU, the one that CUDA_VISIBLE_DEVICES leaves.

        Raises:
            ProviderError: there is none, or the driver is too old for the library.
        """
        count = ctypes.c_int()
        try:
            self._call("cudaGetDeviceCount", ctypes.byref(count))
        except ModelError as error:
            raise ProviderError(f"no GPU can be used: {error}") from error
        if not count.value:
            raise ProviderError("no GPU can be used: CUDA finds none")
        properties = ctypes.create_string_buffer(_PROPERTIES_BYTES)
        self._call("cudaGetDeviceProperties", properties, 0)
        name = properties.raw[:_NAME_BYTES].split(b"\0")[0].decode(errors="replace")
        capability = f"{self._attribute(_MAJOR)}.{self._attribute(_MINOR)}"
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        self._call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
        return Device(name, capability, total.value)

    def _attribute(self, number: int) -> int:
        value = ctypes.c_int()
        self._call("cudaDeviceGetAttribute", ctypes.byref(value), number, 0)
        return value.value

    def allocate(self, size: int) -> int:
        """Return the address of ``size`` bytes on the GPU.

        Raises:
            ModelError: it has no room.
        """
        return self._made("cudaMalloc", size)

    def allocate_host(self, size: int) -> int:
        """Return the address of ``size`` bytes of the CPU's that are pinned, for quick copies.

        Raises:
            ModelError: there is no room.
        """
        return self._made("cudaMallocHost", size)

    def copy(self, to: int, source: int, size: int, kind: int, stream: int) -> None:
        """Begin to copy ``size`` bytes, :data:`TO_DEVICE` or :data:`TO_HOST`.

        Raises:
            ModelError: CUDA refused.
        """
        self._call("cudaMemcpyAsync", to, source, size, kind, stream)

    def stream(self) -> int:
        """Return a new queue of work.

        Raises:
            ModelError: CUDA refused.
        """
        return self._made("cudaStreamCreateWithFlags", _NON_BLOCKING)

    def synchronize(self, stream: int) -> None:
        """Wait until all work in a queue is done.

        Raises:
            ModelError: something in it failed.
        """
        self._call("cudaStreamSynchronize", stream)

    def release(self, name: str, handle: int) -> None:
        """Give something back by the function ``name``; a process that ends may have lost it."""
        getattr(self._library, name)(handle)

    def _made(self, name: str, argument: int) -> int:
        handle = ctypes.c_void_p()
        self._call(name, ctypes.byref(handle), argument)
        return handle.value or 0

    def _call(self, name: str, *arguments: Any) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            text = self._library.cudaGetErrorString(code)
            raise ModelError(f"{name} failed with {code}: {text.decode(errors='replace')}")


def _candidates() -> Iterator[str]:
    """Yield names and files to try, the wanted one first, newer versions before older."""
    chosen = os.environ.get(LIBRARY_VARIABLE)
    if chosen:
        yield chosen
        return
    versions = ("13", "12", "11.0")
    yield from (f"libcudart.so.{version}" for version in versions)
    found = ctypes.util.find_library("cudart")
    if found:
        yield found
    folders = [*_FOLDERS, *(f"{place}/{part}" for place in sys.path for part in _PIP)]
    for folder in folders:
        for version in versions:
            file = Path(folder) / f"libcudart.so.{version}"
            if file.is_file():
                yield str(file)
