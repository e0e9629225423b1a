"""A study as a page of Markdown and as JSON."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

from emostress_ros.metrics import Score

if TYPE_CHECKING:
    from emostress_ros.training.study import Entry, Study

NAMES = {
    "uar": "UAR",
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro-F1",
    "weighted_f1": "weighted F1",
    "f1": "F1",
    "ece": "ECE",
}
"""Figures as they are written."""
_NONE = "–"
SPLITS = (
    "In brackets the 95 % interval of a bootstrap over whole persons. A *random* split lets a "
    "person be on both sides: it tells how well known people are recognised. The "
    "*person-disjoint* split tells what strangers can expect, and ranks."
)
"""What the splits mean where the data know their persons."""


@dataclass(frozen=True)
class Row:
    """A model on a data set: the honest figure and the literature's, side by side.

    Attributes:
        model: its name.
        apart: under the split that keeps people apart; None where there is none.
        random: under the random split; None where there is none.
    """

    model: str
    apart: Entry | None
    random: Entry | None


def datasets(study: Study) -> list[str]:
    """Return the data sets of a study, in the order of its entries."""
    return list(dict.fromkeys(entry.dataset for entry in study.entries))


def figure(entry: Entry | None, name: str) -> float:
    """Return a figure of an entry; NaN where there is none."""
    value = None if entry is None else getattr(entry.score, name)
    return math.nan if value is None else float(value)


def is_official(entry: Entry) -> bool:
    """Return whether the split is the set's own, which by its name may keep nobody apart."""
    return entry.split.startswith("official")


def rows(study: Study, dataset: str) -> list[Row]:
    """Return the rows of a data set, best first: by people kept apart, then by the random split.

    A model with several splits of a kind has as many rows.
    """
    made = []
    entries = [entry for entry in study.entries if entry.dataset == dataset]
    for model in dict.fromkeys(entry.model for entry in entries):
        apart = [e for e in entries if e.model == model and e.person_disjoint]
        # An honest split stands beside a random one, where there is one, not the official.
        random = sorted(
            (e for e in entries if e.model == model and not e.person_disjoint), key=is_official
        )
        for index in range(max(len(apart), len(random))):
            # One random split stands beside every honest one of the model.
            beside = random[min(index, len(random) - 1)] if random else None
            made.append(Row(model, apart[index] if index < len(apart) else None, beside))
    return sorted(made, key=lambda row: _rank(row, study.headline), reverse=True)


def _rank(row: Row, headline: str) -> tuple[float, float]:
    keys = (figure(row.apart, headline), figure(row.random, headline))
    return (keys[0] if math.isfinite(keys[0]) else -1.0,
            keys[1] if math.isfinite(keys[1]) else -1.0)  # fmt: skip


def json_of(value: Any) -> Any:
    """Return plain JSON values of a study or an entry; NaN becomes null."""
    if isinstance(value, Score):
        return value.to_json_dict()
    if is_dataclass(value):
        return {item.name: json_of(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): json_of(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_of(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def markdown(study: Study, pictures: Mapping[str, str]) -> str:
    """Return the page.

    Args:
        study: what was compared.
        pictures: caption to file name.
    """
    return "\n\n".join(_parts(study, pictures)) + "\n"


def _parts(study: Study, pictures: Mapping[str, str]) -> Iterator[str]:
    shown = NAMES[study.headline]
    yield f"# {study.title}"
    yield f"```bash\n{study.command}\n```"
    yield (
        f"Seed {study.seed}. Figures in points (hundredths). {study.splits} Training time is that "
        "of all folds, in one process on the CPU."
    )
    for dataset in datasets(study):
        heading = f"{dataset}: {shown}" if dataset else shown[0].upper() + shown[1:]
        yield f"## {heading}"
        yield _comparison(study, dataset)
    if study.lessons:
        yield "## What it teaches"
        yield "\n".join(f"- {lesson}" for lesson in study.lessons)
    for caption, file in pictures.items():
        yield f"## {caption}"
        yield f"![{caption}]({file})"
    yield "## Every figure"
    yield _everything(study)
    yield f"The same as JSON, with confusion matrices and curves: [{study.name}.json]({study.name}.json)."  # noqa: E501


def _comparison(study: Study, dataset: str) -> str:
    heads = ("model", study.apart, "random", "gap", "n", "persons", "parameters", "training")
    body = []
    for row in rows(study, dataset):
        shown = row.apart or row.random
        assert shown is not None
        gap = figure(row.random, study.headline) - figure(row.apart, study.headline)
        spent = [f"{e.seconds:,.0f} s" for e in (row.apart, row.random) if e]
        body.append(
            (f"`{row.model}`", _cell(row.apart, study.headline), _cell(row.random, study.headline),
             points(gap, sign=True), f"{shown.score.n:,}", _persons(shown),
             f"{shown.parameters:,}", " / ".join(spent))
        )  # fmt: skip
    return table(heads, body, right=(1, 2, 3, 4, 5, 6, 7))


def _everything(study: Study) -> str:
    names = ("accuracy", "uar", "macro_f1", "weighted_f1", "f1", "ece")
    kept = [n for n in names if any(getattr(e.score, n) is not None for e in study.entries)]
    heads = ("data", "split", "model", *(NAMES[name] for name in kept), "n", "persons", "note")
    body = [
        (entry.dataset or _NONE, entry.split, f"`{entry.model}`",
         *(points(figure(entry, name)) for name in kept), f"{entry.score.n:,}", _persons(entry),
         entry.note)
        for dataset in datasets(study) for entry in study.entries if entry.dataset == dataset
    ]  # fmt: skip
    return table(heads, body, right=range(3, 5 + len(kept)))


def _cell(entry: Entry | None, name: str) -> str:
    if entry is None:
        return _NONE
    return f"{points(figure(entry, name))} {interval(entry, name)}".strip() + f"<br>{entry.split}"


def interval(entry: Entry, name: str) -> str:
    """Return the 95 % interval of a figure in points, such as ``[61.2, 70.8]``; else nothing."""
    found = (entry.score.extra.get("ci95") or {}).get(name)
    if found is None or not all(isinstance(b, float) and math.isfinite(b) for b in found):
        return ""
    return f"[{points(found[0])}, {points(found[1])}]"


def points(value: float, *, sign: bool = False) -> str:
    """Return a figure in hundredths, such as ``65.4``."""
    if not math.isfinite(value):
        return _NONE
    return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"


def _persons(entry: Entry) -> str:
    return str(entry.score.extra.get("persons", _NONE))


def table(
    heads: Sequence[str], body: Sequence[Sequence[str]], right: Sequence[int] | range = ()
) -> str:
    """Return a Markdown table; columns of ``right`` are aligned to the right."""
    rule = ["--:" if index in right else ":--" for index in range(len(heads))]
    lines = [heads, rule, *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
