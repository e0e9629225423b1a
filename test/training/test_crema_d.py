"""CREMA-D is read in its official layout; odd files and tables are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile

from emostress_ros.cli.main import main
from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import crema_d, ravdess
from emostress_ros.training.datasets.speech_clips import load_split
from emostress_ros.training.datasets.speech_sets import SETS, speech_set

NAMES = ("1001_DFA_ANG_XX", "1001_IEO_SAD_HI", "1002_DFA_NEU_XX", "1091_IEO_FEA_LO",
         "1091_ITH_SAD_X")  # fmt: skip
TABLE = "ActorID,Age,Sex,Race,Ethnicity\n1001,51,Male,Caucasian,Not Hispanic\n1002,21,Female,x,y\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    (tmp_path / "AudioWAV").mkdir()
    for name in NAMES:
        sound = rng.normal(0, 900, 8_000).astype(np.int16)
        scipy.io.wavfile.write(tmp_path / "AudioWAV" / f"{name}.wav", 16_000, sound)
    (tmp_path / "VideoDemographics.csv").write_text(f"{TABLE}1091,30,Female,x,y\n")
    return tmp_path


@pytest.mark.parametrize("inside", ["", "AudioWAV"])
def test_what_a_name_says(folder: Path, inside: str) -> None:
    clips = crema_d.load(folder / inside)
    told = [(c.person, c.label, c.intensity, c.sex, c.text) for c in clips]
    assert told == [
        ("crema-1001", "angry", "", "male", "DFA"),
        ("crema-1001", "sad", "high", "male", "IEO"),
        ("crema-1002", "neutral", "", "female", "DFA"),
        ("crema-1091", "fearful", "low", "female", "IEO"),
        ("crema-1091", "sad", "", "female", "ITH"),
    ]


def test_a_split_takes_actors_and_may_not_leak(folder: Path) -> None:
    assert len(crema_d.load(folder, "1001-1002")) == 3
    _, split = load_split(crema_d.load, folder, "1001-1002", "1091")
    assert split.person_disjoint
    with pytest.raises(DatasetError, match="both sides"):
        load_split(crema_d.load, folder, "1001-1002", "1002-1091")
    for odd in ("female", "1001-", "-3", "1-2-3", ""):
        with pytest.raises(DatasetError, match="actors such as '1073-1091'"):
            crema_d.load(folder, odd)
    with pytest.raises(DatasetError, match="no clip of actors 7"):
        crema_d.load(folder, "7")


def test_without_the_table_the_sex_is_not_known(folder: Path) -> None:
    (folder / "VideoDemographics.csv").unlink()
    assert {clip.sex for clip in crema_d.load(folder)} == {""}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (TABLE, "does not name actor 1091"),
        ("Actor,Gender\n1001,m\n", "needs the columns ActorID, Sex; got Actor, Gender"),
        (f"{TABLE}1091,30,?,x,y\n", r"actor 1091 is '\?'; allowed are Female and Male"),
    ],
)
def test_an_odd_table_is_named(folder: Path, table: str, told: str) -> None:
    (folder / "VideoDemographics.csv").write_text(table)
    with pytest.raises(DatasetError, match=told):
        crema_d.load(folder)


@pytest.mark.parametrize("name", ["1001_DFA_JOY_XX", "1001_DFA_ANG_ZZ", "first", "1001-DFA-ANG-XX"])
def test_an_odd_name_is_named(folder: Path, name: str) -> None:
    (folder / "AudioWAV" / f"{name}.wav").touch()
    with pytest.raises(DatasetError, match=name):
        crema_d.load(folder)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="AudioWAV/1001_DFA_ANG_XX"):
        crema_d.load(tmp_path)
    with pytest.raises(DatasetError, match="is not a folder"):
        crema_d.load(tmp_path / "nowhere")


@pytest.mark.parametrize("name", SETS)
def test_folded_probabilities_still_sum_to_one(name: str) -> None:
    chosen = speech_set(name)
    rows = np.random.default_rng(0).dirichlet(np.ones(8), 50)
    folded = chosen.fold(rows)
    assert folded.shape == (50, len(chosen.labels))
    np.testing.assert_allclose(folded.sum(axis=1), 1.0)
    for label, known in chosen.ravdess_of.items():
        sure = chosen.fold(np.eye(8)[[ravdess.LABELS.index(known)]])
        assert sure.argmax() == chosen.labels.index(label)


def test_the_shipped_model_is_scored_on_it(folder: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["score", "voice", "crema_d", str(folder), "--json"]) == 0
    told = capsys.readouterr().out
    assert '"labels": ["angry", "disgust"' in told and '"n": 5' in told
