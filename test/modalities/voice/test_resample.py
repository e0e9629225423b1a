"""Resampling keeps time, whatever the rate and however the stream was cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.errors import SignalError
from emostress_ros.modalities.voice.resample import StreamResampler, resample

RATES = (8_000, 11_025, 16_000, 22_050, 24_414, 32_000, 44_100, 48_000, 96_000)


@pytest.mark.parametrize("rate", RATES)
def test_a_tone_keeps_its_phase(rate: int) -> None:
    tone = np.sin(2 * np.pi * 300 * np.arange(rate) / rate)
    got = resample(tone, rate)
    expected = np.sin(2 * np.pi * 300 * np.arange(16_000) / 16_000)
    assert len(got) == 16_000
    assert np.abs(got - expected)[300:-300].max() < 3e-3


@given(
    st.sampled_from([8_000, 22_050, 44_100, 48_000]),
    st.lists(st.integers(0, 2_000), min_size=1, max_size=30),
)
@settings(max_examples=40, deadline=None)
def test_chunk_sizes_do_not_change_the_result(rate: int, cuts: list[int]) -> None:
    waveform = np.random.default_rng(0).normal(size=12_000)
    stream = StreamResampler(rate)
    parts = np.split(waveform, np.clip(np.cumsum(cuts), 0, len(waveform)))
    streamed = np.concatenate([stream.push(part) for part in parts])
    np.testing.assert_allclose(streamed, StreamResampler(rate).push(waveform), atol=1e-12)


def test_delay_is_a_few_samples() -> None:
    assert len(StreamResampler(48_000).push(np.zeros(48_000))) >= 16_000 - 12


@pytest.mark.parametrize("rate", [0, 4_000, 44_100.5, 400_000, -1])
def test_a_rate_that_is_not_allowed_is_named(rate: float) -> None:
    with pytest.raises(SignalError, match="8000 to 192000"):
        StreamResampler(rate)
