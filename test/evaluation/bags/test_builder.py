from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, DatasetError, EmostressError, MediaError
from emostress_ros.evaluation.bags.builder import EPOCH_NS, build_bag
from emostress_ros.evaluation.bags.reader import bag_info, read_messages, stamp_ns

# What the film of conftest.py holds.
FRAMES, FPS, RATE, AUDIO_DELAY_S = 20, 10, 16000, 0.25


def items(bag: Path, topic: str) -> list:
    return [item.message for item in read_messages(bag, [topic])]


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_every_frame_arrives_with_its_own_stamp(film: Path, tmp_path: Path, storage: str) -> None:
    bag = build_bag(tmp_path / "bag", film, storage=storage).path
    images = items(bag, "/image")
    assert [stamp_ns(m) - EPOCH_NS for m in images] == [
        index * NANOSECONDS // FPS for index in range(FRAMES)
    ]
    for index, image in enumerate(images):
        assert (image.height, image.width, image.step, image.encoding) == (48, 64, 192, "rgb8")
        assert np.all(np.abs(image.data.astype(int) - 10 * index) <= 1)


def test_sound_keeps_its_offset_to_the_picture_and_every_sample(film: Path, tmp_path: Path) -> None:
    chunks = items(build_bag(tmp_path / "bag", film).path, "/audio")
    assert stamp_ns(chunks[0]) - EPOCH_NS == pytest.approx(AUDIO_DELAY_S * NANOSECONDS, abs=1)
    assert all(chunk.sample_rate_hz == RATE and chunk.channels == 1 for chunk in chunks)
    pcm = np.concatenate([chunk.data for chunk in chunks])
    tone = (8000 * np.sin(2 * np.pi * 220 * np.arange(RATE) / RATE)).astype(np.int16)
    np.testing.assert_array_equal(pcm, tone)
    lengths = np.array([len(chunk.data) for chunk in chunks])
    first = stamp_ns(chunks[0]) + np.cumsum(lengths) * NANOSECONDS // RATE
    assert [stamp_ns(chunk) for chunk in chunks[1:]] == first[:-1].tolist()
    assert np.all(lengths[:-1] == RATE * 40 // 1000)


def test_nothing_is_filed_before_a_live_sensor_could_deliver_it(
    film: Path, wearable: Path, tmp_path: Path
) -> None:
    bag = build_bag(tmp_path / "bag", film, wearable=wearable, start_s=80.0).path
    for item in read_messages(bag):
        samples = getattr(item.message, "sample_rate_hz", 0)
        length = len(item.message.data) // item.message.channels if samples else 1
        lasts_ns = int((length - 1) * NANOSECONDS / (samples or 1))
        assert item.log_ns >= stamp_ns(item.message) + lasts_ns


def test_a_wearable_comes_with_its_lead_in(film: Path, wearable: Path, tmp_path: Path) -> None:
    summary = build_bag(tmp_path / "bag", film, wearable=wearable, start_s=50.0,
                        wearable_lead_s=20.0, person_id="ada")  # fmt: skip
    info = bag_info(summary.path)
    # The first message is filed when its last sample is there.
    assert 19.0 < summary.lead_in_s <= 20.0
    assert info.start_ns + info.lead_in_ns == EPOCH_NS
    bvp = [m for m in items(summary.path, "/physiology") if m.signal == "bvp"]
    values = np.concatenate([m.data for m in bvp])
    np.testing.assert_array_equal(values, np.arange(30 * 64, 52 * 64, dtype=np.float32))
    assert stamp_ns(bvp[0]) == EPOCH_NS - 20 * NANOSECONDS
    assert {m.person_id for m in bvp} == {"ada"} and {m.unit for m in bvp} == {"1"}
    beats = [m for m in items(summary.path, "/physiology") if m.signal == "ibi"]
    assert [stamp_ns(m) - EPOCH_NS for m in beats] == [s * NANOSECONDS for s in range(-20, 2)]
    assert all(m.data.tolist() == [1000.0] and m.sample_rate_hz == 0 for m in beats)


def test_the_lead_in_is_what_the_recording_has(wearable: Path, tmp_path: Path) -> None:
    summary = build_bag(tmp_path / "bag", wearable=wearable, start_s=5.0, duration_s=10.0)
    assert 4.0 < summary.lead_in_s <= 5.0
    acc = [m for m in items(summary.path, "/physiology") if m.signal == "acceleration"]
    assert sum(len(m.data) for m in acc) == 15 * 32 * 3 and acc[0].data[2] == 1.0


def test_a_clip_repeats_until_the_duration(film: Path, tmp_path: Path) -> None:
    bag = build_bag(tmp_path / "bag", film, duration_s=5.0, loop_clip=True).path
    stamps = [stamp_ns(m) - EPOCH_NS for m in items(bag, "/image")]
    assert stamps == [index * NANOSECONDS // FPS for index in range(50)]
    sound = [stamp_ns(m) - EPOCH_NS for m in items(bag, "/audio")]
    assert sum(2.2e9 < s < 2.3e9 for s in sound) >= 1 and max(sound) < 5 * NANOSECONDS


def test_a_clip_is_cut_at_the_duration(film: Path, tmp_path: Path) -> None:
    counts = build_bag(tmp_path / "bag", film, duration_s=1.0).counts
    assert counts["/image"] == 10


def test_a_silent_film_and_a_sound_file_alone(
    silent_film: Path, sound_file: Path, tmp_path: Path
) -> None:
    assert build_bag(tmp_path / "a", silent_film).counts == {"/image": FRAMES}
    assert set(build_bag(tmp_path / "b", sound_file).counts) == {"/audio"}
    both = build_bag(tmp_path / "c", silent_film, sound_file)
    assert stamp_ns(items(both.path, "/audio")[0]) == EPOCH_NS


def test_other_sound_replaces_the_clips_own(film: Path, sound_file: Path, tmp_path: Path) -> None:
    chunks = items(build_bag(tmp_path / "bag", film, sound_file).path, "/audio")
    assert stamp_ns(chunks[0]) == EPOCH_NS


def test_compressed_pictures_are_jpeg(silent_film: Path, tmp_path: Path) -> None:
    bag = build_bag(tmp_path / "bag", silent_film, compressed=True).path
    pictures = items(bag, "/image/compressed")
    assert len(pictures) == FRAMES
    assert all(m.format == "jpeg" and bytes(m.data[:2]) == b"\xff\xd8" for m in pictures)


def test_a_transcript_becomes_utterances(film: Path, tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("0.5 1.5 good morning\n3.0 9.0 after the end\n")
    (said,) = items(build_bag(tmp_path / "bag", film, transcript=words).path, "/utterance")
    assert said.text == "good morning"
    assert stamp_ns(said) - EPOCH_NS == 1_500_000_000
    assert said.start.nanosec == 500_000_000 and said.end.nanosec == 500_000_000


def test_real_clip_counts_equal_the_decoders(shared_data: Path, tmp_path: Path) -> None:
    import av

    clip = shared_data / "clips" / "bbaf2n.mpg"
    with av.open(str(clip)) as container:
        expected = [frame.time for frame in container.decode(video=0)]
    with av.open(str(clip)) as container:
        samples = sum(frame.samples for frame in container.decode(audio=0))
    e4 = shared_data / "physiology" / "wesad" / "S2" / "S2_E4_Data.zip"
    bag = build_bag(tmp_path / "bag", clip, wearable=e4, start_s=3818.0).path
    stamps = [stamp_ns(m) - EPOCH_NS for m in items(bag, "/image")]
    assert stamps == [round(time * NANOSECONDS) for time in expected]
    assert sum(len(m.data) // m.channels for m in items(bag, "/audio")) == samples
    signals = {m.signal for m in items(bag, "/physiology")}
    assert {"bvp", "eda", "skin_temperature", "acceleration", "heart_rate"} <= signals


def test_type_hashes_equal_those_of_the_generators(film: Path, tmp_path: Path) -> None:
    """`ros2 bag play` refuses types whose hash differs from the installed message's."""
    bag = build_bag(tmp_path / "bag", film).path
    topics = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"][
        "topics_with_message_count"
    ]
    hashes = {t["topic_metadata"]["type"]: t["topic_metadata"]["type_description_hash"]
              for t in topics}  # fmt: skip
    # sensor_msgs/msg/Image as the ROS 2 Jazzy release generates it.
    assert hashes["sensor_msgs/msg/Image"].startswith("RIHS01_d31d41a9a4c4bc8eae9be757b0beed30656")


def test_bad_values_are_refused_by_name(film: Path, wearable: Path, tmp_path: Path) -> None:
    out = tmp_path / "bag"
    cases: list[tuple[type[EmostressError], str, dict]] = [
        (BagError, "nothing to put", {}),
        (BagError, "mcap, sqlite3; got 'ros1'", {"clip": film, "storage": "ros1"}),
        (BagError, "start_s", {"wearable": wearable, "start_s": -1.0}),
        (BagError, "start_s", {"wearable": wearable, "start_s": float("nan")}),
        (BagError, "duration_s", {"clip": film, "duration_s": 0.0}),
        (BagError, "wearable_lead_s", {"clip": film, "wearable_lead_s": -1.0}),
        (BagError, "give duration_s", {"clip": film, "loop_clip": True}),
        (MediaError, "no such video", {"clip": tmp_path / "none.mp4"}),
        (MediaError, r"\[0, 100.0\) s.*got 100 s", {"wearable": wearable, "start_s": 100.0}),
        (DatasetError, "no such Empatica", {"wearable": tmp_path / "none.zip"}),
        (MediaError, "transcript ends in", {"transcript": tmp_path / "words.docx"}),
    ]
    for error, words, sources in cases:
        with pytest.raises(error, match=words):
            build_bag(out, **sources)
        assert not out.exists()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["e4", "film.mkv"]


@pytest.mark.parametrize(
    "content", [b"", b"not a film", b"\x00" * 5000], ids=["empty", "text", "0"]
)
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mpg", "clip.txt", "clip.wav"])
def test_files_that_are_no_media(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MediaError, match=name):
        build_bag(tmp_path / "bag", tmp_path / name)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_silent_film_cannot_lend_its_sound(film: Path, silent_film: Path, tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no sound"):
        build_bag(tmp_path / "bag", film, silent_film)


def test_a_film_that_breaks_off_leaves_no_bag(film: Path, tmp_path: Path) -> None:
    """The reader may save what is whole, or refuse; it never leaves half a bag."""
    broken = tmp_path / "broken.mkv"
    broken.write_bytes(film.read_bytes()[:2000])
    try:
        build_bag(tmp_path / "bag", broken)
    except MediaError:
        assert not (tmp_path / "bag").exists()
    assert not list(tmp_path.glob(".bag-*"))


def test_a_bag_is_replaced_only_when_asked(film: Path, tmp_path: Path) -> None:
    out = build_bag(tmp_path / "bag", film).path
    with pytest.raises(BagError, match="exists already"):
        build_bag(out, film)
    assert build_bag(out, film, duration_s=1.0, overwrite=True).counts["/image"] == 10
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("do not lose")
    with pytest.raises(BagError, match="no bag"):
        build_bag(precious, film, overwrite=True)
    assert (precious / "thesis.txt").exists()


def test_works_without_ros(film: Path, tmp_path: Path, repository: Path) -> None:
    code = (
        "import sys; sys.modules['rclpy'] = None; sys.modules['torch'] = None\n"
        "from emostress_ros.evaluation.bags.builder import build_bag\n"
        f"print(build_bag({str(tmp_path / 'bag')!r}, {str(film)!r}).counts)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, text=True,
                          capture_output=True, check=True)  # fmt: skip
    assert "'/image': 20" in done.stdout
