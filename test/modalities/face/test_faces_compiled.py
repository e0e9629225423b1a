"""What the kernel reads from upright faces is what numpy reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.kernels import VARIABLE, kernels
from emostress_ros.modalities.face.mouth import _mouths, differences
from emostress_ros.modalities.face.quality import _sharpness


def faces_of(seed: int, count: int, deep: int) -> np.ndarray:
    """Faces of noise, from flat ones (`deep` 0) to such of the full range, smoothed by half."""
    levels = np.random.default_rng(seed).normal(size=(count, 48, 48)).cumsum(axis=2)
    return np.clip(128 + deep * levels / 8, 0, 255).astype(np.uint8)


def both_ways(read: Callable[[], np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if kernels().library is None:
        pytest.skip(f"needs the compiled kernels; {kernels().said}")
    compiled = read()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, "numpy")
        return compiled, read()


FACES = st.builds(
    faces_of, st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0, 1, 20, 400])
)


@given(faces=FACES)
def test_mouths_are_cut_alike(faces):
    np.testing.assert_allclose(*both_ways(lambda: _mouths(faces)), rtol=1e-9, atol=1e-12)


@given(faces=FACES, seed=st.integers(0, 999))
def test_motions_are_measured_alike(faces, seed):
    before = _mouths(faces)
    after = before + np.random.default_rng(seed).normal(size=before.shape)
    np.testing.assert_allclose(*both_ways(lambda: differences(before, after)), rtol=1e-6)
    still = both_ways(lambda: differences(before, before))
    np.testing.assert_allclose(*still, atol=1e-12)


@given(faces=FACES)
def test_faces_are_judged_alike(faces):
    np.testing.assert_allclose(*both_ways(lambda: _sharpness(faces)), rtol=1e-3, atol=1e-5)
