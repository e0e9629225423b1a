"""What the comparison of the face networks teaches, in sentences with its figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emostress_ros.training.study import Entry
from emostress_ros.training.study_pages import figure, points

SPLITS = (
    "FER2013 does not know its persons: in brackets is the 95 % interval of a bootstrap over "
    "images, and nothing here is person-disjoint. *Duplicates apart* is the official split "
    "(Training, PublicTest) with every exact and near duplicate of PublicTest taken out of the "
    "training set; it ranks. *Random* deals a tenth of all labelled faces out as the test, "
    "duplicates and all, as much of the literature does. Schedules are short (the column *note*); "
    "the shipped model had a long one."
)


def lessons(entries: Sequence[Entry]) -> tuple[str, ...]:
    """Return what can be said of these entries; nothing is said of models that are missing."""
    return tuple(_lessons(entries))


def _lessons(entries: Sequence[Entry]) -> Iterator[str]:
    first = next(iter(dict.fromkeys(entry.dataset for entry in entries)), "")
    here = [entry for entry in entries if entry.dataset == first]
    apart = {entry.model: entry for entry in here if entry.person_disjoint}
    random = {entry.model: entry for entry in here if not entry.person_disjoint}
    gaps = [
        figure(random[name], "accuracy") - figure(apart[name], "accuracy")
        for name in apart
        if name in random
    ]
    if gaps:
        yield (
            f"The random split differs from the honest one by {points(min(gaps), sign=True)} to "
            f"{points(max(gaps), sign=True)} points on {first}, by its duplicates and by "
            "which faces happen to be tested. What known people add cannot be told from this set."
        )
    known = {"logistic": 0.1804, "cnn": 0.58}
    for name, reported in known.items():
        if name in apart:
            yield (
                f"`{name}` reaches {points(figure(apart[name], 'accuracy'))} % after "
                f"{apart[name].note.split(',')[0]}; the systems this project answers report "
                f"{points(reported)} % for its kind."
            )
    yield from _start(apart)
    yield from _plus(entries)


def _start(apart: dict[str, Entry]) -> Iterator[str]:
    if "mobilenet" in apart and "from face recognition" in apart["mobilenet"].note:
        others = [entry for name, entry in apart.items() if name not in ("mobilenet", "shipped")]
        best = max(others, key=lambda e: e.score.accuracy, default=None)
        if best is not None:
            yield (
                f"Weights that have learned to tell people apart: "
                f"{points(apart['mobilenet'].score.accuracy)} % after "
                f"{apart['mobilenet'].note.split(',')[0]}, against "
                f"{points(best.score.accuracy)} % of `{best.model}` from nothing in {best.note}."
            )


def _plus(entries: Sequence[Entry]) -> Iterator[str]:
    sets = list(dict.fromkeys(entry.dataset for entry in entries))
    apart = [entry for entry in entries if entry.person_disjoint and entry.dataset in sets[1:]]
    if apart:
        best = max(apart, key=lambda entry: entry.score.accuracy)
        twin = next(
            e for e in entries
            if (e.model, e.split, e.dataset) == (best.model, best.split, sets[0])
        )  # fmt: skip
        yield (
            "Ten raters instead of one label: the same faces and the same network "
            f"(`{best.model}`) give {points(best.score.accuracy)} % of {best.dataset} and "
            f"{points(twin.score.accuracy)} % of {sets[0]}. Much of what is missing on FER2013 is "
            "noise of its labels."
        )
