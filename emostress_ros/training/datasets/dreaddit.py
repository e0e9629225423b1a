"""Dreaddit: segments of Reddit posts, stressed or not.

Turcan and McKeown, "Dreaddit: A Reddit Dataset for Stress Analysis in Social Media", LOUHI 2019;
for research. Official layout: ``dreaddit-train.csv`` and ``dreaddit-test.csv`` with (among a
hundred other columns) ``text``, ``label`` (1 = stress) and ``post_id``.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.labelled_text import (
    LabelledTexts,
    Row,
    assemble,
    read_text,
    split_files,
)

SPLITS = {"train": "dreaddit-train.csv", "test": "dreaddit-test.csv"}
LABELS: tuple[str, ...] = ("not_stressed", "stressed")
COLUMNS = ("text", "label", "post_id")


def load_dreaddit(path: Path, split: str | None = None) -> LabelledTexts:
    """Read Dreaddit; a group is a post, whose segments must stay on one side of a split.

    Who wrote a post is not told; its source is the subreddit.

    Args:
        path: the folder with the csv files, or one of them.
        split: ``train`` or ``test``; None reads every file that is there.

    Raises:
        DatasetError: files are missing or not in the official layout.
    """
    rows: list[Row] = []
    skipped = {"malformed": 0}
    for name, file in split_files(Path(path), SPLITS, split, "dreaddit").items():
        rows += _read(file, name, skipped)
    return assemble("dreaddit", LABELS, rows, {k: v for k, v in skipped.items() if v})


def _read(file: Path, split: str, skipped: dict[str, int]) -> list[Row]:
    reader = csv.DictReader(io.StringIO(read_text(file, "dreaddit"), newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"dreaddit: {file} lacks the columns {', '.join(missing)}")
    rows = []
    for record in reader:
        label = (record["label"] or "").strip()
        if label not in ("0", "1") or not (record["text"] or "").strip():
            skipped["malformed"] += 1
            continue
        place = record.get("subreddit") or ""
        rows.append(Row(record["text"], (int(label),), record["post_id"], split, source=place))
    return rows
