"""Windows end where speech ends; silence gives none."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.segmenter import Segmenter, SpeechWindow

OPTIONS = VoiceConfig().segmenter_options()


def run(probabilities: list[float]) -> list[SpeechWindow]:
    segmenter = Segmenter(OPTIONS)
    found = [segmenter.push(value) for value in probabilities]
    return [window for window in (*found, segmenter.flush()) if window]


def test_silence_gives_nothing() -> None:
    assert run([0.0] * 200) == []


def test_a_click_is_no_speech() -> None:
    assert run([0.0] * 20 + [0.9] * 3 + [0.0] * 50) == []


def test_a_pause_shorter_than_the_hangover_does_not_cut() -> None:
    found = run([0.0] * 10 + [0.9] * 30 + [0.1] * 8 + [0.9] * 35 + [0.0] * 30)
    assert [item.is_final for item in found] == [False, True]


def test_wavering_between_the_thresholds_does_not_cut() -> None:
    assert len(run([0.9] + [0.5] * 60 + [0.0] * 30)) == 1


@given(st.lists(st.floats(0, 1), max_size=600))
def test_windows_are_ordered_and_within_bounds(probabilities: list[float]) -> None:
    found = run(probabilities)
    heard = len(probabilities) * OPTIONS.frame
    assert all(0 <= item.start < item.end <= max(heard, OPTIONS.least_window) for item in found)
    assert all(item.end - item.start <= OPTIONS.window for item in found)
    assert np.all(np.diff([item.end for item in found]) > 0)
