"""The trainings behind a voice model: who is held out, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io.wavfile
import yaml

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.errors import DatasetError, ModelError, ModelNotFoundError  # noqa: E402
from emostress_ros.inference.card import ModelCard  # noqa: E402
from emostress_ros.inference.packaged import packaged_file  # noqa: E402
from emostress_ros.metrics import score_predictions  # noqa: E402
from emostress_ros.training.datasets import ravdess, tess  # noqa: E402
from emostress_ros.training.datasets.speech_clips import SpeechClip  # noqa: E402
from emostress_ros.training.datasets.speech_sets import SETS  # noqa: E402
from emostress_ros.training.voice.card import update_figures  # noqa: E402
from emostress_ros.training.voice.fit import FitOptions  # noqa: E402
from emostress_ros.training.voice.net import ACOUSTIC, HEARD, VoiceNet  # noqa: E402
from emostress_ros.training.voice.pretrained import SOURCE  # noqa: E402
from emostress_ros.training.voice.runs import (  # noqa: E402
    FINAL,
    FOLD_RUNS,
    RANDOM_RUNS,
    TESS_RUNS,
    Corpus,
    corpus_of,
    held_run,
)

PEOPLE = (*(f"ravdess-{actor:02d}" for actor in range(1, 11)), "tess-OAF", "tess-YAF")


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """Eight clips of each of ten actors and of both speakers of TESS."""
    rng = np.random.default_rng(0)
    clips = [SpeechClip(Path(f"{who}-{i}.wav"), "happy", who) for who in PEOPLE for i in range(8)]
    spoken = np.array([clip.person.startswith("ravdess") for clip in clips])
    start = rng.normal(size=(1, len(clips), HEARD + ACOUSTIC)).astype(np.float32)
    speech = [np.zeros(8_000, np.float32)] * len(clips)
    return Corpus(clips, np.arange(len(clips)) % 8, spoken, speech, start, VoiceNet(8))


def test_every_actor_is_held_out_once(corpus: Corpus) -> None:
    held = np.concatenate([corpus.held_out(name) for name in FOLD_RUNS])
    assert sorted(held) == list(np.nonzero(corpus.ravdess)[0])


@pytest.mark.parametrize("name", [*FOLD_RUNS, *TESS_RUNS, FINAL])
def test_nobody_is_on_both_sides(corpus: Corpus, name: str) -> None:
    held = {corpus.clips[i].person for i in corpus.held_out(name)}
    assert held.isdisjoint(corpus.clips[i].person for i in corpus.train(name))
    assert bool(held) == (name != FINAL)


def test_random_fifths_take_of_both_sets_whoever_speaks(corpus: Corpus) -> None:
    held = [corpus.held_out(name) for name in RANDOM_RUNS]
    assert len(set(np.concatenate(held))) == sum(len(rows) for rows in held)
    for name, rows in zip(RANDOM_RUNS, held, strict=True):
        assert len(corpus.train(name)) + len(rows) == len(corpus.clips)
        assert len(rows) == pytest.approx(len(corpus.clips) / 5, abs=8)
        assert corpus.ravdess[rows].any() and not corpus.ravdess[rows].all()


def test_a_run_that_leaks_is_refused(
    corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Corpus, "held_out", lambda self, run: np.arange(4))  # half of one voice
    options = FitOptions(head_epochs=1, tuning_epochs=0)
    with pytest.raises(DatasetError, match="on both sides are ravdess-01"):
        held_run(corpus, "fold1", options, tmp_path, lambda text: None)


@pytest.mark.parametrize("names", [("ravdess", "tess"), ("tess",)])
def test_a_corpus_of_some_sets_reads_all_their_clips(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    try:
        packaged_file(**SOURCE)
    except ModelNotFoundError as error:
        pytest.skip(str(error))
    parts = {}
    for name in names:
        file = tmp_path / f"{name}.wav"
        tone = 6_000 * np.sin(2 * np.pi * 200 * np.arange(9_600) / 16_000)
        scipy.io.wavfile.write(file, 16_000, tone.astype(np.int16))
        parts[name] = [SpeechClip(file, label, name) for label in SETS[name].labels]
    found = corpus_of(parts, tmp_path, 0, progress=False)
    n = sum(len(part) for part in parts.values())
    assert found.start.shape[1] == len(found.speech) == len(found.clips) == n
    assert found.ravdess.sum() == len(parts.get("ravdess", ()))
    said = [ravdess.LABELS[i] for i in found.labels[-len(tess.LABELS) :]]
    assert said == [tess.RAVDESS_OF[label] for label in tess.LABELS]


def test_a_run_is_kept(corpus: Corpus, tmp_path: Path) -> None:
    options = FitOptions(head_epochs=2, tuning_epochs=0)
    said: list[str] = []
    first = held_run(corpus, "fold1", options, tmp_path, said.append)
    again = held_run(corpus, "fold1", options, tmp_path, said.append)
    assert len(said) == 2
    np.testing.assert_array_equal(first.probabilities, again.probabilities)
    np.testing.assert_array_equal(first.curve, again.curve)
    for mine, other in zip(first.net.parameters(), again.net.parameters(), strict=True):
        assert torch.equal(mine, other)


def test_new_figures_leave_the_weights_and_their_calibration(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = list(range(8)) * 5
    score = score_predictions(ravdess.LABELS, labels, rng.dirichlet(np.ones(8), 40), range(40))
    before = yaml.safe_load((ModelCard.load("voice_speech").folder / "model.yaml").read_text())
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(before))
    temperature = before["calibration"]["temperature"]
    for _ in range(2):
        update_figures(tmp_path, {"all": score, "sex male": score}, temperature)
    after = yaml.safe_load((tmp_path / "model.yaml").read_text())
    assert after["sha256"] == before["sha256"]
    assert after["calibration"]["temperature"] == temperature
    assert after["training"]["tried"].count("calibration for an unheard") == 1
    whole, part = after["figures"]
    assert whole["command"] == "emostress score voice ravdess DATA/voice/ravdess --protocol folds"
    assert "part" not in whole and part["part"] == ["slices", "sex male"]
    assert whole["metrics"]["uar"] == pytest.approx(score.uar, abs=1e-4)
    with pytest.raises(ModelError, match="train the model anew"):
        update_figures(tmp_path, {"all": score}, temperature + 0.1)
