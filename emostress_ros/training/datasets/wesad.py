"""WESAD, the wrist recordings: 15 people at rest, amused, meditating and in the Trier stress test.

Schmidt et al. (2018), "Introducing WESAD, a multimodal dataset for wearable stress and affect
detection", ICMI. Academic, non-commercial use. Layout: `wesad/SN/SN_E4_Data.zip`.
"""

from __future__ import annotations

from pathlib import Path

from emostress_ros.training.datasets.wearable_stress import Subject, read_subjects

NAME = "wesad"
LICENCE = "academic research, non-commercial (WESAD's terms of use)"


def subjects(path: Path | str) -> list[Subject]:
    """Subjects below `path`, which holds `segments.csv` and `wesad/`.

    Raises:
        DatasetError: a file is missing or odd.
    """
    return read_subjects(path, NAME)
