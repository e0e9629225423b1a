from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import SignalError
from emostress_ros.modalities.face import FaceTracker
from emostress_ros.modalities.face.tracker import MAX_TRACKS

FRAME = 40_000_000  # 25 frames a second
SECOND = 1_000_000_000


def box(x, y, side=60.0):
    return [x - side / 2, y - side / 2, x + side / 2, y + side / 2]


def ids(tracker, boxes, stamp):
    return [track.name for track in tracker.update(np.array(boxes).reshape(-1, 4), stamp)]


def test_ids_count_from_one_and_stay():
    tracker = FaceTracker()
    for frame in range(20):
        both = [box(100 + frame, 100), box(400 - frame, 120)]
        assert ids(tracker, both, frame * FRAME) == ["face_1", "face_2"]
        assert ids(tracker, both[::-1], frame * FRAME + FRAME // 2) == ["face_2", "face_1"]


@given(
    speed=st.tuples(st.floats(-300, 300), st.floats(-300, 300)),
    jitter=st.floats(0, 4),
    frames=st.integers(2, 40),
    seed=st.integers(0, 1000),
)
def test_faces_that_do_not_cross_keep_their_ids(speed, jitter, frames, seed):
    rng = np.random.default_rng(seed)
    tracker = FaceTracker()
    for frame in range(frames):
        seconds = frame * FRAME / SECOND
        shift = np.array(speed) * seconds
        both = [
            box(*(np.array([0, 0]) + shift + rng.normal(0, jitter, 2))),
            box(*(np.array([300, 50]) + shift + rng.normal(0, jitter, 2))),
        ]
        order = rng.permutation(2) if frame else np.arange(2)
        found = ids(tracker, [both[row] for row in order], frame * FRAME)
        assert [found[list(order).index(0)], found[list(order).index(1)]] == ["face_1", "face_2"]


detections = st.lists(
    st.lists(st.tuples(st.floats(0, 640), st.floats(0, 480), st.floats(10, 200)), max_size=6),
    max_size=12,
)


@given(detections, st.lists(st.integers(-3 * SECOND, 3 * SECOND), min_size=12, max_size=12))
def test_ids_are_unique_in_a_frame_and_never_given_twice(frames, steps):
    tracker = FaceTracker()
    stamp, alive, gone = 10**12, set(), set()
    for frame, step in zip(frames, steps, strict=False):
        stamp += step
        found = ids(tracker, [box(*one) for one in frame], stamp)
        assert len(set(found)) == len(found) == len(frame)
        assert not gone & set(found)
        now = {track.name for track in tracker.tracks}
        gone |= (alive | set(found)) - now
        alive = now
        assert len(tracker.tracks) <= MAX_TRACKS
        assert all(np.isfinite(track.box).all() for track in tracker.tracks)


def test_a_face_hidden_for_a_moment_keeps_its_id_and_one_hidden_for_long_loses_it():
    tracker = FaceTracker(memory_s=1.0)
    assert ids(tracker, [box(100, 100)], 0) == ["face_1"]
    for frame in range(1, 20):
        assert ids(tracker, [], frame * FRAME) == []
    assert ids(tracker, [box(105, 100)], 20 * FRAME) == ["face_1"]
    for frame in range(21, 60):
        ids(tracker, [], frame * FRAME)
    assert ids(tracker, [box(105, 100)], 60 * FRAME) == ["face_2"]


def test_a_dead_camera_costs_no_memory():
    tracker = FaceTracker(memory_s=1.0)
    both = [box(100, 100), box(400, 100)]
    assert ids(tracker, both, 0) == ["face_1", "face_2"]
    assert ids(tracker, both[::-1], 60 * SECOND) == ["face_2", "face_1"]
    assert ids(tracker, both, 3600 * SECOND) == ["face_1", "face_2"]


def test_a_looping_bag_keeps_ids_and_forgets_velocities():
    tracker = FaceTracker()
    for frame in range(25):
        ids(tracker, [box(100 + 8 * frame, 100)], 5 * SECOND + frame * FRAME)
    assert tracker.tracks[0].velocity[0] > 50
    assert ids(tracker, [box(292, 100)], 0) == ["face_1"]
    assert tracker.tracks[0].velocity[0] == 0


def test_the_same_stamp_twice_is_no_trouble():
    tracker = FaceTracker()
    for _ in range(3):
        assert ids(tracker, [box(100, 100)], 7) == ["face_1"]
    assert np.isfinite(tracker.tracks[0].velocity).all()


def test_the_smoothed_box_follows_without_lagging_behind():
    tracker = FaceTracker(smoothing=0.6)
    for frame in range(50):
        (track,) = tracker.update(np.array([box(100 + 5 * frame, 100)]), frame * FRAME)
    assert (track.box[0] + track.box[2]) / 2 == pytest.approx(100 + 5 * 49, abs=6)


def test_smoothing_calms_a_jittering_box():
    rng = np.random.default_rng(3)
    tracker, seen, smooth = FaceTracker(smoothing=0.8), [], []
    for frame in range(200):
        one = np.array([box(*(100 + rng.normal(0, 3, 2)))])
        smooth.append(tracker.update(one, frame * FRAME)[0].box[0])
        seen.append(one[0, 0])
    assert np.std(smooth[20:]) < 0.85 * np.std(seen[20:])


def test_reset_forgets_faces_but_gives_no_id_twice():
    tracker = FaceTracker()
    ids(tracker, [box(100, 100)], 0)
    tracker.reset()
    assert ids(tracker, [box(100, 100)], FRAME) == ["face_2"]


def test_a_crowd_does_not_grow_without_bounds():
    tracker = FaceTracker(memory_s=60)
    for frame in range(100):
        ids(tracker, [box(1000 * frame, 0), box(1000 * frame, 900)], frame)
    assert len(tracker.tracks) <= MAX_TRACKS


@pytest.mark.parametrize("bad", [np.zeros((2, 3)), np.full((1, 4), np.nan), np.zeros(4)])
def test_bad_boxes_are_refused(bad):
    with pytest.raises(SignalError, match="boxes"):
        FaceTracker().update(bad, 0)
