"""The mel spectrum of frames by the compiled kernel; see ``src/log_mel_lanes.c``.

The tables that the kernel works from are computed here, so that windows and triangles are the very
ones of the numpy way.
"""

from __future__ import annotations

import ctypes

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.voice.mel import LogMelOptions, hann, mel_filters

Float32Array = npt.NDArray[np.float32]
SIZES = (16, 32, 64, 128, 256, 512, 1024, 2048)
"""Values of ``n_fft`` that the kernel takes."""
_POINTERS = ("window", "twiddles", "split", "order", "first", "count", "weights")


class _Plan(ctypes.Structure):
    """``struct log_mel_plan`` of ``src/log_mel.h``."""

    _fields_ = [
        ("n_fft", ctypes.c_int32),
        ("bands", ctypes.c_int32),
        ("decibels", ctypes.c_int32),
        ("least_power", ctypes.c_float),
        ("least_db", ctypes.c_float),
        *((name, ctypes.c_void_p) for name in _POINTERS),
    ]


class CompiledMel:
    """Mel spectrum of frames; serves several threads.

    Args:
        library: with ``emostress_log_mel``.
        options: ``n_fft`` is one of :data:`SIZES`.
        least_power: power below which a band counts as this loud.
        least_db: lowest level.
    """

    def __init__(
        self, library: ctypes.CDLL, options: LogMelOptions, least_power: float, least_db: float
    ) -> None:
        self._bands = options.n_mels
        self._tables = _tables(options)  # the plan points to them
        places = [self._tables[name].ctypes.data for name in _POINTERS]
        self._plans = [
            _Plan(options.n_fft, options.n_mels, decibels, least_power, least_db, *places)
            for decibels in (0, 1)
        ]
        self._power_plan, self._level_plan = (ctypes.addressof(plan) for plan in self._plans)
        address, count = ctypes.c_void_p, ctypes.c_int64
        self._run = ctypes.CFUNCTYPE(None, address, address, count, count, address)(
            ("emostress_log_mel", library)
        )

    def power(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the (frames, n_mels) power of (frames, n_fft) frames, which may overlap."""
        return self._fill(self._power_plan, frames)

    def levels(self, frames: npt.NDArray[np.floating]) -> Float32Array:
        """Return the (frames, n_mels) levels in dB."""
        return self._fill(self._level_plan, frames)

    def _fill(self, plan: int, frames: npt.NDArray[np.floating]) -> Float32Array:
        if frames.dtype != np.float32 or frames.strides[1] != 4:
            frames = np.ascontiguousarray(frames, np.float32)
        count, hop = len(frames), frames.strides[0] // 4
        mel = np.empty((count, self._bands), np.float32)
        self._run(plan, frames.ctypes.data, hop, count, mel.ctypes.data)
        return mel


def _tables(options: LogMelOptions) -> dict[str, np.ndarray]:
    size = options.n_fft // 2
    filters = mel_filters(options)
    spans = [_span(filters[:, band]) for band in range(options.n_mels)]
    return {
        # The split of the real transform halves its sums: the window does it beforehand.
        "window": _float32(0.5 * hann(options.n_fft)),
        "twiddles": np.concatenate([np.empty(0, np.float32), *_twiddles(size)]),
        "split": _turns(np.arange(size // 2 + 1), options.n_fft),
        "order": _order(np.arange(size), size).astype(np.int32),
        "first": np.array([start for start, _ in spans], np.int32),
        "count": np.array([end - start for start, end in spans], np.int32),
        "weights": _float32(
            np.concatenate([filters[start:end, i] for i, (start, end) in enumerate(spans)])
        ),
    }


def _span(triangle: npt.NDArray[np.float64]) -> tuple[int, int]:
    """Return the first bin that a triangle weighs and the one behind the last."""
    weighed = np.flatnonzero(triangle)
    return (int(weighed[0]), int(weighed[-1]) + 1) if len(weighed) else (1, 1)


def _twiddles(size: int) -> list[Float32Array]:
    """Return a table for each stage that twists, longest first: three turns a butterfly."""
    tables = []
    while size > 4:
        tables.append(_turns(np.outer(np.arange(size // 4), (1, 2, 3)).ravel(), size))
        size //= 4
    return tables


def _order(bins: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Return where the stages of radix 4, and one of radix 2 where size asks for it, leave bins."""
    if size <= 4:
        return bins
    return (bins % 4) * (size // 4) + _order(bins // 4, size // 4)


def _turns(steps: npt.NDArray[np.int64], size: int) -> Float32Array:
    """Return cos and -sin of the angles ``2 pi steps / size``, pair by pair."""
    angles = 2.0 * np.pi * steps / size
    return _float32(np.stack([np.cos(angles), -np.sin(angles)], axis=-1).ravel())


def _float32(values: npt.NDArray[np.floating]) -> Float32Array:
    return np.ascontiguousarray(values, np.float32)
