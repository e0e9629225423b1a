"""Filters are scipy's, whichever way they run; bins of a spectrum are where they should be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from emostress_ros.modalities.physiology.filters import (
    band,
    filter_both_ways,
    frequencies,
    power_spectrum,
    spread,
)

KINDS = st.sampled_from([("bandpass", (0.5, 8.0)), ("lowpass", (1.0,)), ("highpass", (0.3,))])


@given(
    seed=st.integers(0, 999), count=st.integers(2, 400), channels=st.integers(1, 3), kind=KINDS,
    rate_hz=st.floats(20.0, 200.0), pad=st.integers(0, 500), single=st.booleans(),
)  # fmt: skip
def test_a_filter_is_that_of_scipy(way, seed, count, channels, kind, rate_hz, pad, single):
    samples = np.random.default_rng(seed).normal(size=(count, channels)).cumsum(axis=0)
    samples = samples[:, 0] if single else samples
    sections = signal.butter(2, kind[1] if len(kind[1]) > 1 else kind[1][0], kind[0], fs=rate_hz,
                             output="sos")  # fmt: skip
    room = min(pad or 3 * (2 * len(sections) + 1), count - 1)
    expected = signal.sosfiltfilt(sections, samples, axis=0, padlen=room)
    found = filter_both_ways(samples, *kind, rate_hz, pad)
    assert found.shape == samples.shape
    np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-7 * np.abs(samples).max())


def test_samples_that_lie_apart_are_filtered_as_those_side_by_side():
    samples = np.random.default_rng(0).normal(size=(200, 3))
    for channel in range(3):
        apart = filter_both_ways(samples[:, channel], "lowpass", (1.0,), 20.0)
        np.testing.assert_array_equal(
            apart, filter_both_ways(samples, "lowpass", (1.0,), 20.0)[:, channel]
        )


@given(
    size=st.sampled_from([64, 512, 4096]), rate_hz=st.floats(4.0, 256.0),
    edges=st.tuples(st.floats(0.0, 40.0), st.floats(0.0, 40.0)).map(sorted),
)  # fmt: skip
def test_a_band_holds_what_lies_in_it(size, rate_hz, edges):
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    low, high = edges
    inside = frequencies(size, rate_hz)[band(size, rate_hz, low, high)]
    np.testing.assert_array_equal(inside, hz[(hz >= low) & (hz < high)])


def test_a_spectrum_shows_a_tone_at_its_frequency():
    t = np.arange(240) / 4.0
    power = power_spectrum(np.sin(2 * np.pi * 0.25 * t), 512)
    assert abs(float(frequencies(512, 4.0)[power.argmax()]) - 0.25) < 0.01


@given(values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=50))
def test_the_spread_is_the_standard_deviation(values):
    assert spread(np.array(values)) == pytest.approx(float(np.std(values)), rel=1e-9, abs=1e-9)
