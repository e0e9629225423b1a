"""Labelled wearable recordings: layout, segments, which windows are scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.datasets.wearable_stress import Segment, label_windows

HEAD = "dataset,subject,condition,stress,start_s,end_s\n"


def layout(folder: Path, rows: str, *subjects: str) -> Path:
    (folder / "segments.csv").write_text(HEAD + rows)
    for subject in subjects:
        path = folder / "wesad" / subject
        path.mkdir(parents=True)
        (path / f"{subject}_E4_Data.zip").write_bytes(b"PK")
    return folder


def test_only_subjects_that_are_there_are_read(tmp_path: Path) -> None:
    rows = "wesad,S1,base,0,200,400\nwesad,S1,tsst,1,0,100\nwesad,S2,base,0,0,9\nother,S3,x,0,0,9\n"
    (found,) = wesad.subjects(layout(tmp_path, rows, "S1"))
    assert found.key == "wesad/S1"
    assert [segment.condition for segment in found.segments] == ["tsst", "base"]
    assert found.rest_start_s == 200


@pytest.mark.parametrize("inside", [False, True])
def test_the_folder_of_the_set_itself_will_do(tmp_path: Path, inside: bool) -> None:
    layout(tmp_path, "wesad,S1,base,0,0,9\n", "S1")
    if inside:
        (tmp_path / "segments.csv").rename(tmp_path / "wesad" / "segments.csv")
    (found,) = wesad.subjects(tmp_path / "wesad")
    assert found.path == tmp_path / "wesad" / "S1" / "S1_E4_Data.zip"


@pytest.mark.parametrize(
    ("rows", "subjects", "says"),
    [
        ("wesad,S1,base,0,0,9\n", (), r"need .*/wesad/S\*/S\*_E4_Data\.zip"),
        ("wesad,S1,base,0,0,9\n", ("S9",), "none of the subjects"),
        ("other,S1,base,0,0,9\n", ("S1",), "no row"),
        ("wesad,S1,base,2,0,9\n", ("S1",), r"csv:2: need stress 0 or 1"),
        ("wesad,S1,base,0,9,0\n", ("S1",), "start < end"),
        ("wesad,S1,base,x,0,9\n", ("S1",), r"csv:2: not a segment"),
    ],
)
def test_an_odd_layout_is_named(
    tmp_path: Path, rows: str, subjects: tuple[str, ...], says: str
) -> None:
    with pytest.raises(DatasetError, match=says):
        wesad.subjects(layout(tmp_path, rows, *subjects))


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"segments\.csv"):
        stress_predict.subjects(tmp_path)
    (tmp_path / "segments.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match="need the columns"):
        stress_predict.subjects(tmp_path)
    layout(tmp_path, "wesad,S1,base,0,0,9\n")
    (tmp_path / "wesad" / "S1").mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"S1_E4_Data\.zip"):
        wesad.subjects(tmp_path)


def test_windows_lie_in_one_segment_and_do_not_overlap() -> None:
    segments = (Segment("rest", 0, 10.0, 300.0), Segment("task", 1, 300.0, 430.0))
    end_s = np.arange(5.0, 500.0, 5.0)
    chosen = label_windows(segments, end_s, window_s=60.0, every_s=60.0, from_s=130.0)
    ends = end_s[chosen.index]
    assert ends.tolist() == [190.0, 250.0, 360.0, 420.0]
    assert chosen.stress.tolist() == [0, 0, 1, 1]
    assert chosen.conditions == ("rest", "rest", "task", "task")


def test_the_shared_sets(shared_data: Path) -> None:
    folder = shared_data / "physiology"
    assert len(wesad.subjects(folder)) == 11
    assert len(stress_predict.subjects(folder)) == 27
    assert stress_predict.subjects(folder)[0].rest_start_s == 9.0
