"""Scoring stress on labelled recordings."""

from __future__ import annotations

from pathlib import Path

import pytest

from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.evaluation.score_physiology import score


@pytest.mark.parametrize("baseline", ["rest", "none"])
def test_a_subject_is_scored_with_and_without_its_rest(shared_data: Path, baseline: str) -> None:
    found = score(
        "stress_predict", shared_data / "physiology", split="S08", baseline=baseline, progress=False
    )
    assert found.labels == ("calm", "stressed")
    assert found.n + found.extra["skipped"] == {"rest": 46, "none": 48}[baseline]
    assert found.accuracy > 0.7
    assert found.extra["model"].startswith(
        "physiology_wrist_rest@" if baseline == "rest" else "physiology_wrist@"
    )


def test_what_cannot_be_scored_is_named(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "physiology"
    with pytest.raises(ParameterError, match="wesad, stress_predict"):
        score("deap", folder)
    with pytest.raises(ParameterError, match="rest, none"):
        score("wesad", folder, baseline="some")
    with pytest.raises(DatasetError, match="S99"):
        score("wesad", folder, split="S99")
    with pytest.raises(DatasetError, match="segments"):
        score("wesad", tmp_path)
    with pytest.raises(ParameterError, match="resting baseline"):
        score("wesad", folder, model="physiology_wrist_rest", baseline="none")
