"""CUDA's runtime library of a machine with a GPU, in ordinary memory.

The "device" has memory of its own; copies fail where they go beyond what was allocated, and work
waits in a stream until it is synchronised.
"""

# ruff: noqa: N802, N815 (the names are those of CUDA)
from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

_INVALID, _OUT_OF_MEMORY = 1, 2


class Cudart:
    """libcudart of a machine with one GPU; ``devices=0`` has none, ``memory`` bounds it."""

    def __init__(self, devices: int = 1, memory: int = 8 << 30, name: str = "Orin") -> None:
        self.memory, self.blocks, self.queue = memory, {}, []
        self.calls: list[str] = []
        for function, make in vars(Cudart).items():
            if function.startswith("cuda"):
                # As functions of a library: they can be told their types.
                setattr(self, function, self._counted(function, make))
        self.devices, self.name = devices, name

    def _counted(self, name: str, function: Callable[..., int]) -> Callable[..., int]:
        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            return function(self, *arguments)

        return call

    def cudaGetErrorString(self, code: int) -> bytes:
        return {1: b"invalid argument", 2: b"out of memory", 100: b"no CUDA-capable device"}[code]

    def cudaGetDeviceCount(self, out: Any) -> int:
        out._obj.value = self.devices
        return 0 if self.devices else 100

    def cudaGetDeviceProperties(self, properties: Any, device: int) -> int:
        properties.raw = self.name.encode() + bytes(300) + b"\x11" * 100
        return 0

    def cudaDeviceGetAttribute(self, out: Any, attribute: int, device: int) -> int:
        out._obj.value = {75: 8, 76: 7}[attribute]
        return 0

    def cudaMemGetInfo(self, free: Any, total: Any) -> int:
        free._obj.value = total._obj.value = self.memory
        return 0

    def cudaMalloc(self, out: Any, size: int) -> int:
        if size > self.memory:
            return _OUT_OF_MEMORY
        block = ctypes.create_string_buffer(size)
        out._obj.value = ctypes.addressof(block)
        self.blocks[out._obj.value] = block
        return 0

    cudaMallocHost = cudaMalloc

    def cudaFree(self, address: int) -> int:
        return 0 if self.blocks.pop(address, None) else _INVALID

    cudaFreeHost = cudaFree

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: int) -> int:
        fits = all(size <= len(self.blocks.get(place, b"")) for place in (to, source))
        if not fits or kind not in (1, 2):
            return _INVALID
        self.queue.append(lambda: ctypes.memmove(to, source, size))
        return 0

    def cudaStreamCreateWithFlags(self, out: Any, flags: int) -> int:
        out._obj.value = 77
        return 0

    def cudaStreamSynchronize(self, stream: int) -> int:
        while self.queue:
            self.queue.pop(0)()
        return 0

    def cudaStreamDestroy(self, stream: int) -> int:
        return 0
