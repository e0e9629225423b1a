"""Steps of a network of separable convolutions on arrays that stay, run by the kernel."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from emostress_ros.inference.onnx_graph import Array
from emostress_ros.inference.separable.matching import ADD, HEAD, POOL, STEM, UNIT, Layer
from emostress_ros.inference.trial import UnsupportedError, require
from emostress_ros.kernels import compiled

_CHANNELS, _PARTS = 16, 4  # SEPARABLE_CHANNELS, SEPARABLE_PARTS of src/separable.h
Size = tuple[int, int, int]  # rows, columns, channels


class _Step(ctypes.Structure):
    """``struct separable_step``."""

    _fields_ = (
        *((name, ctypes.c_int32) for name in (
            "kind", "rows", "columns", "in_channels", "channels", "bounded",
        )),
        *((name, ctypes.c_void_p) for name in (
            "in", "other", "out", "weights", "bias", "spatial", "spatial_bias", "lines",
        )),
        ("parts", ctypes.c_void_p * _PARTS),
        ("sizes", ctypes.c_int32 * _PARTS),
        ("squashed", ctypes.c_int32 * _PARTS),
    )  # fmt: skip


class Program:
    """Steps that are run in order, on an image after the other.  One thread at a time.

    Args:
        layers: of the network.
        inputs: the images, (n, planes, rows, columns) float32, under their name; kept.
        outputs: by name; kept.

    Raises:
        UnsupportedError: the kernels are not installed, or sizes do not fit them.
    """

    def __init__(
        self, layers: Sequence[Layer], inputs: Mapping[str, Array], outputs: Mapping[str, Array]
    ) -> None:
        run = _compiled_run()
        if run is None:
            raise UnsupportedError("no compiled kernels are installed")
        ((name, images),) = inputs.items()
        require(images.dtype == np.float32 and images.ndim == 4, f"images of {images.dtype}")
        self._kept: list[Any] = [images, outputs]
        self._left = Counter(name for layer in layers for name in (layer.source, layer.other))
        self._free: list[Array] = []
        self._tensors: dict[str, tuple[Array, Size]] = {}
        _, planes, rows, columns = images.shape
        self._tensors[name] = images, (rows, columns, planes)
        self._input, self._images, self._outputs = name, len(images), outputs
        steps = (_Step * len(layers))(*(self._step(layer) for layer in layers))
        self._kept.append(steps)
        self._call = lambda: run(steps, len(steps), len(images))

    def __call__(self) -> None:
        """Run on what the inputs hold now."""
        self._call()

    def _step(self, layer: Layer) -> _Step:
        source, (rows, columns, in_channels) = self._tensors[layer.source]
        step = _Step(layer.kind, rows, columns, in_channels, in_channels, layer.bounded)
        setattr(step, "in", source.ctypes.data)
        if layer.weights.size:
            require((layer.source == self._input) == (layer.kind == STEM), "an image's planes")
            step.channels = channels = -(-len(layer.bias) // _CHANNELS) * _CHANNELS
            step.weights, step.bias = self._wide(layer.weights), self._wide(layer.bias)
            depth = len(layer.weights)
            require(depth == (9 * in_channels if layer.kind == STEM else in_channels), "channels")
        if layer.kind == STEM:
            require(rows % 2 == columns % 2 == 0, f"an image of {columns}×{rows}")
            size = rows // 2, columns // 2, channels
            step.lines = self._room(9 * in_channels * (columns + 2) * 2)
        elif layer.kind in (UNIT, HEAD):
            size = rows, columns, channels
            step.spatial, step.spatial_bias = map(self._wide, (layer.spatial, layer.spatial_bias))
            step.lines = self._room(5 * (columns + 2) * channels)
        elif layer.kind == POOL:
            size = rows // 2, columns // 2, in_channels
        if layer.kind == ADD:
            other, small = self._tensors[layer.other]
            size = rows, columns, in_channels
            require(small == (rows / 2, columns / 2, in_channels), "what is added")
            step.other = other.ctypes.data
        if layer.kind == HEAD:
            self._part(step, layer, rows * columns)
        else:
            array = self._taken(int(np.prod(size)))
            self._tensors[layer.name] = array, size
            step.out = array.ctypes.data
        for used in (layer.source, layer.other):
            self._left[used] -= 1
            if used in self._tensors and not self._left[used] and used != self._input:
                self._free.append(self._tensors[used][0])
        return step

    def _part(self, step: _Step, layer: Layer, places: int) -> None:
        require(len(layer.parts) <= _PARTS, f"{len(layer.parts)} outputs of one tensor")
        for number, part in enumerate(layer.parts):
            array, shape = self._outputs[part.name], (1, self._images * places, part.size)
            require(array.shape == shape and array.dtype == np.float32, f"{part.name}'s shape")
            step.parts[number] = array.ctypes.data
            step.sizes[number], step.squashed[number] = part.size, part.squashed

    def _taken(self, size: int) -> Array:
        """Return room for a tensor: the smallest that is free again, or new."""
        fitting = [array for array in self._free if array.size >= size]
        if not fitting:
            return self._new(np.zeros(size, np.float32))
        found = min(fitting, key=lambda array: array.size)
        self._free = [array for array in self._free if array is not found]
        return found

    def _wide(self, columns: Array) -> int:
        """Return the address of columns, with zeros up to a multiple of the kernel's channels."""
        missing = -columns.shape[-1] % _CHANNELS
        padded = np.pad(columns, [(0, 0)] * (columns.ndim - 1) + [(0, missing)])
        return int(self._new(np.ascontiguousarray(padded, np.float32)).ctypes.data)

    def _room(self, size: int) -> int:
        return int(self._new(np.zeros(size, np.float32)).ctypes.data)

    def _new(self, array: Array) -> Array:
        self._kept.append(array)
        return array


@compiled
def _compiled_run(library: ctypes.CDLL) -> Callable[..., None]:
    steps, count = ctypes.POINTER(_Step), ctypes.c_int64
    return ctypes.CFUNCTYPE(None, steps, count, count)(("emostress_separable", library))
