"""Moments of people never seen, on which the strategies are judged."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import MODALITIES
from emostress_ros.training.fusion.pairs import IntArray, Moments
from emostress_ros.training.fusion.tables import Table


def trial_moments(
    tables: Mapping[str, Table], rng: np.random.Generator, draws: int = 3
) -> tuple[Moments, Moments]:
    """Return moments of emotion and of stress of people never seen, whole and fresh.

    Every voice clip is paired ``draws`` times with faces and comments of its label, every window
    of a body with posts.  A pseudo-person owns its own share of faces, comments and posts.
    """
    voice, body = tables["voice"], tables["physiology"]
    emotion = np.tile(voice.emotion, draws)
    actor = np.tile(voice.person, draws)
    anything = rng.integers(len(body), size=len(emotion))
    own = {name: _shares(tables[name].emotion, voice.person, rng) for name in ("face", "text")}
    columns = {
        "face": _own(own["face"], actor, emotion, rng),
        "voice": np.tile(np.arange(len(voice)), draws),
        "physiology": anything,
        "text": _own(own["text"], actor, emotion, rng),
    }
    felt = Moments.clean(_stack(columns), emotion, np.full(len(emotion), -1), actor)
    posts = _shares(tables["text"].stressed, body.person, rng)
    stressed = body.stressed
    columns = {
        "face": rng.integers(len(tables["face"]), size=len(stressed)),
        "voice": rng.integers(len(voice), size=len(stressed)),
        "physiology": np.arange(len(body)),
        "text": _own(posts, body.person, stressed, rng),
    }
    stress = Moments.clean(_stack(columns), np.full(len(stressed), -1), stressed, body.person)
    return felt, stress


def _stack(columns: Mapping[str, IntArray]) -> IntArray:
    return np.stack([columns[name] for name in MODALITIES], axis=1)


def _shares(
    labels: IntArray, persons: npt.NDArray[np.str_], rng: np.random.Generator
) -> dict[tuple[str, int], IntArray]:
    """Deal the items of every label to the persons; whoever gets none has all of the label."""
    people = sorted(set(persons.tolist()))
    dealt = {}
    for label in sorted(set(labels.tolist()) - {-1}):
        items = rng.permutation(np.flatnonzero(labels == label))
        for place, person in enumerate(people):
            own = items[place :: len(people)]
            dealt[person, label] = own if len(own) else items
    return dealt


def _own(
    shares: Mapping[tuple[str, int], IntArray],
    persons: npt.NDArray[np.str_],
    labels: IntArray,
    rng: np.random.Generator,
) -> IntArray:
    return np.array(
        [rng.choice(shares[str(p), int(c)]) for p, c in zip(persons, labels, strict=True)], np.int64
    )
