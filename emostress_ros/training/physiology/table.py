"""All labelled windows of some people in one table, for models of features and of raw windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.training.datasets.splits import RANDOM, Split, leave_out
from emostress_ros.training.physiology.boost import BlendSettings
from emostress_ros.training.physiology.data import SubjectFeatures
from emostress_ros.training.physiology.fit import Array, Windows, subject_folds
from emostress_ros.training.physiology.raw import Floats, raw_recording
from emostress_ros.training.physiology.variants import Variant, windows_and_ends

_HELD = 2
TRAIN_EVERY_S = 30.0
"""Windows to learn from begin this far apart, so that they overlap by half."""


@dataclass(frozen=True)
class Table:
    """Windows of 60 s that begin every 30 s.

    Attributes:
        persons: N unique names.
        stress: shape (N,), 0 or 1.
        judged: shape (N,), those that do not overlap one another: they are judged.
        features: shape (N, inputs), the views of `variant`, NaN where missing.
        ends_s: shape (N,), ends in seconds since the first BVP sample.
        variant: which views, and whether the person's rest is known.
        settings: of a fit over the features.
    """

    persons: tuple[str, ...]
    stress: npt.NDArray[np.int64]
    judged: npt.NDArray[np.bool_]
    features: Array
    ends_s: Array
    variant: Variant
    settings: BlendSettings

    def people(self, rows: npt.NDArray[np.int64]) -> list[Windows]:
        """Rows grouped by person, features and labels."""
        names = np.array(self.persons)[rows]
        grouped = [(name, rows[names == name]) for name in dict.fromkeys(names.tolist())]
        return [Windows(name, self.features[of], self.stress[of]) for name, of in grouped]

    def by_person(self, held: Sequence[str], name: str) -> Split:
        """Learn from all windows of the others, judge those of `held` that do not overlap."""
        split = leave_out(self.persons, held, name)
        return Split(name, split.train, split.test[self.judged[split.test]], self.persons)

    def folds(self, most: int, name: str) -> list[Split]:
        """Folds by person; see `subject_folds`."""
        people = list(dict.fromkeys(self.persons))
        return [self.by_person(fold, name) for fold in subject_folds(people, most)]


def make_table(
    features: Sequence[SubjectFeatures], variant: Variant, settings: BlendSettings
) -> Table:
    """Put people's windows into a table."""
    found = [windows_and_ends(person, variant, TRAIN_EVERY_S) for person in features]
    window_s = PhysiologyConfig().window_s
    kept = [windows_and_ends(person, variant, window_s)[1] for person in features]
    return Table(
        persons=tuple(w.person for w, _ in found for _ in w.stress),
        stress=np.concatenate([w.stress for w, _ in found]),
        judged=np.concatenate([np.isin(e, k) for (_, e), k in zip(found, kept, strict=True)]),
        features=np.concatenate([w.features for w, _ in found]),
        ends_s=np.concatenate([ends for _, ends in found]),
        variant=variant,
        settings=settings,
    )


def raw_frames(table: Table, features: Sequence[SubjectFeatures], cache: Path | None) -> Floats:
    """Raw windows of a table's rows, shape (N, frames, 42), NaN where missing.

    Args:
        table: whose rows.
        features: of the same people.
        cache: folder that keeps what was read; None: read anew.
    """
    window_s = PhysiologyConfig().window_s
    recordings = {f.subject.key: raw_recording(f.subject, cache) for f in features}
    rows = [
        recordings[person].window(end_s, window_s, rest=table.variant.rest)
        for person, end_s in zip(table.persons, table.ends_s, strict=True)
    ]
    return np.stack(rows)


def inner_split(table: Table, outer: Split, seed: int) -> Split:
    """Divide what may be learned from once more: to stop early and to calibrate.

    A quarter is held: of the people, or (where the outer split is the random one) of the windows.
    """
    rng = np.random.default_rng(seed)
    rows = outer.train
    if outer.name == RANDOM:
        held = np.sort(rng.permutation(rows)[: len(rows) // 4])
        return Split(RANDOM, np.setdiff1d(rows, held), held, table.persons)
    sets: dict[str, list[str]] = {}
    for person in dict.fromkeys(outer.train_persons):
        sets.setdefault(person.split("/")[0], []).append(person)
    if min(map(len, sets.values())) <= _HELD:
        counts = ", ".join(f"{len(own)} of {name}" for name, own in sets.items())
        raise DatasetError(
            f"too few people: {_HELD} of each set are held out of a training to stop and to "
            f"calibrate by, and there are {counts}"
        )
    people = [p for own in sets.values() for p in rng.permutation(own)[: max(_HELD, len(own) // 4)]]
    inside = np.isin(np.array(table.persons)[rows], people)
    return Split(outer.name, rows[~inside], rows[inside], table.persons)
