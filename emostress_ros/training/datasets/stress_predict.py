"""Stress-Predict: 35 people with a Stroop test, an interview and hyperventilation between rests.

Iqbal et al. (2022), "Stress monitoring using wearable sensors: a pilot study and Stress-Predict
dataset", Sensors 22(21). MIT licence. Layout: `stress_predict/SNN/SNN_E4_Data.zip` or the csv
files unpacked in `stress_predict/SNN/`.
"""

from __future__ import annotations

from pathlib import Path

from emostress_ros.training.datasets.wearable_stress import Subject, read_subjects

NAME = "stress_predict"
LICENCE = "MIT"


def subjects(path: Path | str) -> list[Subject]:
    """Subjects below `path`, which holds `segments.csv` and `stress_predict/`.

    Raises:
        DatasetError: a file is missing or odd.
    """
    return read_subjects(path, NAME)
