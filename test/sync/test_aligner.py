from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError
from emostress_ros.sync import Aligner, StreamPolicy, SubsetSynchronizer, SyncConfig
from emostress_ros.sync.filter import SignalingFilter

MS = 1_000_000
SECOND = 1000 * MS


def make(streams=("face", "voice"), max_age_s=1.0, **config) -> Aligner[str]:
    policies = {name: StreamPolicy[str](round(max_age_s * SECOND)) for name in streams}
    return Aligner(policies, SyncConfig(**config))


def strict(**config) -> Aligner[str]:
    return make(complete_early=False, **config)


def test_a_silent_stream_does_not_silence_the_others():
    aligner = strict(rate_hz=10.0, deadline_s=0.1)
    for k in range(20):
        aligner.add("face", k * 50 * MS, f"frame {k}")
    sets = aligner.advance(1000 * MS)
    assert sets and all("voice" not in item.items for item in sets)
    assert all("face" in item.items for item in sets)


def test_sets_come_at_the_rate_that_was_set():
    aligner = strict(rate_hz=10.0, deadline_s=0.1)
    stamps = []
    for k in range(300):
        aligner.add("face", k * 33 * MS, "frame")
        stamps += [item.stamp_ns for item in aligner.advance(k * 33 * MS)]
    steps = {after - before for before, after in itertools.pairwise(stamps)}
    assert steps == {100 * MS}


def test_evidence_too_old_is_stale_and_says_its_age():
    aligner = strict(rate_hz=10.0, max_age_s=0.5)
    aligner.add("face", 0, "long ago")
    aligner.add("voice", 900 * MS, "now")
    aligned = aligner.align(1000 * MS)
    assert aligned.items == {"voice": "now"}
    assert aligned.stale == {"face": "long ago"}
    assert aligned.ages_ns == {"face": 1000 * MS, "voice": 100 * MS}


def test_a_set_does_not_wait_for_a_camera_that_died():
    aligner = make(rate_hz=10.0, deadline_s=5.0)
    for k in range(30):
        aligner.add("face", k * 33 * MS, "frame")
        aligner.advance(k * 33 * MS)
    aligner.add("voice", 3000 * MS, "speech")
    assert aligner.advance(3000 * MS), "the deadline of 5 s must not hold a dead stream's set"


def test_a_set_waits_for_the_frame_that_is_under_way():
    aligner = make(rate_hz=10.0, deadline_s=0.2)
    for k in range(30):
        aligner.add("face", k * 33 * MS, f"frame {k}")
        aligner.advance(k * 33 * MS)
    # The newest frame is at 957 ms: the set of 1000 ms waits for the one at 990 ms.
    assert aligner.advance(1005 * MS) == []
    aligner.add("face", 1001 * MS, "awaited")
    (due,) = aligner.advance(1010 * MS)
    assert due.items == {"face": "awaited"}


def test_after_a_long_silence_only_the_present_is_spoken_of():
    aligner = make(rate_hz=10.0, deadline_s=0.1)
    aligner.add("face", 0, "frame")
    assert len(aligner.advance(3600 * SECOND)) <= 3


def test_a_looping_bag_gives_sets_again():
    aligner = make(rate_hz=10.0, deadline_s=0.1)
    for start in (0, 0):
        spoken = []
        for k in range(100):
            stamp = start + k * 50 * MS
            aligner.add("face", stamp, f"frame {k}")
            aligner.add("voice", stamp, f"word {k}")
            spoken += aligner.advance(stamp)
        assert len(spoken) >= 45
        assert all(set(item.items) == {"face", "voice"} for item in spoken[1:])


def test_an_unknown_stream_is_named_with_those_there_are():
    with pytest.raises(ParameterError, match="no stream 'smell'; there are: face, voice"):
        make().add("smell", 0, "x")


@settings(max_examples=50, deadline=None)
@given(st.randoms(use_true_random=False), st.integers(1, 149))
def test_the_order_of_arrival_within_the_deadline_does_not_matter(randomness, jitter_ms):
    items = [("face", k * 33 * MS) for k in range(60)] + [("voice", k * 70 * MS) for k in range(28)]

    def run(delays: dict[tuple[str, int], int]) -> list:
        aligner = strict(rate_hz=10.0, deadline_s=0.15)
        aligner.add("face", 0, "0")  # sets the grid
        sets = []
        arrivals = sorted((stamp + delays[stream, stamp], stream, stamp) for stream, stamp in items)
        for arrival, stream, stamp in arrivals:
            sets += aligner.advance(arrival - 1)
            aligner.add(stream, stamp, str(stamp))
        return sets + aligner.advance(2500 * MS)

    prompt = run(dict.fromkeys(items, 0))
    late = run({item: randomness.randrange(jitter_ms * MS) for item in items})
    assert prompt == late
    assert len(prompt) >= 20


@given(st.lists(st.tuples(st.sampled_from(["face", "voice"]), st.integers(0, 10**13)), max_size=80))
def test_no_sequence_of_stamps_breaks_it_or_makes_it_speak_of_the_future(items):
    aligner = make(rate_hz=5.0, deadline_s=0.1)
    now = 0
    for stream, stamp in items:
        aligner.add(stream, stamp, "x")
        now = max(now, stamp)
        for aligned in aligner.advance(now):
            assert all(age >= 0 for age in aligned.ages_ns.values())
            assert not set(aligned.items) & set(aligned.stale)


class Message:
    def __init__(self, stamp_ns: int) -> None:
        stamp = type("Stamp", (), {"sec": stamp_ns // SECOND, "nanosec": stamp_ns % SECOND})
        self.header = type("Header", (), {"stamp": stamp})


class Upstream:
    def __init__(self) -> None:
        self.callbacks: list = []

    def registerCallback(self, cb, *args):  # noqa: N802
        self.callbacks.append((cb, args))
        return len(self.callbacks) - 1

    def publish(self, message: Message) -> None:
        for callback, args in self.callbacks:
            callback(message, *args)


def test_the_filter_calls_back_with_none_for_a_silent_input():
    camera, wearable = Upstream(), Upstream()
    heard: list[tuple] = []
    sync = SubsetSynchronizer([camera, wearable], 0.5, SyncConfig(rate_hz=10.0, deadline_s=0.1))
    sync.registerCallback(lambda *messages: heard.append(messages))
    for k in range(20):
        camera.publish(Message(k * 50 * MS))
    assert heard and all(first is not None and second is None for first, second in heard)
    wearable.publish(Message(950 * MS))
    camera.publish(Message(1200 * MS))
    assert heard[-1][1] is not None


def test_cost_of_an_item_does_not_grow_with_the_depth():
    def comparisons(depth: int) -> int:
        count = 0

        class Counted(int):
            def __lt__(self, other):
                nonlocal count
                count += 1
                return int(self) < int(other)

        stream_policy = StreamPolicy[str](SECOND, depth=depth)
        aligner = Aligner({"face": stream_policy}, SyncConfig())
        for k in range(2 * depth - 1):
            aligner.add("face", Counted(k), "x")
        count = 0
        aligner.align(Counted(random.Random(1).randrange(depth)))
        return count

    assert comparisons(4096) <= comparisons(64) + 8


@pytest.mark.parametrize(
    ("filters", "options", "told"),
    [
        (3, {"names": ["camera", "wearable"]}, "3 filters and 2 names"),
        (2, {"max_age_s": [0.5]}, "2 names and 1 ages"),
        (0, {}, "at least one stream"),
    ],
)
def test_a_filter_without_a_name_or_an_age_is_refused(filters, options, told):
    with pytest.raises(ParameterError, match=told):
        SubsetSynchronizer([SignalingFilter() for _ in range(filters)], **options)
