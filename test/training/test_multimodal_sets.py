from __future__ import annotations

import math
from pathlib import Path

import pytest

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import k_emocon, multimodal, stressid


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def test_crema_d_pairs_each_voice_with_its_video(tmp_path):
    touch(tmp_path, "AudioWAV/1001_DFA_ANG_XX.wav", "VideoFlash/1001_DFA_ANG_XX.flv",
          "AudioWAV/1002_IEO_FEA_HI.wav")  # fmt: skip
    put(tmp_path / "VideoDemographics.csv", "ActorID,Age,Sex\n1001,51,Male\n1002,21,Female\n")
    angry, scared = multimodal.read("crema_d", tmp_path)
    assert (angry.person, angry.emotion) == ("crema-1001", "angry")
    assert angry.modalities == ("face", "voice", "text")
    assert angry.text == "Don't forget a jacket"
    assert (scared.emotion, scared.video) == ("scared", None)


def test_ravdess_takes_the_speech_with_picture_alone(tmp_path):
    touch(tmp_path, "Actor_03/01-01-06-02-02-01-03.mp4", "Actor_03/02-01-06-02-02-01-03.mp4",
          "Actor_03/01-02-06-02-02-01-03.mp4", "Actor_04/01-01-02-01-01-01-04.mp4")  # fmt: skip
    moments = multimodal.read("ravdess", tmp_path)
    assert [(m.person, m.emotion) for m in moments] == [
        ("ravdess-03", "scared"),
        ("ravdess-04", "neutral"),
    ]
    assert moments[0].audio == moments[0].video


def test_meld_joins_words_and_pictures_by_dialogue_and_utterance(tmp_path):
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID\n"
    put(tmp_path / "train_sent_emo.csv", head + '1,"Oh, no!",Joey,surprise,negative,0,3\n')
    put(tmp_path / "dev_sent_emo.csv", head + "1,Fine.,Monica,neutral,neutral,7,0\n")
    touch(tmp_path, "train_splits/dia0_utt3.mp4", "dev_splits_complete/dia9_utt9.mp4")
    joey, monica = multimodal.read("meld", tmp_path)
    assert (joey.emotion, joey.text, joey.split) == ("surprised", "Oh, no!", "train")
    assert joey.modalities == ("face", "voice", "text")
    assert monica.modalities == ("text",)


def test_stressid_takes_the_recordings_that_a_task_has(tmp_path):
    put(tmp_path / "labels.csv", "subject/task,binary-stress,affect3-class\n2ea4_Stroop,1,2\n"
        "2ea4_Baseline,0,0\n2ea4_Video1,,\n")  # fmt: skip
    touch(tmp_path, "Videos/2ea4/2ea4_Stroop.mp4", "Audio/2ea4/2ea4_Stroop.wav")
    put(tmp_path / "Physiological/2ea4/2ea4_Baseline.txt", "ECG,EDA,RR\n0.1,2,3\n0.2,2,3\n")
    stroop, rest = multimodal.read("stressid", tmp_path)
    assert (stroop.stress, stroop.modalities) == (1, ("face", "voice"))
    assert (rest.stress, rest.modalities) == (0, ("physiology",))
    assert stressid.read_signals(rest.physiology["ECG"])["ECG"].tolist() == [0.1, 0.2]


def test_k_emocon_scales_the_ratings_and_finds_each_ones_recordings(tmp_path):
    put(tmp_path / "metadata/subjects.csv", "pid,initTime,startTime,endTime\n4,1,1550000,1560000\n")
    annotations = tmp_path / "emotion_annotations/self_annotations"
    put(annotations / "P4.self.csv", "seconds,arousal,valence,cheerful\n5,1,5,2\n10,3,4,1\n")
    put(annotations / "P14.self.csv", "seconds,arousal,valence\n5,3,3\n")
    touch(tmp_path, "e4_data/4/E4_BVP.csv", "debate_audios/p4.p5.wav", "debate_audios/p14.p15.wav",
          "debate_recordings/p4_0.mp4")  # fmt: skip
    first, second, other = multimodal.read("k_emocon", tmp_path)
    assert (first.arousal, first.valence) == (-1.0, 1.0)
    assert (second.start_s, second.end_s) == (5.0, 10.0)
    assert first.modalities == ("face", "voice", "physiology")
    assert first.audio is not None and first.audio.name == "p4.p5.wav"
    assert other.audio is not None and other.audio.name == "p14.p15.wav"
    assert k_emocon.debate_start_ms(tmp_path) == {"4": 1550000}


@pytest.mark.parametrize("dataset", ["crema_d", "ravdess", "meld", "stressid", "k_emocon"])
def test_an_empty_folder_is_told_with_what_was_expected(tmp_path, dataset):
    with pytest.raises(DatasetError, match=r"expected|missing|no sound|labels.csv|no clip"):
        multimodal.read(dataset, tmp_path)


def test_odd_files_are_refused(tmp_path):
    touch(tmp_path / "r", "Actor_01/01-01-09-01-01-01-01.mp4")
    with pytest.raises(DatasetError, match="emotion 09"):
        multimodal.read("ravdess", tmp_path / "r")
    put(tmp_path / "s/labels.csv", "subject/task,binary-stress\n2ea4_Stroop,3\n")
    with pytest.raises(DatasetError, match="0 or 1"):
        multimodal.read("stressid", tmp_path / "s")
    put(tmp_path / "k/self_annotations/P1.self.csv", "seconds,arousal,valence\n5,9,1\n")
    with pytest.raises(DatasetError, match="1 to 5"):
        multimodal.read("k_emocon", tmp_path / "k")
    with pytest.raises(DatasetError, match="multimodal sets are"):
        multimodal.read("iemocap", tmp_path)


def test_what_is_not_labelled_says_so(tmp_path):
    touch(tmp_path, "Actor_01/01-01-05-01-01-01-01.mp4")
    (moment,) = multimodal.read("ravdess", tmp_path)
    assert moment.emotion in EMOTIONS
    assert moment.stress == -1 and math.isnan(moment.valence)
