from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from hypothesis import given, settings
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


def watch(faces: Iterable[np.ndarray], step_ns: int = STEP_NS) -> list[float | None]:
    """The motion said with every frame of a film."""
    mouths = MouthMotion()
    return [
        mouths.update(["face_1"], face[None], (number + 1) * step_ns)[0]
        for number, face in enumerate(faces)
    ]


def mean(faces: Iterable[np.ndarray]) -> float:
    return float(np.mean([motion for motion in watch(faces) if motion is not None]))


def talking(count: int, trembling: float = 0.0, seed: int = 0) -> list[np.ndarray]:
    """Four syllables a second, and landmarks that tremble so many px."""
    random = np.random.default_rng(seed)
    seconds = np.arange(count) * STEP_NS / 1e9
    opened = 1.0 - np.cos(2 * np.pi * 4 * seconds)
    return [head(*random.normal(0, trembling, 2), opened=o) for o in opened]


def trembling(count: int, by: float, seed: int = 0) -> list[np.ndarray]:
    random = np.random.default_rng(seed)
    return [head(*random.normal(0, by, 2)) for _ in range(count)]


@given(st.integers(0, 99), st.floats(0.0, 0.25))
@settings(max_examples=8, deadline=None)
def test_a_talking_mouth_moves_and_a_trembling_face_does_not(seed, by):
    assert mean(talking(90, by, seed)) > 10 * abs(mean(trembling(90, by, seed)))


def test_landmarks_that_jump_now_and_then_are_no_motion():
    jumping = [head(across=0.8 * (number % 12 == 0)) for number in range(60)]
    assert abs(mean(jumping)) < 0.05 * mean(talking(60))


@given(st.floats(0.7, 1.2), st.floats(-20, 20))
@settings(max_examples=8, deadline=None)
def test_light_moves_no_mouth(gain, offset):
    lit = np.clip(head().astype(np.float64) * gain + offset, 0, 255).astype(np.uint8)
    assert mean([head()] * 5 + [lit] * 10) < 0.1 * mean(talking(15))


def test_nothing_is_said_before_half_a_syllable_was_seen_nor_after_a_gap_nor_twice_at_once():
    said = watch(talking(8))
    assert said[:4] == [None] * 4 and None not in said[4:]
    assert watch(talking(8), step_ns=125_000_000) == [None] * 8
    mouths = MouthMotion()
    for number in range(8):
        mouths.update(["face_1"], head()[None], number * STEP_NS)
    assert mouths.update(["face_1"], head()[None], 7 * STEP_NS) == [None]
    assert mouths.update(["face_1"], head()[None], 8 * STEP_NS) == [None]


def test_at_half_the_frames_the_same_mouth_moves_as_much():
    film = talking(60)
    half = [m for m in watch(film[::2], 2 * STEP_NS) if m is not None]
    assert 0.5 * mean(film) < float(np.mean(half)) < 1.5 * mean(film)


def test_faces_are_not_mixed_up():
    mouths = MouthMotion()
    for number, face in enumerate(talking(10)):
        still, moving = mouths.update(["a", "b"], np.stack([head(), face]), number * STEP_NS)
    assert still == 0.0 and moving is not None and moving != 0.0


def test_a_flat_picture_is_a_still_mouth():
    assert mean([np.full((48, 48), 128, np.uint8)] * 10) == 0.0
