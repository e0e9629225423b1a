"""MELD: utterances of the series *Friends* with seven emotions.

Poria et al., "MELD: A Multimodal Multi-Party Dataset for Emotion Recognition in Conversations",
ACL 2019; the annotations' repository is under GPL-3. Official layout: ``train_sent_emo.csv``,
``dev_sent_emo.csv`` and ``test_sent_emo.csv`` with ``Utterance``, ``Speaker``, ``Emotion`` and
``Dialogue_ID``.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.labelled_text import (
    EKMAN_LABELS,
    LabelledTexts,
    Row,
    assemble,
    read_text,
    split_files,
)

SPLITS = {
    "train": "train_sent_emo.csv",
    "dev": "dev_sent_emo.csv",
    "test": "test_sent_emo.csv",
}
COLUMNS = ("Utterance", "Emotion", "Dialogue_ID")


def load_meld(path: Path, split: str | None = None) -> LabelledTexts:
    """Read MELD; a group is a dialogue, a person a speaker (whose name all splits share).

    Args:
        path: the folder with the csv files, the one that holds them as ``data/MELD``, or one file.
        split: ``train``, ``dev`` or ``test``; None reads every file that is there.

    Raises:
        DatasetError: files are missing or not in the official layout.
    """
    folder = Path(path)
    if (folder / "data" / "MELD").is_dir():
        folder = folder / "data" / "MELD"
    rows: list[Row] = []
    skipped = {"malformed": 0}
    for name, file in split_files(folder, SPLITS, split, "meld").items():
        rows += _read(file, name, skipped)
    return assemble("meld", EKMAN_LABELS, rows, {k: v for k, v in skipped.items() if v})


def _read(file: Path, split: str, skipped: dict[str, int]) -> list[Row]:
    reader = csv.DictReader(io.StringIO(read_text(file, "meld"), newline=""))
    missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"meld: {file} lacks the columns {', '.join(missing)}")
    rows = []
    for record in reader:
        emotion = (record["Emotion"] or "").strip().lower()
        if emotion not in EKMAN_LABELS or not (record["Utterance"] or "").strip():
            skipped["malformed"] += 1
            continue
        group = f"{split}-{record['Dialogue_ID']}"
        label, speaker = EKMAN_LABELS.index(emotion), (record.get("Speaker") or "").strip()
        rows.append(Row(record["Utterance"], (label,), group, split, speaker))
    return rows
