"""Evidence of several senses, made up, and a fusion that is fed with it."""

from __future__ import annotations

import numpy as np

from emostress_ros.affect import EMOTIONS, Embedding

SECOND = 1_000_000_000


def probabilities(label: str, confidence: float) -> np.ndarray:
    values = np.full(7, (1.0 - confidence) / 6, dtype=np.float32)
    values[EMOTIONS.index(label)] = confidence
    return values


def face(at_s, label="happy", confidence=0.9, track="face_1", quality=1.0):
    return Embedding(
        round(at_s * SECOND),
        "face",
        "face_test@1",
        np.ones(4, np.float32),
        quality,
        source_id=track,
        labels=EMOTIONS,
        probabilities=probabilities(label, confidence),
        valence=0.5,
        arousal=0.2,
    )


def voice(at_s, label="angry", confidence=0.9, person=""):
    return Embedding(
        round(at_s * SECOND),
        "voice",
        "voice_test@1",
        np.ones(4, np.float32),
        1.0,
        person_id=person,
        labels=EMOTIONS,
        probabilities=probabilities(label, confidence),
    )


def wearable(at_s, stress=0.9, person="", device="E4"):
    return Embedding(
        round(at_s * SECOND),
        "physiology",
        "phys_test@1",
        np.ones(4, np.float32),
        1.0,
        person_id=person,
        source_id=device,
        stress=stress,
    )


def run(pipeline, embeddings, until_s=None):
    states = []
    for item in sorted(embeddings, key=lambda e: e.stamp_ns):
        pipeline.add(item, item.stamp_ns)
        states += pipeline.advance(item.stamp_ns)
    if until_s is not None:
        now = max(e.stamp_ns for e in embeddings)
        while now < until_s * SECOND:
            now += SECOND // 20
            states += pipeline.advance(now)
    return states


def statuses(state):
    return {item.modality: item.status for item in state.contributions}


def weights(state):
    return {item.modality: item.weight for item in state.contributions}
