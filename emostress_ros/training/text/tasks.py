"""What the text models are compared on: three sets, and the ways to divide each.

GoEmotions and Dreaddit do not tell who wrote a text: the nearest to keeping people apart is to
keep comments, posts or subreddits apart.  MELD names its speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ParameterError
from emostress_ros.training.datasets.dreaddit import load_dreaddit
from emostress_ros.training.datasets.goemotions import load_goemotions
from emostress_ros.training.datasets.labelled_text import LabelledTexts, joined
from emostress_ros.training.datasets.meld import load_meld
from emostress_ros.training.datasets.splits import Split, random_folds, random_split
from emostress_ros.training.text.data import DREADDIT_FOLDS, group_folds

MELD_FOLDS = 3
"""Two of the six friends, who speak five lines of six, are held out in each."""
TASKS = ("goemotions", "dreaddit", "meld")


@dataclass(frozen=True)
class Division:
    """A named way to divide a set: one fold or several, together judging every item once.

    Attributes:
        name: as it stands in tables.
        apart: whether people, or what stands for them, are kept apart.
        folds: the splits.
        note: what the reader has to know.
    """

    name: str
    apart: bool
    folds: tuple[Split, ...]
    note: str = ""


@dataclass(frozen=True)
class Task:
    """A set with one label a text, and its divisions by protocol name."""

    name: str
    texts: LabelledTexts
    divisions: dict[str, Division]

    @property
    def truth(self) -> npt.NDArray[np.int64]:
        """(N,) index of the label."""
        return np.asarray(self.texts.targets.argmax(axis=1), dtype=np.int64)

    def division(self, protocol: str) -> Division:
        """Return a division by its protocol's name.

        Raises:
            ParameterError: names the protocols that there are.
        """
        if protocol not in self.divisions:
            raise ParameterError(
                f"--protocol of {self.name} must be one of 'shipped', "
                f"{', '.join(repr(name) for name in self.divisions)}; got '{protocol}'"
            )
        return self.divisions[protocol]


def load_task(name: str, folder: Path, seed: int = 0, limit: int = 0) -> Task:
    """Read a set and divide it.

    Args:
        name: one of :data:`TASKS`.
        folder: of the set, in its official layout.
        seed: of the divisions.
        limit: take at most so many texts, drawn evenly, the whole dev split first where it fills
            no more than half; 0 takes all.

    Raises:
        DatasetError: files are missing or malformed.
    """
    texts = _READERS[name](folder)
    texts = texts.take(texts.single)
    texts = texts.take(_drawn(texts, limit))
    return Task(name, texts, _DIVIDERS[name](texts, seed))


def _drawn(texts: LabelledTexts, limit: int) -> npt.NDArray[np.int64]:
    """Indices of the texts that are taken."""
    if not limit or len(texts) <= limit:
        return np.arange(len(texts))
    held = np.array([split == "dev" for split in texts.split_of])
    if 2 * held.sum() > limit:
        held[:] = False
    rest = np.flatnonzero(~held)
    even = rest[np.linspace(0, len(rest) - 1, limit - held.sum()).astype(np.int64)]
    return np.sort(np.concatenate([np.flatnonzero(held), even]))


def _training_and_dev(load: Callable[..., LabelledTexts], folder: Path) -> LabelledTexts:
    """Both splits of a set in one, the test split left alone."""
    return joined(load(folder, "train"), load(folder, "dev"))


_READERS: dict[str, Callable[[Path], LabelledTexts]] = {
    "goemotions": lambda folder: _training_and_dev(load_goemotions, folder),
    "meld": lambda folder: _training_and_dev(load_meld, folder),
    "dreaddit": lambda folder: load_dreaddit(folder, "train"),
}


def _goemotions(texts: LabelledTexts, seed: int) -> dict[str, Division]:
    share = float(np.mean([split == "dev" for split in texts.split_of]))
    labels = texts.targets.argmax(axis=1)
    drawn = random_split(texts.groups, labels, seed=seed, test_share=share)
    return {
        "official": _official(texts, "authors are not told: comments are apart, no more"),
        "random": Division("random, as large as dev", False, (drawn,)),
    }


def _meld(texts: LabelledTexts, seed: int) -> dict[str, Division]:
    fold = group_folds(texts.persons, MELD_FOLDS, seed)
    drawn = random_folds(texts.persons, texts.targets.argmax(axis=1), MELD_FOLDS, seed)
    return {
        "folds": Division(
            f"by speaker ({MELD_FOLDS} folds)", True,
            _splits("by speaker", fold, texts.persons), "two of the six friends unheard in each",
        ),
        "random": Division(f"random ({MELD_FOLDS} folds)", False, tuple(drawn)),
        "official": _official(texts, "dialogues are apart; most speakers are on both sides"),
    }  # fmt: skip


def _dreaddit(texts: LabelledTexts, seed: int) -> dict[str, Division]:
    drawn = random_folds(texts.groups, texts.targets.argmax(axis=1), DREADDIT_FOLDS, seed)
    post = group_folds(texts.groups, DREADDIT_FOLDS)
    by_post = _splits("by post", post, texts.groups)
    unknown = "authors are not told: somebody with two posts may be on both sides"
    divisions = {
        "folds": Division(f"by post ({DREADDIT_FOLDS} folds)", True, by_post, unknown),
        "random": Division(f"random ({DREADDIT_FOLDS} folds)", False, tuple(drawn)),
    }  # fmt: skip
    if len(set(texts.sources)) >= DREADDIT_FOLDS:
        place = group_folds(texts.sources, DREADDIT_FOLDS)
        divisions["subreddits"] = Division(
            f"by subreddit ({DREADDIT_FOLDS} folds)", True,
            _splits("by subreddit", place, texts.sources),
            "other people in another forum, with other troubles",
        )  # fmt: skip
    return divisions


_DIVIDERS: dict[str, Callable[[LabelledTexts, int], dict[str, Division]]] = {
    "goemotions": _goemotions,
    "meld": _meld,
    "dreaddit": _dreaddit,
}


def _official(texts: LabelledTexts, note: str) -> Division:
    """Train on ``train``, judge ``dev``."""
    held = np.array([split == "dev" for split in texts.split_of])
    split = Split("official", np.flatnonzero(~held), np.flatnonzero(held), texts.groups)
    return Division("official dev", False, (split,), note)


def _splits(name: str, fold: npt.NDArray[np.int64], persons: Sequence[str]) -> tuple[Split, ...]:
    """One checked split a fold."""
    return tuple(
        Split(name, np.flatnonzero(fold != k), np.flatnonzero(fold == k), tuple(persons))
        for k in range(int(fold.max()) + 1)
    )
