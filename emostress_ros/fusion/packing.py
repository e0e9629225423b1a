"""Writes what is used of people into the arrays of a learned fusion, a few tokens at a time.

The numbers are those of :func:`emostress_ros.fusion.evidence.rows`, by which training makes its
tables; a test holds them together.  Arrays would cost more than what is done with them: a compiled
kernel (``src/evidence.c``) computes the rows where it is installed, plain floats elsewhere.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from math import isnan, log, nan
from typing import NamedTuple

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.fusion.evidence import (
    GREATEST_LOGIT,
    IDENTITY,
    LEAST,
    LEAST_STRESS,
    SPEAKS_OF_EMOTION,
    FloatArray,
    Layout,
    ModalityTerms,
    Place,
)
from emostress_ros.kernels import compiled

_LEAST_LOG = log(LEAST)
_NOT_SAID = [nan] * len(EMOTIONS)
_ABSENT = [0.0] * (len(EMOTIONS) + 8)
"""``struct item`` of ``src/evidence.c`` where there is no token."""


class Heard(NamedTuple):
    """One embedding that is used, with its age.

    Attributes:
        embedding: of one modality.
        probabilities: 7 in the order of ``EMOTIONS``, summing to about 1; None where not estimated.
        age_s: >= 0.
        terms: of the modality.
    """

    embedding: Embedding
    probabilities: list[float] | None
    age_s: float
    terms: ModalityTerms


class Packer:
    """Writes what is used of P people, at most M tokens of each, into the arrays of a model.

    Args:
        layout: of the model.
        embeddings: (P, width), contiguous float32.
        evidence: (P, M, columns), contiguous float32.
    """

    def __init__(self, layout: Layout, embeddings: FloatArray, evidence: FloatArray) -> None:
        self._layout, self._embeddings, self._evidence = layout, embeddings, evidence
        self._tokens = evidence.shape[0] * evidence.shape[1]
        self._items = struct.Struct(f"{self._tokens * len(_ABSENT)}d")
        self._rows = struct.Struct(f"{evidence.size}f")
        self._fill, self._where = _compiled_fill(), evidence.ctypes.data
        self._nothing = [0.0] * layout.columns if self._fill is None else _ABSENT

    def pack(self, people: Sequence[Sequence[Heard]]) -> None:
        """Overwrite the arrays with what is used of each."""
        self._embeddings.fill(0.0)
        tell = token if self._fill is None else _item
        values: list[float] = []
        for person, heard in enumerate(people):
            for item in heard:
                place = self._layout.places.get(item.embedding.modality)
                read = place is not None and place.reads(item.embedding)
                if place is not None and read:
                    self._embeddings[person, place.start : place.end] = item.embedding.vector
                values += tell(item, self._layout, place, read)
            values += self._nothing * (self._evidence.shape[1] - len(heard))
        if self._fill is None:
            self._rows.pack_into(self._evidence.data, 0, *values)
        else:
            known = len(self._layout.known)
            self._fill(self._items.pack(*values), self._tokens, known, self._where)


def token(item: Heard, layout: Layout, place: Place | None, read: bool) -> list[float]:
    """Return the row of ``evidence`` of one token."""
    if item.probabilities is None:
        row = [0.0] * (SPEAKS_OF_EMOTION + 2)
    else:
        total = sum(item.probabilities)
        shares = [p / total if total > 0.0 else 1.0 / len(EMOTIONS) for p in item.probabilities]
        logs = [log(share) if share > LEAST else _LEAST_LOG for share in shares]
        mean = sum(logs) / len(logs)
        row = [value - mean for value in logs]
        row += (1.0, max(*shares, LEAST))
    stress, old, terms = item.embedding.stress, max(item.age_s, 0.0), item.terms
    if isnan(stress):
        row += (0.0, 0.0)
    else:
        level = min(max(stress, LEAST_STRESS), 1.0 - LEAST_STRESS)
        logit = log(level / (1.0 - level))
        row += (min(max(logit, -GREATEST_LOGIT), GREATEST_LOGIT), 1.0)
    age, freshness = min(old / terms.max_age_s, 2.0), 0.5 ** (old / terms.half_life_s)
    row += (item.embedding.quality, age, freshness, float(read), 1.0)
    row += place.identity if place is not None else [0.0] * (layout.columns - IDENTITY)
    return row


def _item(item: Heard, layout: Layout, place: Place | None, read: bool) -> list[float]:
    """Return ``struct item`` of ``src/evidence.c``."""
    terms, embedding = item.terms, item.embedding
    return [
        *(item.probabilities or _NOT_SAID), embedding.stress, embedding.quality, item.age_s,
        terms.max_age_s, terms.half_life_s, read, -1.0 if place is None else place.index, 1.0,
    ]  # fmt: skip


@compiled
def _compiled_fill(library: ctypes.CDLL) -> Callable[[bytes, int, int, int], None]:
    address, count = ctypes.c_void_p, ctypes.c_int64
    kind = ctypes.PYFUNCTYPE(None, ctypes.c_char_p, count, count, address)
    return kind(("emostress_evidence", library))
