"""Reading Empatica E4 exports: what is right is read, what is odd is named."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.empatica import read_e4

START = 1_600_000_000
RATES = {"BVP": 64, "EDA": 4, "TEMP": 4, "ACC": 32, "HR": 1}


def export(folder: Path, seconds: int = 5) -> Path:
    """A small export; the heart rate starts ten seconds late, as the E4's does."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rate in RATES.items():
        axes = 3 if name == "ACC" else 1
        start = START + (10 if name == "HR" else 0)
        rows = [[start] * axes, [rate] * axes]
        rows += [[64 + i] * axes for i in range(seconds * rate)]
        text = "\n".join(", ".join(f"{value:.6f}" for value in row) for row in rows)
        (folder / f"{name}.csv").write_text(text + "\n")
    (folder / "IBI.csv").write_text(f"{START}.000000, IBI\n1.500000,0.750000\n2.250000,0.750000\n")
    (folder / "tags.csv").write_text("")
    return folder


def zipped(folder: Path, prefix: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in folder.iterdir():
            archive.write(file, prefix + file.name)
    return path


@pytest.mark.parametrize("prefix", ["", "E4/"])
def test_zip_and_folder_read_alike(tmp_path: Path, prefix: str) -> None:
    folder = export(tmp_path / "S1")
    for recording in (read_e4(folder), read_e4(zipped(folder, prefix))):
        assert recording.start_ns == START * 1_000_000_000
        assert set(recording.signals) == {
            "bvp", "eda", "skin_temperature", "acceleration", "heart_rate"
        }  # fmt: skip
        assert recording.signals["bvp"].data.shape == (320, 1)
        assert recording.signals["acceleration"].data[0].tolist() == [1.0, 1.0, 1.0]
        assert recording.signals["heart_rate"].start_ns - recording.start_ns == 10_000_000_000
        assert recording.ibi_ms.tolist() == [750.0, 750.0]
        assert recording.ibi_stamps_ns[0] - recording.start_ns == 1_500_000_000


def test_between_takes_whole_samples_once(tmp_path: Path) -> None:
    signal = read_e4(export(tmp_path / "S1")).signals["bvp"]
    cuts = [signal.start_ns + k * 333_333_333 for k in range(17)]
    parts = [signal.between(a, b) for a, b in itertools.pairwise(cuts)]
    assert np.concatenate([data for _, data in parts]).shape == (320, 1)
    for (stamp, _), cut in zip(parts, cuts, strict=False):
        assert 0 <= stamp - cut < 1_000_000_000 / 64


def test_a_missing_signal_is_absent(tmp_path: Path) -> None:
    folder = export(tmp_path / "S1")
    (folder / "EDA.csv").unlink()
    (folder / "IBI.csv").write_text("")
    recording = read_e4(folder)
    assert "eda" not in recording.signals
    assert len(recording.ibi_ms) == 0


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("BVP.csv", "", "empty"),
        ("BVP.csv", "1600000000\n64\n", "got 2 lines"),
        ("EDA.csv", "1600000000\n64\n1\n", "4"),
        ("EDA.csv", "1600000000\n4\nx\n", "number"),
        ("ACC.csv", "1600000000\n32\n1\n", "3 numbers"),
        ("TEMP.csv", "0\n4\n33\n", "Unix start"),
        ("IBI.csv", "IBI\n1,2\n", "Unix start"),
    ],
)
def test_an_odd_file_is_named(tmp_path: Path, name: str, text: str, says: str) -> None:
    folder = export(tmp_path / "S1")
    (folder / name).write_text(text)
    with pytest.raises(DatasetError, match=says) as caught:
        read_e4(folder)
    assert name in str(caught.value)


def test_what_is_no_export_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no such"):
        read_e4(tmp_path / "nothing.zip")
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04 this is no zip")
    with pytest.raises(DatasetError, match="damaged"):
        read_e4(broken)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="not an Empatica"):
        read_e4(tmp_path / "empty")


def test_a_real_recording(shared_data: Path) -> None:
    recording = read_e4(shared_data / "physiology/wesad/S2/S2_E4_Data.zip")
    assert recording.duration_s == pytest.approx(7875, abs=1)
    assert recording.signals["bvp"].sample_rate_hz == 64
    assert 400 < np.median(recording.ibi_ms) < 1200
