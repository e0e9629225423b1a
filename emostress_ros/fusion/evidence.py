"""Aligned embeddings as the two arrays that a learned fusion model takes.

``embeddings`` holds the vectors of the modalities that the model knows, one after the other, zero
where there is none.  ``evidence`` holds one row (a *token*) for each modality that was waited for,
in any order and number: what it says, how far it is to be trusted, and which one it is.  A modality
that the model never met is a row that names none.

Training makes its tables with :func:`rows`; the running graph writes the same numbers a few tokens
at a time (:mod:`emostress_ros.fusion.packing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import CardError

FloatArray = npt.NDArray[np.float32]

OPINION = slice(0, len(EMOTIONS))
COLUMNS: tuple[str, ...] = (
    *(f"log_{name}" for name in EMOTIONS),
    "speaks_of_emotion",
    "certainty",
    "stress_logit",
    "speaks_of_stress",
    "quality",
    "age",
    "freshness",
    "has_embedding",
    "present",
)
"""Columns of ``evidence`` before those that name the modality."""
SPEAKS_OF_EMOTION = COLUMNS.index("speaks_of_emotion")
STRESS_LOGIT = COLUMNS.index("stress_logit")
SPEAKS_OF_STRESS = COLUMNS.index("speaks_of_stress")
HAS_EMBEDDING = COLUMNS.index("has_embedding")
PRESENT = COLUMNS.index("present")
IDENTITY = len(COLUMNS)
"""First of the columns that name the modality, one for each that the model knows."""
LEAST = 1e-4
LEAST_STRESS = 1e-3
GREATEST_LOGIT = 6.0


@dataclass(frozen=True)
class ModalityTerms:
    """How a fusion model reads one modality.

    Attributes:
        max_age_s: evidence older than this is stale.
        half_life_s: age at which evidence is trusted half as much.
    """

    max_age_s: float
    half_life_s: float


@dataclass(frozen=True)
class Known:
    """A modality that a learned model knows.

    Attributes:
        name: of the modality.
        width: length of the embedding.
        models: encoders, ``name@version``, whose embeddings the model reads; of any other
            encoder it reads probabilities and stress alone.
    """

    name: str
    width: int
    models: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where in the arrays one known modality lies.

    Attributes:
        known: the modality.
        index: among those that the model knows.
        start: first column of ``embeddings``.
        identity: of a token's row, the columns that name the modality.
    """

    known: Known
    index: int
    start: int
    identity: tuple[float, ...]

    @cached_property
    def end(self) -> int:
        """Column of ``embeddings`` behind the last."""
        return self.start + self.known.width

    def reads(self, embedding: Embedding) -> bool:
        """Whether the vector is of an encoder that the model learned to read."""
        return embedding.model in self.known.models and len(embedding.vector) == self.known.width


@dataclass(frozen=True)
class Layout:
    """Where in the arrays each known modality lies.

    Attributes:
        known: in the order of the embeddings and of the identity columns.
    """

    known: tuple[Known, ...]

    @classmethod
    def from_card(cls, extra: Mapping[str, object], where: str) -> Layout:
        """Read ``extra.modalities`` of a card.

        Raises:
            CardError: it is missing or malformed.
        """
        entries = extra.get("modalities")
        try:
            known = tuple(
                Known(str(entry["name"]), int(entry["embedding_dim"]), tuple(entry["models"]))
                for entry in entries  # type: ignore[attr-defined]
            )
        except (TypeError, KeyError, ValueError) as error:
            raise CardError(
                f"{where}: extra.modalities must list name, embedding_dim and models; "
                f"got {entries!r}"
            ) from error
        return cls(known)

    @cached_property
    def width(self) -> int:
        """Length of a row of ``embeddings``."""
        return sum(item.width for item in self.known)

    @cached_property
    def columns(self) -> int:
        """Length of a row of ``evidence``."""
        return IDENTITY + len(self.known)

    @cached_property
    def places(self) -> dict[str, Place]:
        """Modality to where it lies."""
        found, start = {}, 0
        for index, item in enumerate(self.known):
            identity = tuple(float(index == other) for other in range(len(self.known)))
            found[item.name] = Place(item, index, start, identity)
            start += item.width
        return found

    def index(self, modality: str) -> int:
        """Return the place of a modality; -1 where the model does not know it."""
        for place, item in enumerate(self.known):
            if item.name == modality:
                return place
        return -1

    def part(self, place: int) -> slice:
        """Return where in ``embeddings`` the vector of a known modality lies."""
        start = sum(item.width for item in self.known[:place])
        return slice(start, start + self.known[place].width)


def rows(
    probabilities: npt.NDArray[np.floating],
    stress: npt.NDArray[np.floating],
    quality: npt.NDArray[np.floating],
    age_s: npt.NDArray[np.floating],
    max_age_s: npt.NDArray[np.floating] | float,
    half_life_s: npt.NDArray[np.floating] | float,
    has_embedding: npt.NDArray[np.bool_],
) -> FloatArray:
    """Return the (N, COLUMNS) evidence of N tokens, all present.

    Args:
        probabilities: (N, 7) in the order of ``EMOTIONS``; NaN where not estimated.
        stress: (N,) in [0, 1]; NaN where not estimated.
        quality: (N,) in [0, 1].
        age_s: (N,) >= 0.
        max_age_s: (N,) age from which on evidence of that modality is stale.
        half_life_s: (N,) age at which it is trusted half as much.
        has_embedding: (N,) whether ``embeddings`` holds the vector.
    """
    table = np.zeros((len(quality), IDENTITY), dtype=np.float32)
    spoken = np.isfinite(probabilities).all(axis=1)
    logs = np.log(np.clip(np.where(spoken[:, None], probabilities, 1.0), LEAST, 1.0))
    table[:, OPINION] = logs - logs.mean(axis=1, keepdims=True)
    table[:, SPEAKS_OF_EMOTION] = spoken
    table[:, COLUMNS.index("certainty")] = np.where(spoken, np.exp(logs.max(axis=1)), 0.0)
    felt = np.isfinite(stress)
    level = np.clip(np.where(felt, stress, 0.5), LEAST_STRESS, 1.0 - LEAST_STRESS)
    logit = np.log(level / (1.0 - level))
    table[:, STRESS_LOGIT] = np.clip(logit, -GREATEST_LOGIT, GREATEST_LOGIT)
    table[:, SPEAKS_OF_STRESS] = felt
    table[:, COLUMNS.index("quality")] = quality
    old = np.maximum(age_s, 0.0)
    table[:, COLUMNS.index("age")] = np.minimum(old / max_age_s, 2.0)
    table[:, COLUMNS.index("freshness")] = 0.5 ** (old / half_life_s)
    table[:, HAS_EMBEDDING] = has_embedding
    table[:, PRESENT] = 1.0
    return table
