"""One place through which every trainer and every study divides people: the leak guard.

A :class:`Split` cannot be made with one person on both sides unless it is named ``random``, so a
figure that calls itself person-disjoint is.  An item on both sides is refused under any name::

    persons = [clip.person for clip in clips]            # whom each of N items comes from
    for split in person_folds(persons, 5):               # "by person"
        fit(items[split.train]); judge(items[split.test])
    split = random_split(persons, labels, seed=0)        # the literature's: named "random"
    split = leave_out(persons, ["S2", "S3"])             # these people are judged
    split = Split("train to dev", train, test, persons)  # indices of the set's own division
    check_disjoint(train_persons, test_persons)          # where there are names alone

``persons`` are names that are unique over all sets at hand, such as ``ravdess-07``, ``wesad/S2``
or a speaker; :class:`~emostress_ros.errors.DatasetError` names those on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError

IntArray = npt.NDArray[np.int64]
RANDOM = "random"
"""The only name under which a person may be on both sides."""
BY_PERSON = "by person"
_SHOWN = 12  # people named in a message


@dataclass(frozen=True)
class Split:
    """What is learned from and what is judged, checked as it is made.

    Attributes:
        name: ``random`` lets people be on both sides; any other name refuses it.
        train: (n,) indices to learn from.
        test: (m,) indices to judge.
        persons: (N,) whom each item comes from.

    Raises:
        DatasetError: a person or an item on both sides, a side that is empty, or an index
            without a person.
    """

    name: str
    train: IntArray
    test: IntArray
    persons: tuple[str, ...]

    def __post_init__(self) -> None:
        for side in ("train", "test"):
            index = np.asarray(getattr(self, side), dtype=np.int64)
            object.__setattr__(self, side, index)
            if len(index) == 0:
                raise DatasetError(f"split '{self.name}': nothing in {side}")
            if index.min() < 0 or index.max() >= len(self.persons):
                raise DatasetError(
                    f"split '{self.name}': {side} must index {len(self.persons)} items; "
                    f"got {index.min()} to {index.max()}"
                )
        object.__setattr__(self, "persons", tuple(self.persons))
        twice = np.intersect1d(self.train, self.test)
        if len(twice):
            raise DatasetError(
                f"split '{self.name}': {len(twice)} items on both sides, such as item {twice[0]}"
            )
        check_disjoint(self.train_persons, self.test_persons, self.name)

    @property
    def person_disjoint(self) -> bool:
        """Whether nobody is on both sides."""
        return not set(self.train_persons) & set(self.test_persons)

    @property
    def train_persons(self) -> tuple[str, ...]:
        """(n,) people of the items to learn from."""
        return tuple(self.persons[i] for i in self.train)

    @property
    def test_persons(self) -> tuple[str, ...]:
        """(m,) people of the items to judge."""
        return tuple(self.persons[i] for i in self.test)


def check_disjoint(train: Iterable[str], test: Iterable[str], name: str = BY_PERSON) -> None:
    """Refuse people on both sides of a split, unless it is named ``random``.

    Args:
        train: people to learn from.
        test: people to judge.
        name: of the split.

    Raises:
        DatasetError: names the people on both sides.
    """
    if name == RANDOM:
        return
    both = sorted(set(train) & set(test))
    if both:
        more = f" and {len(both) - _SHOWN} more" if len(both) > _SHOWN else ""
        raise DatasetError(
            f"split '{name}' leaks: on both sides are {', '.join(both[:_SHOWN])}{more}; "
            f"only a split named '{RANDOM}' may share people"
        )


def person_folds(persons: Sequence[str], folds: int, name: str = BY_PERSON) -> list[Split]:
    """Return folds that each judge a block of people, in the order of their names.

    RAVDESS numbers its actors male, female, male, ...: blocks of four hold two of each.

    Args:
        persons: (N,) whom each item comes from.
        folds: number of folds.
        name: of the splits.

    Raises:
        DatasetError: fewer people than folds, or fewer than two folds.
    """
    people = sorted(set(persons))
    if len(people) < 2:
        raise DatasetError(
            f"folds by person need at least two people; there is {', '.join(people) or 'nobody'}"
        )
    if not 2 <= folds <= len(people):
        raise DatasetError(f"person-disjoint folds: 2 to {len(people)} with {len(people)} people; "
                           f"got {folds}")  # fmt: skip
    fold_of = {person: i * folds // len(people) for i, person in enumerate(people)}
    return _folds(name, np.array([fold_of[person] for person in persons]), folds, persons)


def random_folds(
    persons: Sequence[str], labels: Sequence[int] | IntArray, folds: int, seed: int
) -> list[Split]:
    """Return folds over items whoever they come from, each with as many of every class.

    Args:
        persons: (N,) whom each item comes from.
        labels: (N,) class of each item.
        folds: number of folds.
        seed: of the shuffle.
    """
    fold_of = _dealt(np.asarray(labels), folds, seed)
    return _folds(RANDOM, fold_of, folds, persons)


def random_split(
    persons: Sequence[str],
    labels: Sequence[int] | IntArray,
    *,
    seed: int,
    test_share: float = 0.2,
) -> Split:
    """Return the literature's split: a share of the items, whoever they come from, is judged.

    Args:
        persons: (N,) whom each item comes from.
        labels: (N,) class of each item; each class gives its share.
        seed: of the shuffle.
        test_share: (0, 1).
    """
    classes = np.asarray(labels)
    rng = np.random.default_rng(seed)
    test = []
    for label in np.unique(classes):
        rows = rng.permutation(np.flatnonzero(classes == label))
        test.append(rows[: max(1, round(test_share * len(rows)))])
    held = np.sort(np.concatenate(test))
    return Split(RANDOM, np.setdiff1d(np.arange(len(classes)), held), held, tuple(persons))


def leave_out(persons: Sequence[str], held: Iterable[str], name: str = BY_PERSON) -> Split:
    """Return the split that judges the people of ``held`` and learns from all others.

    Raises:
        DatasetError: somebody of ``held`` is not there, or nobody is left to learn from.
    """
    wanted = set(held)
    unknown = sorted(wanted - set(persons))
    if unknown:
        raise DatasetError(f"split '{name}': nobody is called {', '.join(unknown)}")
    judged = np.array([person in wanted for person in persons])
    if judged.all():
        raise DatasetError(
            f"split '{name}': nobody is left to learn from, as all there are is held out: "
            f"{', '.join(sorted(wanted)[:_SHOWN])}; needed are at least two people"
        )
    return Split(name, np.flatnonzero(~judged), np.flatnonzero(judged), tuple(persons))


def _dealt(labels: IntArray, folds: int, seed: int) -> IntArray:
    """(N,) folds; every class is shuffled and dealt out like cards."""
    rng = np.random.default_rng(seed)
    fold_of = np.empty(len(labels), dtype=np.int64)
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        fold_of[rows] = (np.arange(len(rows)) + int(rng.integers(folds))) % folds
    return fold_of


def _folds(name: str, fold_of: IntArray, folds: int, persons: Sequence[str]) -> list[Split]:
    return [
        Split(name, np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k), tuple(persons))
        for k in range(folds)
    ]
