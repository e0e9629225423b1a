"""The study of voices on made-up sets, and the protocols that make the card's figures again."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.cli.main import main  # noqa: E402
from emostress_ros.errors import DatasetError, ParameterError  # noqa: E402
from emostress_ros.inference.card import ModelCard  # noqa: E402
from emostress_ros.metrics import score_predictions  # noqa: E402
from emostress_ros.training.common import CsvLog  # noqa: E402
from emostress_ros.training.datasets import ravdess, tess  # noqa: E402
from emostress_ros.training.study import Entry, StudyOptions  # noqa: E402
from emostress_ros.training.voice.lessons import LITERATURE, lessons_of, level_from  # noqa: E402
from emostress_ros.training.voice.protocol import folder_of_both, score  # noqa: E402
from emostress_ros.training.voice.study import FULL, MODELS, QUICK, study, task_of  # noqa: E402


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both sets with a tone a clip, whose pitch tells the emotion."""
    root = tmp_path_factory.mktemp("voices")
    tones = []
    for index in range(8):
        time = np.arange(9_600) / 16_000
        tone = 6_000 * np.sign(np.sin(2 * np.pi * (100 + 30 * index) * time))
        tones.append(root / f"tone{index}.wav")
        scipy.io.wavfile.write(tones[-1], 16_000, tone.astype(np.int16))
    for actor in range(1, 11):
        folder = root / "ravdess" / f"Actor_{actor:02d}"
        folder.mkdir(parents=True)
        for emotion in range(1, 9):
            for take in (1, 2):
                name = f"03-01-{emotion:02d}-01-01-{take:02d}-{actor:02d}.wav"
                (folder / name).symlink_to(tones[emotion - 1])
    for speaker in ("OAF", "YAF"):
        for emotion in tess.LABELS:
            folder = root / "tess" / f"{speaker}_{emotion}"
            folder.mkdir(parents=True)
            for word in range(96):
                tone = tones[ravdess.LABELS.index(tess.RAVDESS_OF[emotion])]
                (folder / f"{speaker}_w{word:03d}_{emotion}.wav").symlink_to(tone)
    return root


@pytest.mark.parametrize("plan", [QUICK, FULL])
@pytest.mark.parametrize("name", ["ravdess", "tess"])
def test_both_ways_of_dividing(data: Path, plan, name: str) -> None:
    task = task_of(name, StudyOptions(data), plan)
    (apart, splits), (random, shuffled) = task.splits.items()
    assert apart.startswith("by ") and all(split.person_disjoint for split in splits)
    assert random.startswith("random") and not any(split.person_disjoint for split in shuffled)
    judged = np.concatenate([split.test for split in splits])
    assert len(set(judged)) == len(judged)
    if plan is FULL:
        assert len(judged) == len(task.clips)


def test_a_quick_study_compares_both_splits(data: Path, tmp_path: Path) -> None:
    options = StudyOptions(data, quick=True, models=("logistic",), work=tmp_path, progress=False)
    done = study(options)
    assert [(e.dataset, e.person_disjoint) for e in done.entries] == [
        ("RAVDESS", True), ("RAVDESS", False), ("TESS", True), ("TESS", False),
    ]  # fmt: skip
    for entry in done.entries:
        assert entry.score.uar > 0.5  # a tone's pitch is all there is to learn
        assert entry.parameters > 100 and entry.seconds > 0
        assert not entry.curves  # fitted at once
    assert done.entries[0].score.extra["persons"] == 4
    assert "OAF" in done.entries[2].note and "YAF" in done.entries[2].note
    again = study(options)
    assert [e.score.uar for e in again.entries] == [e.score.uar for e in done.entries]
    assert again.entries[0].seconds == done.entries[0].seconds  # kept, not trained anew
    told = " ".join(done.lessons)
    assert f"{LITERATURE['RAVDESS', 'logistic']:.2f}" in told and "quick" in told
    assert "quick" not in " ".join(lessons_of(done.entries, quick=False))
    assert {model for _, model in LITERATURE} <= set(MODELS)


def _entry(model: str, data: str, split: str, said: list[int], curves=None) -> Entry:
    labels = tess.LABELS if data == "TESS" else ravdess.LABELS
    truth = np.arange(len(said)) % len(labels)
    rows = np.eye(len(labels), dtype=np.float32)[said]
    score = score_predictions(labels, truth, rows, np.arange(len(said)) % 2)
    return Entry(model, split, split != "random", score, 9, 1.0, curves or {}, "", data)


def test_lessons_say_which_figure_of_tess_answers_and_why_the_shipped_has_less() -> None:
    right = [i % 7 for i in range(280)]
    happy = tess.LABELS.index("happy")
    wrong = [(happy + 1) % 7 if i < 70 and i % 7 == happy else i % 7 for i in range(70)]
    wrong[0] = 1  # an error of another class
    entries = [
        _entry("voice_speech_frozen", "TESS", "by speaker", right),
        _entry("voice_speech_frozen", "TESS", "random", right),
        _entry("voice_speech", "TESS", "by speaker", wrong),
        _entry("voice_speech", "TESS", "random", wrong),
    ]
    told = " ".join(lessons_of(entries, quick=False))
    assert "100.0 (n = 280" in told and "(n = 70)" in told
    assert "10 of its 11 errors are clips of happiness" in told
    assert "Passes over RAVDESS" not in told


def test_a_curve_is_level_where_it_stays_near_its_end() -> None:
    epochs = [2.0, 4.0, 6.0, 8.0]
    assert level_from({"epoch": epochs, "uar": [0.5, 0.69, 0.6, 0.7]}) == 8
    assert level_from({"epoch": epochs, "uar": [0.5, 0.69, 0.71, 0.7]}) == 4
    assert level_from({"epoch": epochs, "uar": [0.7, 0.69, 0.71, 0.7]}) == 2
    curves = {"epoch": epochs, "training_loss": [1.0] * 4, "uar": [0.5, 0.69, 0.71, 0.7]}
    later = {**curves, "uar": [0.5, 0.6, 0.71, 0.7]}
    right = [i % 8 for i in range(16)]
    entries = [_entry("gru", "RAVDESS", "by actor", right, curves),
               _entry("gru", "RAVDESS", "random", right, later)]  # fmt: skip
    assert "`gru` 6 of " in " ".join(lessons_of(entries, quick=False))
    assert "`gru` 6 of " not in " ".join(lessons_of(entries, quick=True))


def test_unknown_models_and_protocols_are_told(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="allowed are logistic, lstm"):
        study(StudyOptions(data, models=("transformer",), work=tmp_path))
    with pytest.raises(ParameterError, match="cnn_bilstm_attention; got voice_speech"):
        study(StudyOptions(data, quick=True, models=("voice_speech",), work=tmp_path))
    with pytest.raises(ParameterError, match="shipped, folds, random; got 'loso'"):
        score("ravdess", data, protocol="loso")
    with pytest.raises(ParameterError, match="judged on ravdess, tess; got 'crema_d'"):
        score("crema_d", data, protocol="folds")


def test_the_recipe_needs_both_sets(data: Path, tmp_path: Path) -> None:
    assert folder_of_both(data) == folder_of_both(data / "tess") == data
    (tmp_path / "ravdess").mkdir()
    with pytest.raises(DatasetError, match="learns from ravdess and tess"):
        folder_of_both(tmp_path / "ravdess")


@pytest.mark.parametrize("name", ["logistic", "cnn2d", "cnn_bilstm_attention", "gru"])
def test_each_network_is_trained_exported_and_scored(
    data: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture
) -> None:
    pytest.importorskip("onnx", reason="needs the extra [train]")
    folder = tmp_path / name
    words = f"--data {data} --output {folder} --cache {data / 'kept'} --variants 0 --share 0.1 "
    words += f"--work {tmp_path / 'run'}"
    assert main(["train", "voice", "--arch", name, *words.split(), "--no-progress"]) == 0
    card = ModelCard.load(folder)
    assert card.measured[0].persons == 2
    log = CsvLog(folder / "training.csv", resume=True).read()
    assert {"epoch", "training_loss", "uar"} <= set(log) and log["epoch"][0] == 1.0
    assert (folder / "training.png").stat().st_size > 5_000
    capsys.readouterr()
    some = data / "ravdess" / "Actor_09"
    assert main(["score", "voice", "ravdess", str(some), "--model", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 16


def test_an_unknown_architecture_is_told(data: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["train", "voice", "--arch", "rnn", "--data", str(data), "--output", "x"])
    assert "cnn_bilstm_attention" in capsys.readouterr().err
