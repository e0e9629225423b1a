from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.modalities.face.mouth import MouthMotion

STEP_NS = 33_000_000


def head(across: float = 0.0, down: float = 0.0, opened: float = 0.0) -> np.ndarray:
    """A smooth drawn face; ``opened`` is how far the mouth is open, px."""
    rows, columns = np.mgrid[:48, :48].astype(np.float64)
    rows, columns = rows - down, columns - across

    def spot(y, x, height, width):
        return np.exp(-(((rows - y) / height) ** 2) - ((columns - x) / width) ** 2)

    light = 170 + 30 * spot(28, 24, 14, 14) - 90 * spot(18, 15, 2, 4) - 90 * spot(18, 33, 2, 4)
    light -= 80 * spot(37, 24, 1.5 + opened, 8)
    return np.clip(light, 0, 255).astype(np.uint8)


def motion(before: np.ndarray, after: np.ndarray, step_ns: int = STEP_NS) -> float | None:
    mouths = MouthMotion()
    mouths.update(["face_1"], before[None], 0)
    return mouths.update(["face_1"], after[None], step_ns)[0]


def test_an_opening_mouth_moves_more_than_a_trembling_face():
    opening = motion(head(), head(opened=2.0))
    trembling = motion(head(), head(across=0.7, down=-0.5))
    assert opening > 3 * trembling


@given(st.floats(0.7, 1.2), st.floats(-20, 20))
def test_light_moves_no_mouth(gain, offset):
    lit = np.clip(head().astype(np.float64) * gain + offset, 0, 255).astype(np.uint8)
    assert motion(head(), lit) < 0.1 * motion(head(), head(opened=2.0))


def test_nothing_is_said_of_a_face_seen_first_or_long_ago_or_again_at_once():
    mouths = MouthMotion()
    assert mouths.update(["face_1"], head()[None], 0) == [None]
    assert motion(head(), head(opened=1.0), step_ns=400_000_000) is None
    assert motion(head(), head(opened=1.0), step_ns=0) is None


def test_faces_are_not_mixed_up():
    mouths = MouthMotion()
    mouths.update(["a", "b"], np.stack([head(), head()]), 0)
    still, moving = mouths.update(["a", "b"], np.stack([head(), head(opened=2.0)]), STEP_NS)
    assert moving > still == 0.0


def test_a_flat_picture_is_a_still_mouth():
    flat = np.full((48, 48), 128, np.uint8)
    assert motion(flat, flat) == 0.0
