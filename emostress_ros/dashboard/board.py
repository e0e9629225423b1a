"""What the page shows: the latest of every person and node, and a short past, as plain JSON.

Nothing raw reaches it: no picture, no sound, no signal, no words.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from emostress_ros.evaluation.report_data import AffectRecord, CueRecord

PAST_S = 120.0
"""How much of the past the page draws."""

_STEP_S = 0.2  # the past is kept at this rate
_GONE_S = 10.0
_CUES = 12
_MOST_IDS = 64
_LEVELS = ("ok", "warning", "error", "stale")


@dataclass
class _Person:
    state: AffectRecord
    heard_s: float
    past: deque[tuple[float, AffectRecord]] = field(default_factory=deque)
    measures: dict[str, float] = field(default_factory=dict)


class Board:
    """Collects what comes and tells it as JSON; may be used from several threads.

    Times are those of whoever calls, in seconds, and only ever compared with each other.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._people: dict[str, _Person] = {}
        self._measured: dict[str, dict[str, float]] = {}
        self._cues: deque[CueRecord] = deque(maxlen=_CUES)
        self._nodes: dict[str, dict[str, Any]] = {}
        self.version = 0

    def affect(self, state: AffectRecord, now_s: float) -> None:
        """Take a state."""
        with self._lock:
            person = self._people.setdefault(state.person_id, _Person(state, now_s))
            person.state, person.heard_s = state, now_s
            if not person.past or not 0 <= now_s - person.past[-1][0] < _STEP_S:
                person.past.append((now_s, state))
            while person.past and not 0 <= now_s - person.past[0][0] <= PAST_S:
                person.past.popleft()
            self.version += 1

    def measures(self, source_ids: tuple[str, ...], measures: dict[str, float]) -> None:
        """Take the readable figures behind an embedding, by any id of whom they are about."""
        with self._lock:
            for name in source_ids:
                self._measured[name] = self._measured.pop(name, {}) | measures
            while len(self._measured) > _MOST_IDS:
                del self._measured[next(iter(self._measured))]  # the one longest silent

    def cue(self, cue: CueRecord) -> None:
        """Take a cue of the behaviour."""
        with self._lock:
            self._cues.appendleft(cue)
            self.version += 1

    def node(self, name: str, level: int, message: str) -> None:
        """Take a node's health, as in ``diagnostic_msgs/DiagnosticStatus``."""
        with self._lock:
            shown = _LEVELS[min(max(level, 0), len(_LEVELS) - 1)]
            self._nodes[name] = {"level": shown, "message": message}
            self.version += 1

    def snapshot(self, now_s: float) -> dict[str, Any]:
        """Return everything as JSON; NaN is null."""
        with self._lock:
            gone = [n for n, p in self._people.items() if now_s - p.heard_s > _GONE_S]
            for name in gone:
                del self._people[name]
            return {
                "people": [
                    self._person(name, person, now_s)
                    for name, person in sorted(self._people.items())
                ],
                "cues": [_cue(cue) for cue in self._cues],
                "nodes": dict(sorted(self._nodes.items())),
            }

    def _person(self, name: str, person: _Person, now_s: float) -> dict[str, Any]:
        state = person.state
        measures = dict(self._measured.get("", {})) if len(self._people) == 1 else {}
        measures |= self._measured.get(name, {})
        return {
            "person": name,
            "silent_s": now_s - person.heard_s,
            "emotion": state.emotion,
            "probabilities": state.probabilities,
            "valence": _number(state.valence),
            "arousal": _number(state.arousal),
            "stress": _number(state.stress),
            "stress_level": state.stress_level.name,
            "confidence": _number(state.confidence),
            "stress_confidence": _number(state.stress_confidence),
            "latency_ms": _number(state.latency_ms),
            "measures": {key: _number(value) for key, value in sorted(measures.items())},
            "contributions": [
                {
                    "modality": item.modality,
                    "status": item.status.name,
                    "weight": _number(item.weight),
                    "quality": _number(item.quality),
                    "age_s": _number(item.age_s),
                    "model": item.model,
                }
                for item in state.contributions.values()
            ],
            "past": [
                [
                    round(at - now_s, 2),
                    _number(old.stress),
                    _number(old.valence),
                    _number(old.arousal),
                    old.emotion,
                ]
                for at, old in person.past
            ],
        }


def _cue(cue: CueRecord) -> dict[str, Any]:
    return {
        "person": cue.person_id,
        "cue": cue.cue,
        "intensity": _number(cue.intensity),
        "reason": cue.reason,
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None
