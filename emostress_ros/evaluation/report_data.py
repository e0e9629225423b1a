"""What a recording of the graph says, read into plain records for figures and tables."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS, ContributionStatus, StressLevel
from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.reader import BagMessage, bag_info, read_messages, stamp_ns
from emostress_ros.resources import PACKAGE

_TYPES = (
    *(f"{PACKAGE}/msg/{name}" for name in ("AffectState", "BehaviourCue", "ModalityEmbedding")),
    "diagnostic_msgs/msg/DiagnosticArray",
)


@dataclass(frozen=True)
class ContributionRecord:
    """What one modality gave to one state.

    Attributes:
        modality: its name.
        model: `name@version`; empty where nothing came.
        status: what became of it.
        weight: [0, 1].
        quality: [0, 1] or NaN.
        age_s: age of its evidence, seconds.
    """

    modality: str
    model: str
    status: ContributionStatus
    weight: float
    quality: float
    age_s: float


@dataclass(frozen=True)
class AffectRecord:
    """One state of one person; fields as in `msg/AffectState.msg`.

    Attributes:
        stamp_s: sensor clock, seconds.
        person_id: whom it is about.
        emotion: label or `unknown`.
        probabilities: label to probability; empty where emotion was not estimated.
        valence: [-1, 1] or NaN.
        arousal: [-1, 1] or NaN.
        stress: [0, 1] or NaN.
        stress_level: coarse stress.
        confidence: [0, 1].
        stress_confidence: [0, 1].
        latency_ms: newest sensor stamp to publication.
        contributions: by modality.
    """

    stamp_s: float
    person_id: str
    emotion: str
    probabilities: dict[str, float]
    valence: float
    arousal: float
    stress: float
    stress_level: StressLevel
    confidence: float
    stress_confidence: float
    latency_ms: float
    contributions: dict[str, ContributionRecord]

    @property
    def used(self) -> list[str]:
        """Modalities that went into the state."""
        return [name for name, item in self.contributions.items()
                if item.status is ContributionStatus.USED]  # fmt: skip


@dataclass(frozen=True)
class CueRecord:
    """One cue of the behaviour node.

    Attributes:
        stamp_s: sensor clock, seconds.
        person_id: whom it is about.
        cue: its name.
        intensity: [0, 1].
        reason: the condition that held.
    """

    stamp_s: float
    person_id: str
    cue: str
    intensity: float
    reason: str


@dataclass
class Session:
    """Everything that a report is about.

    Attributes:
        affects: states in order of arrival.
        cues: cues in order of arrival.
        counts: messages by topic.
        models: modality to the models (`name@version`) that spoke.
        diagnostics: node to the values of its last report.
    """

    affects: list[AffectRecord] = field(default_factory=list)
    cues: list[CueRecord] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    models: dict[str, set[str]] = field(default_factory=dict)
    diagnostics: dict[str, dict[str, str]] = field(default_factory=dict)

    def people(self) -> list[str]:
        """Persons, those with most states first."""
        counts: dict[str, int] = {}
        for item in self.affects:
            counts[item.person_id] = counts.get(item.person_id, 0) + 1
        return sorted(counts, key=lambda person: (-counts[person], person))

    def of(self, person_id: str) -> list[AffectRecord]:
        """States of one person in order of their stamps."""
        chosen = [item for item in self.affects if item.person_id == person_id]
        return sorted(chosen, key=lambda item: item.stamp_s)

    def since(self, stamp_ns: int) -> Session:
        """The session without states and cues that are stamped before."""
        start_s = stamp_ns / NANOSECONDS
        affects = [item for item in self.affects if item.stamp_s >= start_s]
        cues = [item for item in self.cues if item.stamp_s >= start_s]
        return replace(self, affects=affects, cues=cues)

    def latencies_ms(self) -> npt.NDArray[np.float64]:
        """Latency of every state that rests on newer evidence than the one before, milliseconds.

        Without new evidence the newest stamp only grows older, which says nothing of the graph.
        """
        newest: dict[str, float] = {}
        found = []
        for item in self.affects:
            if item.stamp_s > newest.get(item.person_id, -1.0):
                newest[item.person_id] = item.stamp_s
                found.append(item.latency_ms)
        return np.array(found, dtype=np.float64)

    def modalities(self) -> list[str]:
        """Modalities that the fusion listened to, in its own order."""
        names: dict[str, None] = {}
        for item in self.affects:
            names.update(dict.fromkeys(item.contributions))
        return list(names)


def read_session(bag: Path | str) -> Session:
    """Read states, cues, embeddings' models and diagnostics of a recorded bag.

    Raises:
        BagError: the bag cannot be read.
    """
    info = bag_info(bag)
    chosen = [name for name, msgtype in info.topics.items() if msgtype in _TYPES]
    if not chosen:
        held = ", ".join(sorted(info.topics)) or "nothing"
        raise BagError(f"{bag}: holds no states, embeddings, cues or diagnostics; it holds {held}")
    session = collect(read_messages(bag, chosen))
    session.counts = dict(info.counts)
    return session


def collect(items: Iterable[BagMessage]) -> Session:
    """Sort messages into a session; types that a report does not use are counted only.

    Args:
        items: messages of a bag, or live ones wrapped alike.
    """
    session = Session()
    for item in items:
        session.counts[item.topic] = session.counts.get(item.topic, 0) + 1
        name = item.msgtype.rpartition("/")[2]
        if name == "AffectState":
            session.affects.append(affect_record(item.message))
        elif name == "BehaviourCue":
            session.cues.append(cue_record(item.message))
        elif name == "ModalityEmbedding":
            session.models.setdefault(item.message.modality, set()).add(item.message.model)
        elif name == "DiagnosticArray":
            _take_diagnostics(session, item.message)
    for affect in session.affects:
        for modality, given in affect.contributions.items():
            if given.model:
                session.models.setdefault(modality, set()).add(given.model)
    return session


def affect_record(message: Any) -> AffectRecord:
    """Record of an `AffectState`, from rosbags or from rclpy."""
    pairs = zip(message.labels, message.probabilities, strict=False)
    contributions = {
        given.modality: ContributionRecord(
            given.modality,
            given.model,
            ContributionStatus(given.status),
            float(given.weight),
            float(given.quality),
            _seconds(given.age),
        )
        for given in message.contributions
    }
    return AffectRecord(
        stamp_s=_stamp_s(message),
        person_id=message.person_id,
        emotion=message.emotion,
        probabilities={label: float(value) for label, value in pairs},
        valence=float(message.valence),
        arousal=float(message.arousal),
        stress=float(message.stress),
        stress_level=StressLevel(message.stress_level),
        confidence=float(message.confidence),
        stress_confidence=float(message.stress_confidence),
        latency_ms=1e3 * _seconds(message.latency),
        contributions=contributions,
    )


def cue_record(message: Any) -> CueRecord:
    """Record of a `BehaviourCue`, from rosbags or from rclpy."""
    return CueRecord(
        _stamp_s(message),
        message.person_id,
        message.cue,
        float(message.intensity),
        message.reason,
    )


def _take_diagnostics(session: Session, message: Any) -> None:
    for status in message.status:
        name = re.sub(r"^.*/", "", status.name)
        values = {pair.key: pair.value for pair in status.values}
        session.diagnostics[name] = {"state": status.message, **values}


def _stamp_s(message: Any) -> float:
    return (stamp_ns(message) or 0) / NANOSECONDS


def _seconds(duration: Any) -> float:
    return float(duration.sec) + float(duration.nanosec) / NANOSECONDS
