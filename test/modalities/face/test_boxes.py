"""Boxes are compared alike by the kernel and by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.kernels import VARIABLE, kernels
from emostress_ros.modalities.face.boxes import FORBIDDEN, costs, iou, suppress


def some(seed: int, count: int) -> np.ndarray:
    """Boxes about one place, some of which are empty or turned inside out."""
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (count, 2))
    return np.concatenate([corners, corners + random.uniform(-5, 80, (count, 2))], axis=1)


@given(seed=st.integers(0, 10**6), count=st.integers(0, 6), others=st.integers(0, 6))
def test_the_kernel_compares_as_numpy_does(seed, count, others):
    if kernels().library is None:
        pytest.skip(f"needs the compiled kernels; {kernels().said}")
    boxes, places = some(seed, count), some(seed + 1, others)
    found, matched = iou(boxes, places), costs(boxes, places, 0.2, 0.6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "numpy")
        np.testing.assert_allclose(found, iou(boxes, places), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(matched, costs(boxes, places, 0.2, 0.6), rtol=1e-5)


def test_a_box_costs_nothing_at_its_own_place_and_all_far_away(way):
    boxes = np.array([[0.0, 0.0, 10.0, 10.0], [200.0, 0.0, 210.0, 10.0], [0.0, 0.0, 30.0, 30.0]])
    found = costs(boxes, boxes, 0.2, 0.6)
    np.testing.assert_allclose(np.diag(found), 0.0, atol=1e-6)
    assert found[0, 1] == found[0, 2] == FORBIDDEN


@pytest.mark.parametrize("count", [0, 1, 2, 80])
def test_of_boxes_at_one_place_the_best_stays(way, count):
    boxes = np.tile(np.array([[10, 10, 50, 50]], np.float32), (count, 1))
    scores = np.linspace(0.2, 0.9, count).astype(np.float32)
    assert suppress(boxes, scores, 0.3).tolist() == [count - 1][: count > 0]
