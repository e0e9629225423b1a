"""What a comparison of models is, how it is kept while it runs, and how it is written down.

A modality's study trains every architecture under the literature's random split and under one that
keeps people apart, wraps each in an :class:`Entry`, and :func:`write` makes a folder of Markdown,
JSON and pictures of them.  A long study is kept entry by entry::

    def study(options: StudyOptions) -> Study:
        shelf = Shelf("voice", options)
        entries = [
            shelf.entry(model, split, lambda: train_and_judge(model, split)) for model, split in ...
        ]
        return Study("voice", "Voice: ...", options.command, options.seed, "uar", entries, lessons)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.files import whole_file
from emostress_ros.metrics import Score
from emostress_ros.training.study_pages import SPLITS, json_of, markdown
from emostress_ros.training.study_plots import draw


@dataclass(frozen=True)
class StudyOptions:
    """What ``emostress study`` was asked for.

    Attributes:
        data: folder of the modality's data sets.
        quick: a small study, from scratch in less than ten minutes on two cores.
        seed: of everything.
        models: names from the registry; empty for all.
        work: where entries and caches are kept, so that a study goes on where it stopped.
        progress: show bars.
        command: the words that were typed, for the page.
    """

    data: Path
    quick: bool = False
    seed: int = 0
    models: tuple[str, ...] = ()
    work: Path = Path.home() / ".cache/emostress/study"
    progress: bool = True
    command: str = ""

    def chosen(self, known: Sequence[str]) -> tuple[str, ...]:
        """Return the models to compare, in the registry's order.

        Raises:
            ParameterError: a name that the registry does not know.
        """
        unknown = [name for name in self.models if name not in known]
        if unknown:
            raise ParameterError(
                f"--models: allowed are {', '.join(known)}; got {', '.join(unknown)}"
            )
        return tuple(name for name in known if not self.models or name in self.models)


@dataclass(frozen=True)
class Entry:
    """One model under one split.

    Attributes:
        model: name in the registry.
        split: such as ``random``, ``by actor (5 folds)``, ``PublicTest``.
        person_disjoint: whether nobody is on both sides.
        score: the figures, with ``persons`` and ``ci95`` in ``extra``.
        parameters: how many numbers the model learns; of a fold.
        seconds: training time of all folds together.
        curves: columns by epoch: ``epoch``, ``training_loss``, and the headline on the side that
            is judged; the mean over folds.
        note: what the reader has to know of this row.
        dataset: what it was trained and judged on, where a study has several.
    """

    model: str
    split: str
    person_disjoint: bool
    score: Score
    parameters: int
    seconds: float
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    note: str = ""
    dataset: str = ""


@dataclass(frozen=True)
class Study:
    """A finished comparison.

    Attributes:
        name: of the files, such as ``voice``.
        title: heading of the page.
        command: what repeats it.
        seed: of everything.
        headline: the figure that ranks: a field of :class:`~emostress_ros.metrics.Score`.
        entries: models under splits.
        lessons: what it teaches, one sentence or more each.
        apart: what the split that ranks is called.
        splits: what the two splits mean.
    """

    name: str
    title: str
    command: str
    seed: int
    headline: str
    entries: tuple[Entry, ...]
    lessons: tuple[str, ...]
    apart: str = "person-disjoint"
    splits: str = SPLITS

    def __post_init__(self) -> None:
        object.__setattr__(self, "entries", tuple(self.entries))
        object.__setattr__(self, "lessons", tuple(self.lessons))
        if not self.entries:
            raise DatasetError(f"study {self.name}: no entry, so nothing can be compared")
        if self.headline not in {item.name for item in fields(Score)}:
            raise ParameterError(f"study {self.name}: no figure is called '{self.headline}'")


def write(study: Study, folder: Path) -> Path:
    """Write a study's page, figures as JSON, and pictures.

    Args:
        study: what was compared.
        folder: made where it is not there, such as ``docs/studies``.

    Returns:
        the page, ``<folder>/<name>.md``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures = draw(study, folder)
    data = json.dumps(json_of(study), indent=1, ensure_ascii=False)
    (folder / f"{study.name}.json").write_text(data + "\n", encoding="utf-8")
    page = folder / f"{study.name}.md"
    page.write_text(markdown(study, pictures), encoding="utf-8")
    return page


def load(file: Path) -> Study:
    """Read a study from the JSON that :func:`write` made, to write page and pictures again.

    Raises:
        DatasetError: it is no such file.
    """
    try:
        held = json.loads(file.read_text(encoding="utf-8"))
        return Study(**{**held, "entries": [_entry_of(entry) for entry in held["entries"]]})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} is not the JSON of a study: {error}") from error


class Shelf:
    """Keeps every finished entry in a file, so that a study that was stopped goes on.

    Args:
        name: of the study.
        options: entries of another seed, of another data folder or of a quick study are others.
        recipe: whatever else decides what comes out, such as the trainer's options.
    """

    def __init__(self, name: str, options: StudyOptions, recipe: object = "") -> None:
        facts = f"{options.seed} {options.quick} {options.data.resolve()} {recipe}"
        key = hashlib.sha256(facts.encode()).hexdigest()[:12]
        self.folder = options.work / f"study-{name}-{key}"

    def entry(self, model: str, split: str, make: Callable[[], Entry], dataset: str = "") -> Entry:
        """Return the kept entry of a model under a split, or make and keep it.

        Raises:
            DatasetError: the kept file is damaged.
        """
        words = "_".join((dataset, model, split)).encode()
        file = self.folder / f"{model}-{hashlib.sha256(words).hexdigest()[:12]}.json"
        if file.is_file():
            return _read(file)
        made = make()
        with whole_file(file) as draft:
            draft.write_text(json.dumps(json_of(made)), encoding="utf-8")
        return _read(file)


def _read(file: Path) -> Entry:
    try:
        return _entry_of(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{file} is not an entry of a study; remove it: {error}") from error


def _entry_of(held: Mapping[str, Any]) -> Entry:
    return Entry(**{**held, "score": score_from_json(held["score"])})


def score_from_json(values: Mapping[str, Any]) -> Score:
    """Return the score that :meth:`~emostress_ros.metrics.Score.to_json_dict` made the JSON of."""
    names = [item.name for item in fields(Score) if item.name != "extra"]
    held = {name: values[name] for name in names if name in values}
    held["labels"] = tuple(held["labels"])
    held["confusion"] = np.asarray(held["confusion"], dtype=np.int64)
    extra = {name: value for name, value in values.items() if name not in names}
    if "ci95" in extra:
        extra["ci95"] = {name: tuple(bounds) for name, bounds in extra["ci95"].items()}
    return Score(**held, extra=extra)


def mean_curves(curves: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """Return the mean of folds' curves, column by column, as long as the shortest of them."""
    if not curves:
        return {}
    return dict(_columns(curves))


def _columns(
    curves: Sequence[Mapping[str, Sequence[float]]],
) -> Iterator[tuple[str, list[float]]]:
    for name in curves[0]:
        least = min(len(curve[name]) for curve in curves)
        rows = np.array([list(curve[name])[:least] for curve in curves], dtype=np.float64)
        yield name, rows.mean(axis=0).tolist()
