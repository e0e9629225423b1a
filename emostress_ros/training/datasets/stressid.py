"""StressID: 65 people under eleven tasks, with video, voice, ECG, EDA and respiration.

Chaptoukaev et al., "StressID: a Multimodal Dataset for Stress Identification", NeurIPS 2023
(Datasets and Benchmarks), on request, non-commercial.  Official layout: ``labels.csv`` with
``subject/task``, ``binary-stress`` and ``affect3-class``; ``Videos/<id>/<id>_<task>.mp4``,
``Audio/<id>/<id>_<task>.wav`` and ``Physiological/<id>/<id>_<task>.txt`` (columns ECG, EDA, RR at
500 Hz); not every task has every recording.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.multimodal import Moment, folder_of, number, some, table

SAMPLE_RATE_HZ = 500.0
SIGNALS = ("ECG", "EDA", "RR")
_COLUMNS = ("subject/task", "binary-stress")


def load(path: Path | str) -> list[Moment]:
    """Return every labelled task of every subject with the recordings that there are.

    Raises:
        DatasetError: no ``labels.csv``, odd rows, or no recording.
    """
    folder = folder_of(path, "StressID")
    rows = table(folder / "labels.csv", "StressID", _COLUMNS)
    moments = [_moment(folder, row) for row in rows if row["binary-stress"].strip()]
    expected = "Videos/2ea4/2ea4_Stroop.mp4, Audio/..., Physiological/..., labels.csv"
    return some((m for m in moments if m.modalities), "StressID", folder, expected)


def _moment(folder: Path, row: dict[str, str]) -> Moment:
    name = row["subject/task"].strip()
    subject, _, task = name.partition("_")
    stress = number(row["binary-stress"], f"StressID: {name}")
    if not task or stress not in (0.0, 1.0):
        raise DatasetError(f"StressID: need subject_task and stress 0 or 1; got {row}")
    signals = _file(folder / "Physiological" / subject / f"{name}.txt")
    return Moment(
        "stressid",
        f"stressid-{subject}",
        stress=int(stress),
        video=_file(folder / "Videos" / subject / f"{name}.mp4"),
        audio=_file(folder / "Audio" / subject / f"{name}.wav"),
        physiology={} if signals is None else dict.fromkeys(SIGNALS, signals),
    )


def read_signals(file: Path) -> dict[str, npt.NDArray[np.float64]]:
    """Return the (n,) samples of ECG, EDA and respiration at 500 Hz.

    Raises:
        DatasetError: not three columns of numbers under one heading.
    """
    try:
        rows = np.loadtxt(file, delimiter=",", skiprows=1, ndmin=2)
    except (OSError, ValueError) as error:
        raise DatasetError(f"StressID: {file} cannot be read: {error}") from error
    if rows.shape[1] != len(SIGNALS):
        raise DatasetError(f"StressID: {file} has {rows.shape[1]} columns; need {SIGNALS}")
    return {name: rows[:, column] for column, name in enumerate(SIGNALS)}


def _file(path: Path) -> Path | None:
    return path if path.is_file() else None
