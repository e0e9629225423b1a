"""Lays a network's numbers out as the kernel reads them (``src/quantised.h``)."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import numpy as np

from emostress_ros.inference.onnx_graph import Array
from emostress_ros.inference.quantised.network import (
    FRONT_CHANNELS,
    Convolution,
    Dense,
    Front,
    Network,
)  # fmt: skip
from emostress_ros.inference.trial import require

MOST = 8
"""Pictures that go side by side; more are taken in turns."""
_BLOCK = 4  # vectors of a block of columns
_ALIGNED = 64
_APART_PX = 64  # pictures go side by side where they have become smaller than this

_number, _share, _address = ctypes.c_int32, ctypes.c_float, ctypes.c_void_p


class _Front(ctypes.Structure):
    _fields_ = (
        *((name, _number) for name in ("side", "scaled", "before", "stride", "out")),
        *((name, _share) for name in ("added", "most", "per_level")),
        *((name, _address) for name in (
            "pairs", "shares", "first", "first_bias", "second", "second_bias",
        )),
    )  # fmt: skip


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, _number) for name in (
            "depthwise", "stride", "before", "in_side", "side", "in_channels", "channels",
        )),
        *((name, _address) for name in ("weights", "bias", "factors")),
    )  # fmt: skip


class _Dense(ctypes.Structure):
    _fields_ = (
        *((name, _number) for name in ("from", "inputs", "outputs", "softmax")),
        ("divisor", _share), ("weights", _address), ("bias", _address),
    )  # fmt: skip


class Plan(ctypes.Structure):
    """``struct quantised_plan``; :func:`pack` makes one."""

    _fields_ = (
        ("front", _Front), ("layers", _address), ("dense", _address),
        *((name, _number) for name in ("layer_count", "dense_count", "together", "most", "pixels")),
        ("mean_factor", _share), ("pictures", _address), ("apart", _address * 2),
        ("side_by_side", _address * 2), ("columns", _address), ("means", _address),
    )  # fmt: skip


def pack(network: Network, side: int, lanes: int) -> tuple[Plan, list[Any]]:
    """Return the plan, and what has to be kept as long as it is used.

    Args:
        network: to run.
        side: of its pictures, px.
        lanes: 32-bit numbers in a vector of the kernel.

    Raises:
        UnsupportedError: its sizes are not those of the kernel's blocks.
    """
    return _Packer(lanes).pack(network, side)


class _Packer:
    def __init__(self, lanes: int) -> None:
        self.lanes, self.columns = lanes, lanes * _BLOCK
        self.kept: list[Any] = []

    def pack(self, network: Network, side: int) -> tuple[Plan, list[Any]]:
        front, plan = network.front, Plan()
        plan.front = self._front(front, side)
        layers, sizes = [], [(plan.front.out, FRONT_CHANNELS)]
        for layer in network.layers:
            layers.append(self._layer(layer, *sizes[-1]))
            sizes.append((layers[-1].side, layers[-1].channels))
        apart = next((k for k, (px, _) in enumerate(sizes) if px * px < _APART_PX), len(layers))
        plan.layers, plan.layer_count = self._structures(layers), len(layers)
        plan.dense = self._structures([self._product(one) for one in network.dense])
        plan.dense_count, plan.together, plan.most = len(network.dense), max(1, apart), MOST
        plan.pixels = sizes[-1][0] ** 2
        plan.mean_factor = network.mean_step / plan.pixels
        room = [px * px * channels for px, channels in sizes]
        lines = 4 * (plan.front.out + 2) * FRONT_CHANNELS
        plan.pictures = self._room(4 * (side * front.scaled + (front.scaled + 2) ** 2 + lines))
        plan.apart = tuple(self._room(max(room[: plan.together + 1])) for _ in range(2))
        plan.side_by_side = tuple(self._room(MOST * max(room[plan.together :])) for _ in range(2))
        widest = max(px for px, _ in sizes) + 3
        plan.columns = self._room(widest * 4 * self.columns)
        plan.means = self._room(4 * MOST * sizes[-1][1])
        return plan, self.kept

    def _front(self, front: Front, side: int) -> _Front:
        first, first_bias, stride, before = front.first
        second, second_bias = front.second
        require(side <= 256 and front.scaled >= 3, "large pictures")
        # The enlarged picture has one zero all round: no more may be asked for.
        out = (front.scaled + 1 + before - 3) // stride + 1
        require(before <= 1 and (out - 1) * stride + 3 - before <= front.scaled + 1, "zeros")
        pairs, shares = _between(side, front.scaled)
        made = _Front(
            side, front.scaled, before, stride, out, front.added, front.most, 1.0 / front.step
        )
        made.pairs, made.shares = self._keep(pairs, np.int32), self._keep(shares, np.float32)
        made.first = self._keep(first.reshape(FRONT_CHANNELS, 9).T, np.float32)
        made.second = self._keep(second.reshape(FRONT_CHANNELS, 9).T, np.float32)
        made.first_bias = self._keep(first_bias, np.float32)
        made.second_bias = self._keep(second_bias, np.float32)
        return made

    def _layer(self, layer: Convolution, in_side: int, in_channels: int) -> _Layer:
        channels, inputs, kernel, _ = layer.weights.shape
        require(channels % self.columns == 0 and in_channels % 4 == 0, f"{channels} channels")
        require(inputs == (1 if layer.depthwise else in_channels), f"{inputs} inputs")
        require(not layer.depthwise or channels == in_channels, "channels of a 3×3 layer")
        side = (in_side + layer.before + layer.after - kernel) // layer.stride + 1
        require(side >= 1, "a picture that vanishes")
        if layer.depthwise:
            packed = self._by_rows(layer.weights[:, 0])
        else:
            packed = self._by_fours(layer.weights[:, :, 0, 0])
        made = _Layer(
            layer.depthwise, layer.stride, layer.before, in_side, side, in_channels, channels
        )
        made.weights = self._keep(packed, np.int8)
        made.bias = self._keep(self._ordered(layer.bias), np.int32)
        made.factors = self._keep(self._ordered(layer.factors), np.float32)
        return made

    def _product(self, dense: Dense) -> _Dense:
        inputs, outputs = dense.weights.shape
        # The first field has the name of a word of Python's.
        made = _Dense(dense.source, inputs, outputs, dense.softmax, dense.divisor)
        made.weights = self._keep(dense.weights, np.float32)
        made.bias = self._keep(dense.bias, np.float32)
        return made

    def _ordered(self, columns: Array) -> Array:
        """Put the first axis in the order of blocks: (blocks · BLOCK · lanes, ...)."""
        # Column 16 l + 4 v + c of a block stands in vector v, lane 4 l + c.
        shape = (-1, self.lanes // 4, _BLOCK, 4, *columns.shape[1:])
        return columns.reshape(shape).swapaxes(1, 2).reshape(-1, *columns.shape[1:])

    def _by_fours(self, weights: Array) -> Array:
        """(channels, inputs) to blocks of (inputs / 4, BLOCK · lanes, 4)."""
        fours = self._ordered(weights).reshape(-1, self.columns, weights.shape[1] // 4, 4)
        return fours.transpose(0, 2, 1, 3)

    def _by_rows(self, weights: Array) -> Array:
        """(channels, rows, columns) to blocks of (3 columns, BLOCK · lanes, 3 rows and a zero)."""
        padded = np.pad(weights, ((0, 0), (0, 1), (0, 0)))
        blocks = self._ordered(padded).reshape(-1, self.columns, 4, 3)
        return blocks.transpose(0, 3, 1, 2)

    def _structures(self, made: Sequence[ctypes.Structure]) -> int:
        array = (type(made[0]) * len(made))(*made)
        self.kept.append(array)
        return ctypes.addressof(array)

    def _keep(self, values: Array, dtype: type[np.generic]) -> int:
        values = np.ascontiguousarray(values, dtype)
        address = self._room(values.nbytes)
        ctypes.memmove(address, values.ctypes.data, values.nbytes)
        return address

    def _room(self, size: int) -> int:
        """Return the address of memory at the head of a cache line."""
        memory = np.zeros(size + _ALIGNED, np.uint8)
        self.kept.append(memory)
        address: int = memory.ctypes.data
        return address + -address % _ALIGNED


def _between(side: int, scaled: int) -> tuple[Array, Array]:
    """Return the two pixels that each scaled one lies between, (n, 2), and their shares."""
    places = np.clip((np.arange(scaled) + 0.5) * (side / scaled) - 0.5, 0.0, side - 1.0)
    left = np.floor(places).astype(np.int32)
    pairs = np.stack([left, np.minimum(left + 1, side - 1)], axis=1)
    aside = places - left
    return pairs, np.stack([1.0 - aside, aside], axis=1)
