"""The nouns of the package: what is sensed, what is perceived, what is concluded.

All of them are immutable: what is checked when it is made is a frozen dataclass, what is concluded
many times a second a named tuple, made in a fifth of the time.  Stamps are integer nanoseconds on
the *sensor's* clock; they travel untouched from the sample to the affect that it leads to.

Labels are those of ``hri_msgs/Expression`` (ROS4HRI, REP-155).  Valence and arousal lie in
[-1, 1] (Russell, "A circumplex model of affect", 1980), stress in [0, 1]; NaN means
"not estimated".
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emostress_ros.codes import ContributionStatus, StressLevel
from emostress_ros.errors import SignalError, StampError

FloatArray = npt.NDArray[np.floating]

EMOTIONS: tuple[str, ...] = ("neutral", "angry", "sad", "happy", "surprised", "disgusted", "scared")
"""Emotion labels on the wire, in their order in every probability vector."""

UNKNOWN = "unknown"
"""Emotion published when the evidence does not carry a label."""

CIRCUMPLEX: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "neutral": (0.0, 0.0),
        "calm": (0.40, -0.40),
        "angry": (-0.51, 0.59),
        "sad": (-0.63, -0.27),
        "happy": (0.81, 0.51),
        "surprised": (0.40, 0.67),
        "disgusted": (-0.60, 0.35),
        "scared": (-0.64, 0.60),
    }
)
"""(valence, arousal) of each label: the pleasure and arousal norms of Russell and Mehrabian,
"Evidence for a three-factor theory of emotions", J. Res. Personality 11 (1977); *neutral* is the
origin by definition and *calm* is placed in the relaxed quadrant of Russell's circumplex."""

NANOSECONDS = 1_000_000_000
MODALITIES: tuple[str, ...] = ("face", "voice", "physiology", "text")


MEASURES: Mapping[str, str] = MappingProxyType(
    {
        "mouth_motion": "1: change of the mouth over half a syllable, in variances of the face",
        "pitch_hz": "Hz: median fundamental frequency of the voiced frames",
        "loudness_dbfs": "dBFS: mean level of the voiced frames",
        "heart_rate_bpm": "1/min: mean heart rate",
        "hrv_rmssd_ms": "ms: root mean square of successive differences of the intervals",
        "eda_tonic_microsiemens": "µS: mean level of the skin conductance",
        "scr_peaks_per_min": "1/min: rate of skin conductance responses",
        "skin_temperature_celsius": "°C: mean skin temperature",
    }
)
"""Interpretable figures that an embedding may carry, with unit and meaning; others are allowed."""


def expected_valence_arousal(
    labels: tuple[str, ...] | list[str], probabilities: FloatArray
) -> tuple[float, float]:
    """Expectation of valence and arousal under class probabilities.

    Args:
        labels: K labels, each a key of :data:`CIRCUMPLEX`.
        probabilities: (K,) non-negative, summing to 1.

    Returns:
        (valence, arousal), each in [-1, 1].
    """
    points = np.array([CIRCUMPLEX[label] for label in labels], dtype=np.float64)
    valence, arousal = np.asarray(probabilities, dtype=np.float64) @ points
    return float(valence), float(arousal)


@dataclass(frozen=True)
class Window:
    """A stretch of one sensor's signal, ready for a front end.

    Attributes:
        samples: (n,) or (n, channels) samples, or one (H, W, 3) uint8 RGB image.
        sample_rate_hz: samples a second; 0 for a single image.
        start_ns: stamp of the first sample, sensor clock.
        end_ns: stamp of the end of the last sample, sensor clock.
        source_id: device that sensed it.
        person_id: whom it is about; empty when not known.
    """

    samples: np.ndarray
    sample_rate_hz: float
    start_ns: int
    end_ns: int
    source_id: str = ""
    person_id: str = ""

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise StampError(f"window ends ({self.end_ns}) before it begins ({self.start_ns})")

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return (self.end_ns - self.start_ns) / NANOSECONDS


@dataclass(frozen=True)
class Embedding:
    """What one modality perceives of one person at one moment.

    Attributes:
        stamp_ns: end of the window, sensor clock.
        modality: ``face``, ``voice``, ``physiology``, ``text``, or any other name.
        model: ``name@version`` of the encoder.
        vector: (D,) float32 embedding.
        quality: how far the input can be trusted, [0, 1].
        window_ns: length of the window in nanoseconds.
        person_id: whom it is about; empty when the sensor cannot know.
        source_id: face track, voice or device id.
        labels: K labels of ``probabilities``, from :data:`EMOTIONS`.
        probabilities: (K,) calibrated class probabilities; empty when not estimated.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
        stress: calibrated probability of stress, [0, 1] or NaN.
        measures: interpretable figures by name, finite; see :data:`MEASURES`.
        stand_in: execution provider that ran the model in place of the wanted one; empty where
            the wanted one ran.

    Raises:
        SignalError: on NaN in vector, probabilities or measures, or a value out of range.
        StampError: on a negative stamp or window.
    """

    stamp_ns: int
    modality: str
    model: str
    vector: npt.NDArray[np.float32]
    quality: float
    window_ns: int = 0
    person_id: str = ""
    source_id: str = ""
    labels: tuple[str, ...] = ()
    probabilities: npt.NDArray[np.float32] = field(
        default_factory=lambda: np.empty(0, dtype=np.float32)
    )
    valence: float = math.nan
    arousal: float = math.nan
    stress: float = math.nan
    measures: Mapping[str, float] = field(default_factory=dict)
    stand_in: str = ""

    @property
    def ran_as(self) -> str:
        """``name@version``, and behind it ``on provider`` where that is not the wanted one."""
        return f"{self.model} on {self.stand_in}" if self.stand_in else self.model

    def __post_init__(self) -> None:
        if self.stamp_ns < 0 or self.window_ns < 0:
            raise StampError(f"stamp {self.stamp_ns} and window {self.window_ns} must be >= 0 ns")
        if not self.modality:
            raise SignalError("an embedding needs a modality; it came empty")
        _check_range("quality", self.quality, 0.0, 1.0, nan_allowed=False)
        _check_range("valence", self.valence, -1.0, 1.0)
        _check_range("arousal", self.arousal, -1.0, 1.0)
        _check_range("stress", self.stress, 0.0, 1.0)
        if len(self.labels) != len(self.probabilities):
            raise SignalError(
                f"{len(self.labels)} labels for {len(self.probabilities)} probabilities"
            )
        if not np.isfinite(self.vector).all():
            raise SignalError(f"embedding of {self.modality} holds NaN or infinity")
        _check_probabilities(self.probabilities)
        unsound = [name for name, value in self.measures.items() if not math.isfinite(value)]
        if unsound:
            raise SignalError(f"measures of {self.modality} must be finite; not: {unsound}")


@dataclass(frozen=True)
class AlignedSet:
    """The evidence about one person that belongs to one moment.

    Attributes:
        stamp_ns: the moment, sensor clock.
        person_id: whom the evidence is about.
        embeddings: modality to embedding; a modality without fresh evidence is absent.
        ages_ns: modality to age at ``stamp_ns``; also holds stale modalities.
        expected: every modality that was waited for, in the order of the mask.
    """

    stamp_ns: int
    person_id: str
    embeddings: Mapping[str, Embedding]
    ages_ns: Mapping[str, int]
    expected: tuple[str, ...]

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """(len(expected),) True where the modality has fresh evidence."""
        return np.array([name in self.embeddings for name in self.expected], dtype=bool)


class Contribution(NamedTuple):
    """How much one modality's evidence weighed in an :class:`Affect`.

    Attributes:
        modality: name of the modality.
        model: ``name@version``; empty when nothing came.
        status: what became of the evidence.
        weight: [0, 1]; the weights of those USED sum to 1.
        quality: [0, 1] as the modality reported it; NaN when nothing came.
        age_ns: age of the evidence at the affect's moment.
    """

    modality: str
    model: str
    status: ContributionStatus
    weight: float
    quality: float
    age_ns: int


class Affect(NamedTuple):
    """One person's emotion and stress at one moment, with what it rests on.

    Attributes:
        stamp_ns: newest evidence used, sensor clock.
        person_id: whom it is about.
        emotion: one of :data:`EMOTIONS` or :data:`UNKNOWN`.
        labels: K labels of ``probabilities``.
        probabilities: (K,) calibrated; empty when no modality spoke of emotion.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
        stress: [0, 1] or NaN.
        stress_level: coarse stress.
        confidence: calibrated probability that ``emotion`` is right, [0, 1].
        stress_confidence: calibrated probability that "stressed or not" is right, [0, 1].
        contributions: one entry for every expected modality.
    """

    stamp_ns: int
    person_id: str
    emotion: str
    labels: tuple[str, ...]
    probabilities: npt.NDArray[np.float32]
    valence: float
    arousal: float
    stress: float
    stress_level: StressLevel
    confidence: float
    stress_confidence: float
    contributions: tuple[Contribution, ...]


def _check_range(
    name: str, value: float, low: float, high: float, *, nan_allowed: bool = True
) -> None:
    if math.isnan(value) and nan_allowed:
        return
    if not low <= value <= high:
        raise SignalError(f"{name} must lie in [{low:g}, {high:g}]; got {value!r}")


def _check_probabilities(probabilities: FloatArray) -> None:
    if len(probabilities) == 0:
        return
    # A list: these are few, and most embeddings that are made have them.
    each: list[float] = np.asarray(probabilities).tolist()
    if not all(0.0 <= one < math.inf for one in each):
        raise SignalError(f"probabilities must be finite and >= 0; got {probabilities!r}")
    total = sum(each)
    if abs(total - 1.0) > 1e-2:
        raise SignalError(f"probabilities must sum to 1; got a sum of {total:.4f}")
