"""Logs of trainings: a CSV with a row an epoch, its curves as a picture, a progress bar."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LOSSES = ("training_loss", "validation_loss")
FIGURES = ("accuracy", "uar", "macro_f1", "ferplus_accuracy")
_BESIDES = ("epoch", "step", "seconds")


class CsvLog:
    """One row of figures an epoch; appends after a resume."""

    def __init__(self, path: Path, *, resume: bool = False) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        if not resume and path.exists():
            path.unlink()

    def write(self, row: Mapping[str, float]) -> None:
        """Append a row; columns may join later, and are NaN in the rows before."""
        held = self.read()
        names = [*held, *(name for name in row if name not in held)]
        if held and len(names) > len(held):
            before = [
                dict(zip(held, values, strict=True)) for values in zip(*held.values(), strict=True)
            ]
            self.path.unlink()
            self._append(names, [*before, row])
        else:
            self._append(names, [row])

    def _append(self, names: list[str], rows: list[Mapping[str, float]]) -> None:
        fresh = not self.path.exists()
        with self.path.open("a", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=names, restval="nan")
            if fresh:
                writer.writeheader()
            writer.writerows({key: f"{row[key]:.6g}" for key in row} for row in rows)

    def read(self) -> dict[str, list[float]]:
        """Return the columns; empty where nothing was written."""
        if not self.path.exists():
            return {}
        with self.path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        return {key: [float(row[key]) for row in rows] for key in (rows[0] if rows else {})}

    def cut(self, step: float) -> None:
        """Drop rows after a step: those of a training that is gone on from before them."""
        held = self.read()
        rows = [dict(zip(held, values, strict=True)) for values in zip(*held.values(), strict=True)]
        kept = [row for row in rows if not row.get("step", 0.0) > step]
        if len(kept) < len(rows):
            self.path.unlink()
            self._append(list(held), list(kept))


def plot_curves(
    columns: Mapping[str, list[float]],
    panels: Mapping[str, list[str]],
    title: str,
    path: Path,
    *,
    over: str = "epoch",
) -> None:
    """Draw training curves, one panel a quantity.

    Args:
        columns: of the log.
        panels: quantity to the columns that show it; those that are not there are left out.
        title: of the picture.
        path: of the PNG.
        over: column of the abscissa; ``epoch`` where it is not there.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    over = over if over in columns else "epoch"
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.6 * len(panels), 3.4), squeeze=False, layout="constrained"
    )
    for axis, (quantity, names) in zip(axes[0], panels.items(), strict=True):
        for name in names:
            points = zip(columns[over], columns.get(name, []), strict=False)
            shown = [(x, y) for x, y in points if math.isfinite(y)]
            if shown:
                axis.plot(*zip(*shown, strict=True), label=name.replace("_", " "), lw=1.4)
        axis.set(xlabel=over, title=quantity)
        axis.grid(alpha=0.3)
        if axis.has_data():
            axis.legend(frameon=False, fontsize=8)
    figure.suptitle(title, fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def plot_log(columns: Mapping[str, list[float]], title: str, path: Path) -> None:
    """Draw all that a log holds: losses, their terms, figures on people held out, the rate."""
    rest = [name for name in columns if name not in (*LOSSES, *FIGURES, *_BESIDES)]
    rates = [name for name in rest if name in ("learning_rate", "gradient_norm")]
    panels = {
        "loss": [name for name in LOSSES if name in columns],
        "terms": [name for name in rest if name not in rates],
        "held out": [name for name in FIGURES if name in columns],
        **{name.replace("_", " "): [name] for name in rates},
    }
    plot_curves(columns, {key: names for key, names in panels.items() if names}, title, path)


@contextmanager
def progress_bar(total: int | None, title: str, *, enabled: bool = True) -> Iterator[Any]:
    """Yield ``advance(text)``: moves a rich bar by one and shows ``text`` beside it."""
    if not enabled:
        yield lambda text: None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, TextColumn("{task.fields[note]}")) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda text: bar.update(task, advance=1, note=text)
