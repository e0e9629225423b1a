from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from emostress_ros.modalities.face import FaceDetector
from emostress_ros.modalities.face.alignment import TEMPLATE, align_face
from emostress_ros.modalities.face.quality import assess, pose, sharpness

BOX = np.array([0, 0, 100, 120.0])


def judged(image, detector):
    faces = detector.detect(image)
    return assess(align_face(image, faces.landmarks[0]), faces.boxes[0], faces.landmarks[0])


@pytest.fixture(scope="module")
def detector():
    return FaceDetector(score=0.4)


def test_a_good_photograph_is_good(photo, detector):
    assert judged(photo, detector).combined > 0.9


def test_blur_lowers_the_quality_step_by_step(photo, detector):
    picture = Image.fromarray(photo)
    levels = [
        judged(np.asarray(picture.filter(ImageFilter.GaussianBlur(radius))), detector).combined
        for radius in (0, 4, 6, 9)
    ]
    assert levels == sorted(levels, reverse=True)
    assert levels[-1] < 0.3


def test_a_small_face_counts_less(photo, detector):
    small = np.asarray(Image.fromarray(photo).resize((128, 150)))
    assert judged(small, detector).size < 0.7


def test_light_does_not_change_sharpness(photo, detector):
    face = align_face(photo, detector.detect(photo).landmarks[0])
    dark = (face * 0.4).astype(np.uint8)
    assert sharpness(dark) == pytest.approx(sharpness(face), rel=0.15)
    assert sharpness(np.full((48, 48), 90, np.uint8)) == 0.0


def test_a_turned_head_has_yaw_of_the_right_sign():
    frontal, turned = TEMPLATE.copy(), TEMPLATE.copy()
    turned[2, 0] += 6
    assert pose(frontal)[0] == pytest.approx(0, abs=1)
    assert 20 < pose(turned)[0] < 50
    turned[2, 0] -= 12
    assert -50 < pose(turned)[0] < -20
    face = np.random.default_rng(0).integers(0, 255, (48, 48), dtype=np.uint8)
    assert assess(face, BOX, turned).pose < assess(face, BOX, frontal).pose


@given(st.floats(-80, 80))
def test_roll_is_measured_and_leaves_yaw_alone(angle):
    turn = np.radians(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    yaw, roll = pose(TEMPLATE @ rotation.T)
    assert roll == pytest.approx(angle, abs=0.1)
    assert yaw == pytest.approx(pose(TEMPLATE)[0], abs=0.1)


@given(
    st.lists(st.floats(-1000, 1000), min_size=10, max_size=10),
    st.lists(st.floats(0, 2000), min_size=4, max_size=4),
    st.integers(0, 100),
)
def test_quality_always_lies_between_0_and_1(points, corners, seed):
    face = np.random.default_rng(seed).integers(0, 256, (48, 48), dtype=np.uint8)
    found = assess(face, np.array(corners), np.array(points).reshape(5, 2))
    for part in (found.size, found.sharpness, found.pose, found.combined):
        assert 0.0 <= part <= 1.0
