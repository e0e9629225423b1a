"""The compiled kernel draws what Pillow draws."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros import kernels as finder
from emostress_ros.errors import SignalError
from emostress_ros.kernels import VARIABLE
from emostress_ros.modalities.face import FaceConfig, FacePipeline
from emostress_ros.modalities.face.alignment import TEMPLATE, align_face, align_faces
from emostress_ros.modalities.face.cuts import fit, fit_parts, warp

SOURCE = Path(__file__).resolve().parents[3] / "src"
FRAME_NS = 33_333_333


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> str:
    """The kernels of this source tree, freshly compiled."""
    if not shutil.which("cmake") or not shutil.which("cc"):
        pytest.skip("needs CMake and a C compiler")
    folder = tmp_path_factory.mktemp("kernels")
    for command in (["cmake", "-S", SOURCE, "-B", folder], ["cmake", "--build", folder]):
        subprocess.run(command, check=True, capture_output=True)
    return str(folder / finder.FILE_NAME)


def both(library: str, draw: Callable[[], object]) -> list:
    """What Pillow and what the kernel draw."""
    drawn = []
    for which in ("numpy", library):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, which)
            drawn.append(draw())
    return drawn


def picture(rows: int, columns: int, seed: int, cut: bool) -> np.ndarray:
    whole = np.random.default_rng(seed).integers(0, 256, (rows + 5, columns + 7, 3), dtype=np.uint8)
    return whole[2 : rows + 2, 3 : columns + 3] if cut else whole[:rows, :columns].copy()


def fitted(image: np.ndarray, height: int, width: int) -> tuple[np.ndarray, tuple]:
    planes = np.zeros((3, height, width), np.float32)
    return planes, fit(image, planes)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 400), st.integers(1, 400), st.sampled_from([(96, 96), (64, 96), (256, 320)]),
    st.integers(0, 99), st.booleans(),
)  # fmt: skip
def test_an_image_fits_a_frame_alike(library, rows, columns, frame, seed, cut):
    image = picture(rows, columns, seed, cut)
    (theirs, back), (ours, again) = both(library, lambda: fitted(image, *frame))
    assert back == again
    # Pillow goes by columns first where that is less work: then roundings differ.
    assert np.abs(theirs - ours).max() <= 1.0


@pytest.mark.parametrize("side", [96, 97, 142, 190, 191, 193, 250, 600])
def test_a_square_is_scaled_to_the_last_bit(library, side):
    image = picture(side, side, side, True)
    (theirs, _), (ours, _) = both(library, lambda: fitted(image, 96, 96))
    np.testing.assert_array_equal(theirs, ours)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300), st.integers(1, 300), st.integers(1, 4), st.floats(-3.1, 3.1),
    st.floats(0.2, 3.0), st.tuples(st.floats(-90, 200), st.floats(-90, 200)), st.booleans(),
)  # fmt: skip
def test_a_face_is_turned_upright_alike(library, rows, columns, shrink, turn, scale, at, bordered):
    image = picture(rows, columns, rows, True)
    across, down = scale * np.cos(turn), scale * np.sin(turn)
    matrix = (across, -down, at[0], down, across, at[1])
    theirs, ours = both(library, lambda: warp(image, shrink, matrix, 48, bordered))
    np.testing.assert_array_equal(theirs, ours)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.integers(1, 4), st.sampled_from([(96, 96), (64, 96), (96, 64)]))
def test_parts_of_an_image_fit_as_they_do_alone(library, seed, count, frame):
    random = np.random.default_rng(seed)
    image = picture(240, 320, seed, True)
    corners = np.sort(random.integers(0, [320, 240], (count, 2, 2)), axis=1)
    corners[:, 1] += 1
    parts = [tuple(part) for part in corners.reshape(-1, 4).tolist()]
    planes = random.normal(size=(count, 3, *frame)).astype("f4")  # what a frame before left
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, library)
        factors = fit_parts(image, parts, planes)
        for (left, top, right, bottom), found, back in zip(parts, planes, factors, strict=True):
            wanted, alone = fitted(image[top:bottom, left:right], *frame)
            np.testing.assert_array_equal(found, wanted)
            np.testing.assert_array_equal(back, np.array(alone, np.float32))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.02, 8.0), st.floats(-3.1, 3.1), st.integers(1, 5))
def test_faces_are_turned_together_as_each_is_alone(library, seed, scale, turn, count):
    random = np.random.default_rng(seed)
    image = picture(200, 260, seed % 99, True)
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    points = (TEMPLATE - 24 + random.normal(0, 2, (count, 5, 2))) @ rotation * scale
    points = (points + random.uniform(-40, 260, (count, 1, 2))).astype(np.float32)
    alone = both(library, lambda: np.stack([align_face(image, face) for face in points]))[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, library)
        together = align_faces(image, points).astype(int)
    # A place that lies on a pixel's edge may fall to either side.
    assert np.mean(np.abs(together - alone) > 1) < 1e-3


def test_landmarks_that_fit_no_face_are_refused_among_others(library):
    image, points = picture(200, 260, 0, True), np.stack([TEMPLATE, np.zeros((5, 2))])
    for which in ("numpy", library):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(VARIABLE, which)
            for bad in (points, points * np.nan, np.stack([TEMPLATE, TEMPLATE * 0 + 1e30])):
                with pytest.raises(SignalError):
                    align_faces(image, bad)


def test_what_is_perceived_does_not_depend_on_the_kernel(library, scene, head):
    frames = [scene((head, 60 + 6 * k, 80 + 3 * k), (head, 380, 200)) for k in range(6)]

    def perceive() -> list:
        pipeline = FacePipeline(FaceConfig())
        return [
            face for k, image in enumerate(frames) for face in pipeline.process(image, k * FRAME_NS)
        ]

    theirs, ours = both(library, perceive)
    assert [face.track_id for face in theirs] == [face.track_id for face in ours]
    for first, second in zip(theirs, ours, strict=True):
        np.testing.assert_allclose(first.box, second.box, atol=0.5)
        np.testing.assert_allclose(
            first.embedding.probabilities, second.embedding.probabilities, atol=0.02
        )


def test_an_image_whose_pixels_lie_apart_is_drawn_as_well(library):
    wide = picture(100, 240, 0, False)
    (theirs, _), (ours, _) = both(library, lambda: fitted(wide[:, ::2], 96, 96))
    assert np.abs(theirs - ours).max() <= 1.0
