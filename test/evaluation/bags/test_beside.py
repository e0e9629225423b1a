from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import BagError, MediaError
from emostress_ros.evaluation.bags.beside import Beside, paste
from emostress_ros.evaluation.bags.builder import build_bag
from emostress_ros.evaluation.bags.media import VideoFrame
from emostress_ros.evaluation.bags.reader import read_messages
from emostress_ros.evaluation.evaluate.job import Job, evaluate_bag
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.settings import Settings
from emostress_ros.modalities.face import FacePipeline

# The film of conftest.py: 20 frames of 64×48 at 10 Hz, frame i is grey of level 10 i.
FPS_NS = 100_000_000


def clip(count: int, height: int) -> list[VideoFrame]:
    white = np.full((height, 30, 3), 255, np.uint8)
    return [VideoFrame(index * FPS_NS, white) for index in range(count)]


@pytest.mark.parametrize("side, place", [("left", 0), ("right", 30)])
def test_the_second_film_plays_to_and_fro_on_its_side(silent_film, side, place):
    beside = Beside(silent_film, side, length_s=0.4)
    pictures = [frame.rgb for frame in paste(iter(clip(9, 48)), beside)]
    assert {picture.shape for picture in pictures} == {(48, 94, 3)}
    levels = [round(picture[:, place : place + 64].mean() / 10) for picture in pictures]
    assert levels == [0, 1, 2, 3, 2, 1, 0, 1, 2]
    other = 64 if side == "left" else 0
    assert all(np.all(picture[:, other : other + 30] == 255) for picture in pictures)


def test_the_second_film_takes_the_height_of_the_first(silent_film):
    (frame,) = paste(iter(clip(1, 96)), Beside(silent_film))
    assert frame.rgb.shape == (96, 30 + 128, 3)


def test_a_bag_holds_both_pictures_and_the_sound_of_the_first(film, silent_film, tmp_path):
    pair = build_bag(tmp_path / "pair", silent_film, beside=Beside(film))
    assert pair.counts == {"/image": 20}
    image = next(iter(read_messages(pair.path, ["/image"]))).message
    assert (image.width, image.height) == (128, 48)
    assert build_bag(tmp_path / "heard", film, beside=Beside(silent_film)).counts["/audio"] > 0


def test_bad_values_are_refused(film, sound_file, tmp_path: Path):
    with pytest.raises(BagError, match="left, right; got 'top'"):
        Beside(film, "top")
    with pytest.raises(BagError, match="> 0; got 0"):
        Beside(film, length_s=0.0)
    with pytest.raises(BagError, match="clip with pictures"):
        build_bag(tmp_path / "bag", sound_file, beside=Beside(film))
    with pytest.raises(MediaError, match="no picture"):
        build_bag(tmp_path / "bag", film, beside=Beside(sound_file))
    assert not (tmp_path / "bag").exists()


@pytest.mark.parametrize("name, side", [("sbwe5n", "right"), ("swiz3n", "left")])
def test_of_two_people_in_a_bag_only_the_talker_has_a_voice(shared_data, tmp_path, name, side):
    clips = shared_data / "clips"
    resting = Beside(clips / "brbk7n.mpg", side, length_s=0.3)
    bag = build_bag(
        tmp_path / "pair", clips / f"{name}.mpg", duration_s=6.0, loop_clip=True, beside=resting
    ).path
    image = next(iter(read_messages(bag, ["/image"]))).message
    faces = FacePipeline().process(image.data.reshape(image.height, image.width, 3), 0)
    left_to_right = [face.track_id for face in sorted(faces, key=lambda face: face.box[0])]
    talker, silent = left_to_right if side == "right" else left_to_right[::-1]
    labels = (Label("pair", talker, 0.0, 6.0, emotion="neutral"),)
    settings = Settings(ablation=False, offsets_ms=(), noise_levels=())
    facts = evaluate_bag(Job(bag, labels, settings)).facts
    assert facts["states_using"][talker]["voice"] > 20
    assert facts["states_using"][silent]["face"] > 20
    assert facts["states_using"][silent]["voice"] == 0
    assert not facts["fusion_counts"].get("unassigned")
