from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from emostress_ros.errors import SignalError
from emostress_ros.modalities.face import FaceDetector
from emostress_ros.modalities.face.alignment import TEMPLATE, align_face, similarity_transform


@given(
    angle=st.floats(-3.1, 3.1),
    scale=st.floats(0.05, 20),
    across=st.floats(-500, 500),
    down=st.floats(-500, 500),
)
def test_recovers_any_turn_scale_and_shift(angle, scale, across, down):
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    truth = np.array([[cos, -sin, across], [sin, cos, down]])
    points = TEMPLATE.astype(np.float64)
    moved = points @ truth[:, :2].T + truth[:, 2]
    np.testing.assert_allclose(similarity_transform(points, moved), truth, atol=1e-6)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_that_say_nothing_are_refused(points):
    with pytest.raises(SignalError, match="landmarks"):
        align_face(np.zeros((50, 50, 3), np.uint8), points)


def test_landmarks_that_fit_a_face_at_no_size_are_refused():
    middle = TEMPLATE.astype(float) - TEMPLATE.astype(float).mean(axis=0)
    landmarks = np.array([[1, 0], [0, 1], [-1, 0], [0, -1], [0, 0]], float)
    # What resembles the template upright or turned is taken out: nothing is left to fit.
    unfit = landmarks - (landmarks * middle).sum() / (middle**2).sum() * middle
    turned = np.stack([-middle[:, 1], middle[:, 0]], axis=1)
    unfit -= (unfit * turned).sum() / (turned**2).sum() * turned
    with pytest.raises(SignalError, match="landmarks"):
        align_face(np.zeros((50, 50, 3), np.uint8), unfit + 25)


def test_a_dot_at_each_landmark_lands_on_the_template():
    for scale in (0.7, 1.0, 3.0, 6.0):
        landmarks = TEMPLATE * scale + (40, 25)
        for number, (x, y) in enumerate(landmarks):
            image = np.zeros((400, 400, 3), np.uint8)
            reach = max(1, round(scale))
            left, top = int(x - reach / 2), int(y - reach / 2)
            image[top : top + reach + 1, left : left + reach + 1] = 255
            face = align_face(image, landmarks).astype(float)
            rows, columns = np.mgrid[:48, :48]
            centre = np.array([(face * columns).sum(), (face * rows).sum()]) / face.sum() + 0.5
            np.testing.assert_allclose(centre, TEMPLATE[number], atol=1.6)


def likeness(first, second):
    """Correlation of two faces at the best shift of at most 3 px: landmarks tremble a little."""
    middle = first[10:38, 10:38].astype(float).ravel()
    shifted = [
        second[7 + dy : 35 + dy, 7 + dx : 35 + dx].astype(float) for dy, dx in np.ndindex(7, 7)
    ]
    return max(np.corrcoef(middle, other.ravel())[0, 1] for other in shifted)


def test_size_and_tilt_of_the_head_hardly_change_the_aligned_face(photo):
    detector = FaceDetector(320, 320)
    upright = align_face(photo, detector.detect(photo).landmarks[0])
    picture = Image.fromarray(photo)
    for other in (picture.resize((256, 300)), picture.rotate(12), picture.resize((1024, 1200))):
        image = np.asarray(other)
        face = align_face(image, detector.detect(image).landmarks[0])
        assert likeness(upright, face) > 0.7


def test_a_face_over_the_edge_of_the_image_still_gives_a_crop(photo):
    landmarks = FaceDetector().detect(photo).landmarks[0]
    cut = photo[:, 230:]
    face = align_face(cut, landmarks - (230, 0))
    assert face.shape == (48, 48) and face.dtype == np.uint8
    far = align_face(photo, landmarks + 5000)
    assert far.shape == (48, 48)
