from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import SignalError
from emostress_ros.nodes.sources.heart_rate_measurement import (
    beat_stamps_ns,
    parse_heart_rate_measurement,
)


@given(
    st.integers(0, 65535), st.sampled_from([None, False, True]),
    st.none() | st.integers(0, 65535), st.lists(st.integers(0, 65535), max_size=9), st.booleans(),
)  # fmt: skip
def test_what_is_packed_comes_back(rate, contact, energy, ticks, wide) -> None:
    wide = wide or rate > 255
    flags = wide | ((contact is not None) << 2) | (bool(contact) << 1)
    flags |= ((energy is not None) << 3) | (bool(ticks) << 4)
    data = struct.pack("<BH" if wide else "<BB", flags, rate)
    data += b"" if energy is None else struct.pack("<H", energy)
    data += struct.pack(f"<{len(ticks)}H", *ticks)
    found = parse_heart_rate_measurement(data)
    assert (found.heart_rate_bpm, found.contact, found.energy_kj) == (rate, contact, energy)
    assert found.rr_ms == tuple(tick / 1.024 for tick in ticks)


@given(st.binary(max_size=24))
def test_any_bytes_are_parsed_or_refused(data: bytes) -> None:
    try:
        found = parse_heart_rate_measurement(data)
    except SignalError:
        return
    assert 0 <= found.heart_rate_bpm <= 65535 and all(x >= 0.0 for x in found.rr_ms)


def test_a_polar_h10_notification() -> None:
    """Flags 0x10: 8 bit rate, no contact bits, RR intervals of 1/1024 s."""
    found = parse_heart_rate_measurement(bytes.fromhex("10 3c 00 04 e0 03"))
    assert found.heart_rate_bpm == 60 and found.contact is None
    assert found.rr_ms == (1000.0, 968.75)


@pytest.mark.parametrize(
    ("data", "words"),
    [("", "got nothing"), ("00", "2 bytes; got 00"), ("01 40", "3 bytes"),
     ("10 40 00", "two an interval"), ("00 40 ff", "2 bytes; got 00 40 ff")],
)  # fmt: skip
def test_bytes_that_do_not_fit_their_flags(data: str, words: str) -> None:
    with pytest.raises(SignalError, match=words):
        parse_heart_rate_measurement(bytes.fromhex(data))


@given(st.lists(st.floats(200, 2000), max_size=5), st.integers(10**18, 2 * 10**18))
def test_beats_lie_their_intervals_apart(rr_ms, received_ns) -> None:
    stamps = beat_stamps_ns(tuple(rr_ms), received_ns)
    assert len(stamps) == len(rr_ms)
    for before, after, interval_ms in zip(stamps, stamps[1:], rr_ms[1:], strict=False):
        assert abs(after - before - interval_ms * 1e6) <= 1
    assert not stamps or stamps[-1] == received_ns
