"""A person's resting face and voice, against which later ones are read.

Some faces look sad and some voices sound angry when nothing is the matter.  What a model says of a
person at rest, who is neutral by agreement, shows how far it is off for that person: its later
answers are corrected by the same odds (a shift of the logits, as in Saerens et al., "Adjusting the
outputs of a classifier to new a priori probabilities", Neural Computation 14 (2002), with the bias
known instead of estimated).  A voice's pitch is read as semitones above the pitch at rest, which
moves its arousal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, NANOSECONDS, Embedding, expected_valence_arousal
from emostress_ros.errors import ParameterError, SignalError

_FORMAT = 1
_ENOUGH = 3
"""Embeddings that a rest must hold before anything is read against it."""

NEUTRAL = 0.5
"""A rest that is read as *neutral* at least this surely needs no correction."""

MOST = 1.0
"""Largest correction of one logit: a rest never overrules clear evidence."""

AROUSAL_PER_SEMITONE = 0.01
"""How much arousal a semitone above the resting pitch adds.  All three values were chosen on
RAVDESS with persons held out; ``docs/people.md`` has the figures."""

_HIGHEST_SEMITONES = 12.0


class RestingReading:
    """What one modality's model says of one person at rest.

    Args:
        start_ns: when the rest begins, sensor clock.
        duration_s: how long it lasts; above 0.

    Attributes:
        count: embeddings taken.

    Raises:
        ParameterError: a duration that is not above 0.
    """

    def __init__(self, start_ns: int, duration_s: float) -> None:
        if not (math.isfinite(duration_s) and duration_s > 0):
            raise ParameterError(f"duration_s of a rest must be above 0; got {duration_s!r}")
        self.start_ns = start_ns
        self.stop_ns = start_ns + round(duration_s * NANOSECONDS)
        self.count = 0
        self._closed = False
        self._mean = np.zeros(len(EMOTIONS))
        self._rated = 0
        self._log_pitch: list[float] = []

    @property
    def complete(self) -> bool:
        """Whether the rest is over and enough was perceived in it."""
        return self._closed and self.count >= _ENOUGH

    def add(self, embedding: Embedding) -> None:
        """Take an embedding of the person; one from outside the rest only ends it."""
        if embedding.stamp_ns > self.stop_ns:
            self._closed = True
        if self._closed or embedding.stamp_ns - embedding.window_ns < self.start_ns:
            return
        self.count += 1
        if embedding.labels == EMOTIONS:
            self._rated += 1
            self._mean += (embedding.probabilities - self._mean) / self._rated
        pitch = embedding.measures.get("pitch_hz", 0.0)
        if pitch > 0:
            self._log_pitch.append(math.log2(pitch))

    def correct(self, embedding: Embedding) -> Embedding:
        """Return the embedding read against the rest; as it is while the rest is not complete."""
        if not self.complete or embedding.labels != EMOTIONS or not self._rated:
            return embedding
        logits = np.log(np.maximum(embedding.probabilities, 1e-6)) + self.shift
        odds = np.exp(logits - logits.max())
        probabilities = (odds / odds.sum()).astype(np.float32)
        before = expected_valence_arousal(EMOTIONS, embedding.probabilities)
        after = expected_valence_arousal(EMOTIONS, probabilities)
        rise = AROUSAL_PER_SEMITONE * self.semitones(embedding)
        return replace(
            embedding,
            probabilities=probabilities,
            valence=_moved(embedding.valence, after[0] - before[0]),
            arousal=_moved(embedding.arousal, after[1] - before[1] + rise),
        )

    @property
    def shift(self) -> npt.NDArray[np.float64]:
        """(7,) what is added to the logits, in the order of ``affect.EMOTIONS``."""
        if not self._rated:
            return np.zeros(len(EMOTIONS))
        neutral = EMOTIONS.index("neutral")
        if self._mean[neutral] >= NEUTRAL:
            return np.zeros(len(EMOTIONS))
        wanted = np.full(len(EMOTIONS), (1 - NEUTRAL) / (len(EMOTIONS) - 1))
        wanted[neutral] = NEUTRAL
        shift = np.log(wanted) - np.log(np.maximum(self._mean, 1e-3))
        # An emotion that rest never showed is not made likelier than the model says.
        shift[np.arange(len(EMOTIONS)) != neutral] = np.minimum(
            shift[np.arange(len(EMOTIONS)) != neutral], 0.0
        )
        return np.clip(shift, -MOST, MOST)

    def semitones(self, embedding: Embedding) -> float:
        """Return how far a voice lies above its resting pitch, [-12, 12]; 0 where not known."""
        pitch = embedding.measures.get("pitch_hz", 0.0)
        if pitch <= 0 or len(self._log_pitch) < _ENOUGH:
            return 0.0
        above = 12.0 * (math.log2(pitch) - float(np.median(self._log_pitch)))
        return float(np.clip(above, -_HIGHEST_SEMITONES, _HIGHEST_SEMITONES))

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": _FORMAT,
            "start_ns": self.start_ns,
            "stop_ns": self.stop_ns,
            "closed": self._closed,
            "count": self.count,
            "rated": self._rated,
            "mean": self._mean.tolist(),
            "log_pitch": self._log_pitch,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> RestingReading:
        """The reading that ``to_dict`` wrote.

        Raises:
            SignalError: another format, a missing key, or vectors that do not fit.
        """
        if values.get("format") != _FORMAT:
            raise SignalError(f"a rest of format {_FORMAT}; got {values.get('format')!r}")
        try:
            length_s = (int(values["stop_ns"]) - int(values["start_ns"])) / NANOSECONDS
            reading = cls(int(values["start_ns"]), length_s)
            reading._closed, reading.count = bool(values["closed"]), int(values["count"])
            reading._rated = int(values["rated"])
            reading._mean = np.asarray(values["mean"], np.float64)
            reading._log_pitch = [float(value) for value in values["log_pitch"]]
        except (KeyError, TypeError, ValueError) as error:
            raise SignalError(f"a rest lacks or misstates {error}") from error
        if reading._mean.shape != (len(EMOTIONS),) or not np.isfinite(reading._mean).all():
            raise SignalError(f"a rest needs {len(EMOTIONS)} finite probabilities")
        return reading


class RestingReadings:
    """The rests of every person and modality."""

    def __init__(self) -> None:
        self._kept: dict[str, dict[str, RestingReading]] = {}

    def start(
        self, person_id: str, modalities: tuple[str, ...], start_ns: int, duration_s: float
    ) -> None:
        """Begin a person's rest; it replaces one measured before."""
        self._kept[person_id] = {name: RestingReading(start_ns, duration_s) for name in modalities}

    def read(self, person_id: str, embedding: Embedding) -> Embedding:
        """Take an embedding in and return it as read against the person's rest."""
        reading = self._kept.get(person_id, {}).get(embedding.modality)
        if reading is None:
            return embedding
        reading.add(embedding)
        return reading.correct(embedding)

    def complete(self, person_id: str) -> tuple[str, ...]:
        """Return the modalities whose rest has been measured."""
        kept = self._kept.get(person_id, {})
        return tuple(name for name, reading in kept.items() if reading.complete)

    def forget(self, person_id: str) -> bool:
        """Drop a person's rest; return whether there was one."""
        return self._kept.pop(person_id, None) is not None

    def to_dict(self, person_id: str) -> dict[str, Any]:
        """A person's rests as plain values for JSON."""
        kept = self._kept.get(person_id, {})
        return {name: reading.to_dict() for name, reading in kept.items()}

    def restore(self, person_id: str, values: Mapping[str, Any]) -> None:
        """Use a person's rests that were measured before.

        Raises:
            SignalError: see :meth:`RestingReading.from_dict`.
        """
        self._kept[person_id] = {
            name: RestingReading.from_dict(each) for name, each in values.items()
        }


def _moved(value: float, by: float) -> float:
    return value if math.isnan(value) else float(np.clip(value + by, -1.0, 1.0))
