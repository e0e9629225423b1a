"""What an encoder says of labelled items, clean and spoilt: the material of the fusion.

A table is the first stage of the training: every encoder runs once over held-out items, under
several kinds of signal, and the answers are kept in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import DatasetError
from emostress_ros.files import whole_file

FloatArray = npt.NDArray[np.float32]
CLEAN, REPLACED = "clean", "replaced"
"""The first kind of every table is the signal as it is, the last one noise in its place."""


@dataclass(frozen=True)
class Table:
    """The answers of one encoder on N items under V kinds of signal.

    Attributes:
        modality: of the encoder.
        model: ``name@version``.
        kinds: V names; the first is ``clean``, the last ``replaced``.
        vectors: (V, N, D) embeddings.
        probabilities: (V, N, 7) in the order of ``EMOTIONS``; NaN where not estimated.
        stress: (V, N) in [0, 1] or NaN.
        quality: (V, N) as the front end judges it, [0, 1].
        emotion: (N,) index into ``EMOTIONS``, -1 where not labelled.
        stressed: (N,) 0 or 1, -1 where not labelled.
        person: (N,) whom an item comes from, unique over all tables.
    """

    modality: str
    model: str
    kinds: tuple[str, ...]
    vectors: FloatArray
    probabilities: FloatArray
    stress: FloatArray
    quality: FloatArray
    emotion: npt.NDArray[np.int64]
    stressed: npt.NDArray[np.int64]
    person: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.person)

    def take(self, index: npt.NDArray[np.int64]) -> Table:
        """Return the items of an index."""
        kept = {
            field.name: getattr(self, field.name)[:, index]
            for field in fields(self)
            if field.name in ("vectors", "probabilities", "stress", "quality")
        }
        rows = {name: getattr(self, name)[index] for name in ("emotion", "stressed", "person")}
        return Table(self.modality, self.model, self.kinds, **kept, **rows)

    def save(self, file: Path) -> None:
        """Write to an npz, vectors in half precision."""
        arrays = {field.name: np.asarray(getattr(self, field.name)) for field in fields(self)}
        arrays["vectors"] = arrays["vectors"].astype(np.float16)
        with whole_file(file) as draft:
            np.savez(draft, **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, file: Path) -> Table:
        """Read what :meth:`save` wrote.

        Raises:
            DatasetError: not such a file.
        """
        try:
            with np.load(file) as held:
                arrays = {field.name: held[field.name] for field in fields(cls)}
        except (OSError, ValueError, KeyError) as error:
            raise DatasetError(f"{file} is not a table of embeddings: {error}") from error
        return cls(
            modality=str(arrays.pop("modality")),
            model=str(arrays.pop("model")),
            kinds=tuple(str(kind) for kind in arrays.pop("kinds")),
            vectors=arrays.pop("vectors").astype(np.float32),
            **arrays,
        )


def held_table(file: Path, make: Callable[[], Table]) -> Table:
    """Return the table of a file; make and keep it where there is none."""
    if not file.is_file():
        make().save(file)
    return Table.load(file)


def nothing(*shape: int) -> FloatArray:
    """Return NaN: not estimated."""
    return np.full(shape, np.nan, dtype=np.float32)


def unlabelled(count: int) -> npt.NDArray[np.int64]:
    """Return -1 for every item."""
    return np.full(count, -1, dtype=np.int64)


def wire_index(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Return the index of each label on the wire.

    Raises:
        DatasetError: a label that is not on the wire.
    """
    unknown = sorted(set(names) - set(EMOTIONS))
    if unknown:
        raise DatasetError(f"labels {', '.join(unknown)} are not of {', '.join(EMOTIONS)}")
    return np.array([EMOTIONS.index(name) for name in names], dtype=np.int64)
