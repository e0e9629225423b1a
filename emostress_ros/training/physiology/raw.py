"""Raw windows of a wearable for networks: every signal at its own rate, cut into common frames.

A frame lasts a quarter of a second and holds the 16 samples of the pulse wave (64 Hz), 8 of each
axis of the acceleration (32 Hz), one of the skin conductance and one of the temperature (4 Hz):
42 numbers, of which a network may take the waves apart again. Nothing is known of the labels here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.files import whole_file
from emostress_ros.modalities.physiology.filters import filter_both_ways
from emostress_ros.training.datasets.empatica import E4Recording
from emostress_ros.training.datasets.wearable_stress import REST_S, Subject

FRAMES_PER_S = 4
# signal, samples a frame, axes, band kept in Hz (none: as it is)
_SIGNALS: tuple[tuple[str, int, int, tuple[float, float] | None], ...] = (
    ("bvp", 16, 1, (0.5, 8.0)),
    ("acceleration", 8, 3, None),
    ("eda", 1, 1, None),
    ("skin_temperature", 1, 1, None),
)
SENSOR_SLICES = {
    "bvp": slice(0, 16), "acceleration": slice(16, 40), "eda": slice(40, 41),
    "skin_temperature": slice(41, 42),
}  # fmt: skip
"""Columns of each sensor in a frame; the acceleration's are sample by sample, three axes each."""
WIDTH = 42
_CLIP = 6.0
_EDA_OFFSET = 0.05  # µS: as in the features, a difference of logarithms is a ratio

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class RawRecording:
    """One person's recording in frames.

    Attributes:
        key: unique name of the person.
        frames: shape (frames, 42), from the first BVP sample on, NaN where nothing was measured.
        rest: shape (42,), each column's mean over the resting baseline.
        rest_scale: shape (42,), each sensor's spread over the resting baseline.
    """

    key: str
    frames: Floats
    rest: Floats
    rest_scale: Floats

    def window(self, end_s: float, window_s: float, *, rest: bool) -> Floats:
        """Frames of the window that ends at `end_s`, shape (frames, 42), NaN where missing.

        Args:
            end_s: seconds since the first BVP sample.
            window_s: length.
            rest: against the person's rest: level off, pulse wave over its spread at rest.
        """
        last = round(end_s * FRAMES_PER_S)
        size = round(window_s * FRAMES_PER_S)
        found = np.full((size, WIDTH), np.nan, np.float32)
        part = self.frames[max(0, last - size) : last]
        found[size - len(part) :] = part
        return (found - self.rest) / self.rest_scale if rest else found


def raw_recording(subject: Subject, cache: Path | None = None) -> RawRecording:
    """Read one person's recording into frames.

    Args:
        subject: whose.
        cache: folder that keeps the result; None: read anew.

    Raises:
        DatasetError: the recording is missing or odd.
    """
    file = cache / f"raw_{subject.dataset}_{subject.name}.npy" if cache else None
    if file is not None and file.is_file():
        frames = np.load(file)
    else:
        frames = frames_of(subject.read())
        if file is not None:
            with whole_file(file) as draft:
                np.save(draft, frames)
    first = round(subject.rest_start_s * FRAMES_PER_S)
    return RawRecording(subject.key, frames, *_rest(frames[first:][: round(REST_S * FRAMES_PER_S)]))


def frames_of(recording: E4Recording) -> Floats:
    """Frames of a whole recording from its first BVP sample, shape (frames, 42)."""
    count = int(recording.duration_s * FRAMES_PER_S)
    parts = []
    for name, per_frame, axes, band in _SIGNALS:
        found = np.full((count * per_frame, axes), np.nan, np.float32)
        signal = recording.signals.get(name)
        if signal is not None:
            rate = per_frame * FRAMES_PER_S
            samples = signal.data.astype(np.float64)
            if band is not None and len(samples) > 10 * rate:
                samples = filter_both_ways(samples, "bandpass", band, signal.sample_rate_hz)
            begin = round((signal.start_ns - recording.start_ns) / NANOSECONDS * rate)
            samples = samples[max(0, -begin) :][: max(0, len(found) - max(0, begin))]
            found[max(0, begin) : max(0, begin) + len(samples)] = samples
        if name == "eda":
            found = np.log(np.maximum(found, 0.0) + _EDA_OFFSET)
        parts.append(found.reshape(count, per_frame * axes))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _rest(frames: Floats) -> tuple[Floats, Floats]:
    """Mean of each column at rest and the pulse wave's spread; 0 and 1 where nothing is known."""
    mean, scale = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
    for name, columns in SENSOR_SLICES.items():
        values = frames[:, columns]
        known = values[np.isfinite(values)]
        if len(known) == 0:
            continue
        if name == "bvp":
            scale[columns] = max(float(known.std()), 1e-3)
        elif name == "acceleration":
            mean[columns] = np.tile(np.nanmean(values.reshape(len(values), -1, 3), axis=(0, 1)), 8)
        else:
            mean[columns] = known.mean()
    return mean, scale


@dataclass(frozen=True)
class Scaling:
    """Moments of the training people, by which every window is scaled.

    Attributes:
        mean: shape (42,).
        scale: shape (42,), above 0.
    """

    mean: Floats
    scale: Floats

    @classmethod
    def fitted(cls, windows: Floats) -> Scaling:
        """Moments of each sensor (each axis of the acceleration) over windows (n, frames, 42)."""
        mean, scale = np.zeros(WIDTH, np.float32), np.ones(WIDTH, np.float32)
        for columns in _axes():
            values = windows[..., columns]
            known = values[np.isfinite(values)].astype(np.float64)
            if len(known):
                mean[columns], scale[columns] = known.mean(), known.std() + 1e-4
        return cls(mean, scale)

    def apply(self, windows: Floats) -> Floats:
        """Scaled and clipped windows; 0, the mean, where nothing was measured."""
        scaled = (windows - self.mean) / self.scale
        return np.clip(np.nan_to_num(scaled, nan=0.0), -_CLIP, _CLIP)


def _axes() -> Sequence[slice]:
    acceleration = [slice(16 + axis, 40, 3) for axis in range(3)]
    return (*[c for name, c in SENSOR_SLICES.items() if name != "acceleration"], *acceleration)
