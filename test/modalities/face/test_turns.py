"""Each face is read as often as wanted, and no frame bears the work of all."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.face import FaceConfig, FacePipeline
from emostress_ros.modalities.face.turns import Turns

FRAME_NS = 33_333_333


def read(faces: int, rate_hz: float, frames: int = 120) -> tuple[Counter[str], list[int]]:
    turns, names = Turns(rate_hz), [f"face_{k + 1}" for k in range(faces)]
    counts: Counter[str] = Counter()
    loads = []
    for frame in range(frames):
        rows = turns.choose(names, frame * FRAME_NS)
        counts.update(names[row] for row in rows)
        loads.append(len(rows))
    return counts, loads


@pytest.mark.parametrize("rate_hz", [0.0, 30.0, 100.0])
def test_at_the_rate_of_the_frames_every_face_is_read_in_every_frame(rate_hz):
    counts, loads = read(4, rate_hz)
    assert set(counts.values()) == {120} and set(loads) == {4}


@given(st.integers(1, 16), st.sampled_from([5.0, 10.0, 15.0]))
def test_every_face_is_read_about_as_often_as_wanted_and_never_all_at_once(faces, rate_hz):
    counts, loads = read(faces, rate_hz)
    wanted = 120 / 30.0 * rate_hz
    assert all(0.7 * wanted <= count <= 1.15 * wanted + 1 for count in counts.values())
    assert len(counts) == faces
    assert max(loads[1:]) <= -(-faces * rate_hz // 30.0) + 1


def test_a_stamp_that_jumps_back_begins_anew():
    turns = Turns(10.0)
    assert turns.choose(["face_1"], 10**12) == [0]
    assert turns.choose(["face_1"], 10**12 + FRAME_NS) == []
    assert turns.choose(["face_1"], 0) == []  # nobody knows yet how often frames come
    assert turns.choose(["face_1"], FRAME_NS) == [0]


def test_four_faces_at_half_the_rate_are_followed_in_every_frame(scene, head):
    small = np.ascontiguousarray(head[::2, ::2])
    image = scene(*((small, 20 + 150 * k, 150) for k in range(4)))
    pipeline = FacePipeline(FaceConfig(expression_rate_hz=15.0))
    seen = [pipeline.process(image, number * FRAME_NS) for number in range(8)]
    assert len(seen[0]) == 4 and [len(faces) for faces in seen[2:]] == [2] * 6
    assert {face.track_id for faces in seen[2:4] for face in faces} == {
        face.track_id for face in seen[0]
    }
    everybody = FacePipeline(FaceConfig())
    for number in range(8):
        whole = {face.track_id: face for face in everybody.process(image, number * FRAME_NS)}
        for face in seen[number]:
            np.testing.assert_array_equal(face.box, whole[face.track_id].box)
            np.testing.assert_allclose(
                face.embedding.probabilities, whole[face.track_id].embedding.probabilities,
                atol=0.02,
            )  # fmt: skip
