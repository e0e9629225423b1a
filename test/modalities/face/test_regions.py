"""Known faces are looked for where they are expected, and nobody is overlooked for long."""

from __future__ import annotations

import av
import numpy as np
import pytest

from emostress_ros.modalities.face import FaceConfig, FacePipeline

FRAME_NS = 40_000_000


def pipeline_of(interval_s: float) -> FacePipeline:
    return FacePipeline(FaceConfig(detect_interval_s=interval_s))


def moving(scene, head, frames: int):
    return [scene((head, 60 + 6 * frame, 80 + 3 * frame)) for frame in range(frames)]


def test_a_moving_face_is_followed_with_few_searches_of_the_frame(scene, head):
    guided, thorough = pipeline_of(0.5), pipeline_of(0.0)
    for number, image in enumerate(moving(scene, head, 25)):
        (near,), (far,) = (one.process(image, number * FRAME_NS) for one in (guided, thorough))
        assert near.track_id == far.track_id == "face_1"
        eyes = np.linalg.norm(far.landmarks[0] - far.landmarks[1])
        assert np.linalg.norm(near.landmarks - far.landmarks, axis=1).mean() < 0.15 * eyes
    assert guided.detector.counts == {"whole": 2, "regions": 23}
    assert thorough.detector.counts == {"whole": 25}


def test_a_newcomer_is_seen_within_the_interval(scene, head):
    pipeline = pipeline_of(0.3)
    seen = []
    for number in range(12):
        faces = [(head, 40, 60), (head, 400, 80)][: 1 if number < 3 else 2]
        seen.append(len(pipeline.process(scene(*faces), number * FRAME_NS)))
    assert seen[:3] == [1, 1, 1] and seen[-1] == 2
    assert seen.index(2) <= 3 + round(0.3e9 / FRAME_NS)


def test_who_is_hidden_is_looked_for_in_every_frame(scene, head):
    pipeline = pipeline_of(10.0)
    both, one = scene((head, 40, 60), (head, 400, 80)), scene((head, 40, 60))
    counts = [len(pipeline.process(image, k * FRAME_NS)) for k, image in enumerate([both] * 3)]
    counts += [len(pipeline.process(one, k * FRAME_NS)) for k in range(3, 6)]
    counts += [len(pipeline.process(both, k * FRAME_NS)) for k in range(6, 8)]
    assert counts == [2, 2, 2, 1, 1, 1, 2, 2]


def test_a_face_that_goes_is_not_believed_to_stay(scene, head):
    pipeline = pipeline_of(10.0)
    assert len(pipeline.process(scene((head, 40, 60)), 0)) == 1
    assert pipeline.process(scene(), FRAME_NS) == []


@pytest.mark.parametrize("jump", [-10 * FRAME_NS, 10**10])
def test_after_a_gap_or_a_jump_the_whole_frame_is_searched(scene, head, jump):
    pipeline = pipeline_of(10.0)
    image = scene((head, 40, 60))
    start = 10**11
    for stamp in (start, start + FRAME_NS, start + FRAME_NS + jump):
        assert len(pipeline.process(image, stamp)) == 1
    assert pipeline.detector.counts == {"whole": 2, "regions": 1}


def test_another_size_of_image_is_searched_whole(scene, head):
    pipeline = pipeline_of(10.0)
    image = scene((head, 40, 60))
    pipeline.process(image, 0)
    pipeline.process(np.ascontiguousarray(image[:400]), FRAME_NS)
    assert pipeline.detector.counts == {"whole": 2}


def test_no_id_changes_on_real_clips(shared_data):
    for path in sorted((shared_data / "clips").glob("*.mpg"))[:3]:
        pipeline = pipeline_of(0.5)
        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        seen = [pipeline.process(image, k * FRAME_NS) for k, image in enumerate(frames[:50])]
        assert {face.track_id for faces in seen for face in faces} == {"face_1"}
        assert all(len(faces) == 1 for faces in seen)
        assert pipeline.detector.counts["whole"] <= 6
