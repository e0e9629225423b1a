"""Buffers: gaps, repeats, jumps back, bounds."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.physiology.buffer import BeatBuffer, SampleBuffer

S = 1_000_000_000


def column(*values: float) -> np.ndarray:
    return np.asarray(values, np.float32)[:, None]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
def test_however_it_is_cut_the_newest_samples_come_back(sizes: list[int]) -> None:
    buffer, sent = SampleBuffer(4.0, 1, 10.0), np.arange(sum(sizes), dtype=np.float32)
    begin = 0
    for size in sizes:
        buffer.add(begin * S // 4, sent[begin : begin + size, None])
        begin += size
    assert buffer.end_ns is not None
    assert abs(buffer.end_ns - begin * S // 4) < 10
    latest = buffer.latest(buffer.end_ns, 10.0)[:, 0]
    assert latest.tolist() == sent[-40:].tolist()
    assert buffer.latest(buffer.end_ns - S, 2.0)[:, 0].tolist() == sent[-12:-4][-8:].tolist()


def test_a_gap_is_filled_with_nan() -> None:
    buffer = SampleBuffer(4.0, 1, 10.0)
    buffer.add(0, column(1, 2, 3, 4))
    assert buffer.add(2 * S, column(5))
    assert buffer.counts.gaps == 4
    latest = buffer.latest(2 * S + S // 4, 10.0)[:, 0]
    assert np.isnan(latest[4:8]).all()
    assert latest[8] == 5


def test_a_repeated_packet_is_dropped_and_an_overlap_cut() -> None:
    buffer = SampleBuffer(4.0, 1, 10.0)
    buffer.add(0, column(1, 2, 3, 4))
    buffer.add(0, column(1, 2, 3, 4))
    buffer.add(S // 2, column(3, 4, 5, 6))
    assert buffer.latest(3 * S // 2, 10.0)[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
    assert buffer.counts.duplicates == 6


def test_jitter_of_the_radio_is_no_gap() -> None:
    buffer = SampleBuffer(64.0, 1, 10.0)
    rng = np.random.default_rng(0)
    for k in range(100):
        buffer.add(k * S // 4 + S + int(rng.uniform(-0.1, 0.1) * S), np.ones((16, 1), np.float32))
    assert buffer.counts.gaps == buffer.counts.duplicates == 0


def test_a_clock_set_back_starts_anew() -> None:
    buffer = SampleBuffer(4.0, 1, 10.0)
    buffer.add(100 * S, column(1, 2, 3, 4))
    assert not buffer.add(0, column(7))
    assert buffer.latest(S // 4, 10.0)[:, 0].tolist() == [7]


def test_a_long_chunk_keeps_its_end() -> None:
    buffer = SampleBuffer(4.0, 1, 2.0)
    buffer.add(0, np.arange(100, dtype=np.float32)[:, None])
    assert buffer.latest(25 * S, 2.0)[:, 0].tolist() == list(range(92, 100))


def test_intervals_are_their_own_clock() -> None:
    beats = BeatBuffer(10.0)
    beats.add(S, column(800, 900, 700))
    ends, ibi = beats.latest(3 * S, 10.0)
    assert np.allclose(ends, [-2.0, -1.1, -0.4])
    assert ibi.tolist() == [800, 900, 700]
    beats.add(S, column(800))
    assert beats.counts.duplicates == 1
    for second in range(3, 60):
        beats.add(second * S, column(1000))
    assert len(beats.latest(60 * S, 100.0)[0]) <= 11
    assert not beats.add(S, column(800))
