from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import SignalError
from emostress_ros.modalities.face import FaceDetector
from emostress_ros.modalities.face.boxes import iou, suppress
from emostress_ros.modalities.face.detector import letterbox


@pytest.fixture(scope="module")
def detector():
    return FaceDetector()


def test_finds_the_face_and_its_landmarks_in_a_photograph(detector, photo):
    faces = detector.detect(photo)
    assert len(faces) == 1
    left, top, right, bottom = faces.boxes[0]
    assert 150 < left < 200 and 330 < right < 380 and 90 < top < 150 and 320 < bottom < 380
    right_eye, left_eye, nose, right_mouth, left_mouth = faces.landmarks[0]
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < right_mouth[1]
    assert abs(right_mouth[1] - left_mouth[1]) < 10


@pytest.mark.parametrize("size", [(160, 128), (320, 320), (640, 480)])
def test_any_input_size_that_is_a_multiple_of_32_finds_the_same_face(photo, size):
    faces = FaceDetector(*size).detect(photo)
    assert len(faces) == 1
    np.testing.assert_allclose(faces.boxes[0], [175, 120, 360, 350], atol=30)


def test_sees_every_face_of_a_group(detector, head, scene):
    faces = detector.detect(scene((head, 20, 20), (head[:, ::-1], 230, 200), (head, 440, 30)))
    assert len(faces) == 3


def test_several_parts_in_one_run_give_what_each_gives_alone(detector, head, scene, photo):
    images = [scene((head, 20, 20), (head, 400, 100)), scene(), photo]
    height = max(image.shape[0] for image in images)
    wall = np.zeros((height, sum(image.shape[1] for image in images), 3), np.uint8)
    parts, left = [], 0
    for image in images:
        right = left + image.shape[1]
        wall[: image.shape[0], left:right] = image
        parts.append((left, 0, right, image.shape[0]))
        left = right
    together, owners = detector.detect_parts(wall, parts)
    assert np.bincount(owners, minlength=3).tolist() == [2, 0, 1]
    for number, (image, part) in enumerate(zip(images, parts, strict=True)):
        alone, faces = detector.detect(image), together[owners == number]
        np.testing.assert_array_equal(faces.scores, alone.scores)
        shift = np.array(part[:2], np.float32)
        np.testing.assert_allclose(faces.landmarks, alone.landmarks + shift, atol=1e-3)
        np.testing.assert_allclose(
            faces.boxes.reshape(-1, 2, 2), alone.boxes.reshape(-1, 2, 2) + shift, atol=1e-3
        )


def test_sees_nothing_where_nothing_is(detector):
    rng = np.random.default_rng(0)
    for image in (np.zeros((480, 640, 3), np.uint8), np.full((480, 640, 3), 255, np.uint8)):
        assert len(detector.detect(image)) == 0
    assert len(detector.detect(rng.integers(0, 256, (480, 640, 3), dtype=np.uint8))) == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (7, 5)])
def test_odd_sizes_are_no_trouble(detector, size):
    assert len(detector.detect(np.zeros((*size, 3), np.uint8))) == 0


@pytest.mark.parametrize(
    ("image", "named"),
    [
        (np.zeros((0, 0, 3), np.uint8), "0×0"),
        (np.zeros((480, 0, 3), np.uint8), "480×0"),
        (np.zeros((480, 640), np.uint8), r"\(480, 640\)"),
        (np.zeros((480, 640, 4), np.uint8), r"\(480, 640, 4\)"),
        (np.zeros((480, 640, 3), np.float32), "float32"),
        ([[1, 2, 3]], "list"),
    ],
)
def test_a_bad_image_is_refused_by_name(detector, image, named):
    with pytest.raises(SignalError, match=named):
        detector.detect(image)


@given(st.integers(1, 700), st.integers(1, 700))
def test_letterbox_keeps_proportions_and_fits(width, height):
    frame, (across, down) = letterbox(np.full((height, width, 3), 200, np.uint8), 320, 256)
    assert frame.shape == (1, 3, 256, 320)
    used = frame[0, 0] > 0
    assert used.any(axis=0).sum() == round(width / across)
    assert used.any(axis=1).sum() == round(height / down)
    if min(width, height) > 30:
        assert across == pytest.approx(down, rel=0.1)


def test_letterbox_gives_bgr():
    image = np.zeros((256, 320, 3), np.uint8)
    image[..., 0] = 250  # red
    frame, _ = letterbox(image, 320, 256)
    assert frame[0, 2].mean() == 250 and frame[0, :2].max() == 0


boxes = st.lists(
    st.tuples(*[st.floats(0, 100)] * 2, *[st.floats(1, 50)] * 2).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    min_size=1,
    max_size=12,
).map(lambda rows: np.array(rows, np.float32))


@given(boxes)
def test_suppression_keeps_the_best_and_nothing_that_overlaps(found):
    scores = np.linspace(0.9, 0.5, len(found), dtype=np.float32)
    kept = suppress(found, scores, 0.3)
    assert kept[0] == 0
    overlaps = iou(found[kept], found[kept])
    assert (overlaps[~np.eye(len(kept), dtype=bool)] <= 0.3).all()


@given(boxes)
def test_few_and_many_boxes_are_suppressed_alike(found):
    scores = np.linspace(0.9, 0.5, len(found), dtype=np.float32)
    crowd = np.tile(np.array([[-10, -10, -5, -5]], np.float32), (70, 1))  # far from all, and last
    many = suppress(
        np.concatenate([found, crowd]), np.concatenate([scores, np.zeros(70, np.float32)]), 0.3
    )
    assert suppress(found, scores, 0.3).tolist() == many.tolist()[:-1]


@given(boxes)
def test_iou_is_symmetric_and_one_with_itself(found):
    overlaps = iou(found, found)
    np.testing.assert_allclose(overlaps, overlaps.T, atol=1e-5)
    np.testing.assert_allclose(np.diag(overlaps), 1.0, atol=1e-3)
