"""The trainings behind a voice model: who is held out, and what is kept of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.errors import DatasetError  # noqa: E402
from emostress_ros.training.datasets.speech_clips import SpeechClip  # noqa: E402
from emostress_ros.training.voice_fit import FitOptions  # noqa: E402
from emostress_ros.training.voice_net import ACOUSTIC, HEARD, VoiceNet  # noqa: E402
from emostress_ros.training.voice_runs import (  # noqa: E402
    FINAL,
    FOLD_RUNS,
    RANDOM_RUNS,
    TESS_RUNS,
    Corpus,
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
