"""Between ROS messages and the core's nouns: the only module that knows both."""

from __future__ import annotations

import array

import numpy as np
import numpy.typing as npt
from builtin_interfaces.msg import Duration, Time

from emostress_ros.affect import (
    Affect,
    Contribution,
    ContributionStatus,
    Embedding,
    StressLevel,
)
from emostress_ros.behaviour import Cue
from emostress_ros.errors import SignalError
from emostress_ros.modalities.messages import stamp_to_ns
from emostress_ros.msg import (
    AffectState,
    BehaviourCue,
    ModalityContribution,
    ModalityEmbedding,
)

_SECOND = 1_000_000_000
_LARGEST_STAMP_S = 2**31 - 1


def ns_to_stamp(stamp_ns: int) -> Time:
    """Return nanoseconds as a ROS time.

    Raises:
        SignalError: negative, or beyond what ROS 2 can say (the year 2038).
    """
    seconds, nanoseconds = divmod(int(stamp_ns), _SECOND)
    if not 0 <= seconds <= _LARGEST_STAMP_S:
        raise SignalError(f"a stamp must lie in [0, 2**31) s; got {stamp_ns} ns")
    return Time(sec=seconds, nanosec=nanoseconds)


def ns_to_duration(duration_ns: int) -> Duration:
    """Return nanoseconds as a ROS duration; longer ones are cut to 68 years."""
    seconds, nanoseconds = divmod(int(duration_ns), _SECOND)
    seconds = max(-_LARGEST_STAMP_S, min(_LARGEST_STAMP_S, seconds))
    return Duration(sec=seconds, nanosec=nanoseconds)


def floats(values: npt.ArrayLike) -> array.array[float]:
    """Return values as what a ``float32[]`` field takes fastest (100 times an ndarray's speed)."""
    result = array.array("f")
    result.frombytes(np.ascontiguousarray(values, dtype=np.float32).tobytes())
    return result


def embedding_to_msg(embedding: Embedding, frame_id: str = "") -> ModalityEmbedding:
    """Return an embedding as its message."""
    message = ModalityEmbedding(
        person_id=embedding.person_id,
        source_id=embedding.source_id,
        modality=embedding.modality,
        model=embedding.ran_as,
        window=ns_to_duration(embedding.window_ns),
        quality=float(embedding.quality),
        embedding=floats(embedding.vector),
        labels=list(embedding.labels),
        probabilities=floats(embedding.probabilities),
        valence=float(embedding.valence),
        arousal=float(embedding.arousal),
        stress=float(embedding.stress),
        measure_names=list(embedding.measures),
        measures=floats(list(embedding.measures.values())),
    )
    message.header.stamp = ns_to_stamp(embedding.stamp_ns)
    message.header.frame_id = frame_id
    return message


def embedding_from_msg(message: ModalityEmbedding) -> Embedding:
    """Return a message as an embedding.

    Raises:
        SignalError, StampError: NaN in the vector, a value out of its range, labels that do not
            match the probabilities, names that do not match the measures, a negative window.
    """
    if len(message.measure_names) != len(message.measures):
        raise SignalError(
            f"{len(message.measure_names)} measure_names for {len(message.measures)} measures"
        )
    model, _, stand_in = message.model.partition(" on ")
    return Embedding(
        stamp_ns=stamp_to_ns(message.header.stamp),
        modality=message.modality,
        model=model,
        vector=np.asarray(message.embedding, dtype=np.float32),
        quality=float(message.quality),
        window_ns=stamp_to_ns(message.window),
        person_id=message.person_id,
        source_id=message.source_id,
        labels=tuple(message.labels),
        probabilities=np.asarray(message.probabilities, dtype=np.float32),
        valence=float(message.valence),
        arousal=float(message.arousal),
        stress=float(message.stress),
        measures=dict(zip(message.measure_names, map(float, message.measures), strict=True)),
        stand_in=stand_in,
    )


def affect_to_msg(affect: Affect, latency_ns: int) -> AffectState:
    """Return an affect as its message; ``latency_ns`` runs from the stamp to publication."""
    message = AffectState(
        person_id=affect.person_id,
        emotion=affect.emotion,
        labels=list(affect.labels),
        probabilities=floats(affect.probabilities),
        valence=float(affect.valence),
        arousal=float(affect.arousal),
        stress=float(affect.stress),
        stress_level=int(affect.stress_level),
        confidence=float(affect.confidence),
        stress_confidence=float(affect.stress_confidence),
        contributions=[_contribution_to_msg(item) for item in affect.contributions],
        latency=ns_to_duration(max(0, latency_ns)),
    )
    message.header.stamp = ns_to_stamp(affect.stamp_ns)
    return message


def affect_from_msg(message: AffectState) -> Affect:
    """Return a message as an affect."""
    return Affect(
        stamp_ns=stamp_to_ns(message.header.stamp),
        person_id=message.person_id,
        emotion=message.emotion,
        labels=tuple(message.labels),
        probabilities=np.asarray(message.probabilities, dtype=np.float32),
        valence=float(message.valence),
        arousal=float(message.arousal),
        stress=float(message.stress),
        stress_level=StressLevel(message.stress_level),
        confidence=float(message.confidence),
        stress_confidence=float(message.stress_confidence),
        contributions=tuple(_contribution_from_msg(item) for item in message.contributions),
    )


def cue_to_msg(cue: Cue) -> BehaviourCue:
    """Return a behaviour cue as its message."""
    message = BehaviourCue(
        person_id=cue.person_id, cue=cue.cue, intensity=float(cue.intensity), reason=cue.reason
    )
    message.header.stamp = ns_to_stamp(cue.stamp_ns)
    return message


def _contribution_to_msg(item: Contribution) -> ModalityContribution:
    return ModalityContribution(
        modality=item.modality,
        model=item.model,
        status=int(item.status),
        weight=float(item.weight),
        quality=float(item.quality),
        age=ns_to_duration(item.age_ns),
    )


def _contribution_from_msg(message: ModalityContribution) -> Contribution:
    return Contribution(
        modality=message.modality,
        model=message.model,
        status=ContributionStatus(message.status),
        weight=float(message.weight),
        quality=float(message.quality),
        age_ns=stamp_to_ns(message.age),
    )
