from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("emostress_ros.msg")

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, GraphError, ParameterError
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.builder import EPOCH_NS, build_bag
from emostress_ros.evaluation.bags.media import AudioBlock, VideoFrame
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.reader import bag_info, read_records
from emostress_ros.evaluation.bags.replay_options import ReplayOptions, ReplaySummary
from emostress_ros.evaluation.bags.writer import write_bag
from emostress_ros.nodes.record import record
from emostress_ros.nodes.replay import replay

LISTENER = Path(__file__).with_name("listener.py")
FRAMES, BLOCKS = 40, 50


@pytest.fixture(scope="module")
def bag(tmp_path_factory) -> Path:
    """2 s: 40 pictures of 320x240, 50 blocks of sound."""
    pictures = (
        VideoFrame(index * NANOSECONDS // 20, np.full((240, 320, 3), index, np.uint8))
        for index in range(FRAMES)
    )
    sound = (
        AudioBlock(index * NANOSECONDS // 25, 16000, np.full((640, 1), index, np.int16))
        for index in range(BLOCKS)
    )
    records = [
        *messages.image_records(pictures, EPOCH_NS, compressed=False),
        *messages.audio_records(sound, EPOCH_NS),
    ]
    out = tmp_path_factory.mktemp("bags") / "bag"
    return write_bag(out, sorted(records, key=lambda item: item.log_ns)).path


@contextmanager
def listening(repository: Path, *options: str) -> Iterator[subprocess.Popen]:
    with subprocess.Popen(
        [sys.executable, str(LISTENER), *options],
        cwd=repository, stdout=subprocess.PIPE, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert "ready\n" in program.stdout, "it ended"  # the middleware may print lines before
        try:
            yield program
        finally:
            if program.poll() is None:
                program.kill()


def heard(program: subprocess.Popen) -> dict:
    output, _ = program.communicate(timeout=30)
    return json.loads(output.splitlines()[-1])


def digests(bag: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in read_records(bag):
        name = item.topic.lstrip("/")
        found[name] = sha256(found.get(name, "").encode() + item.data).hexdigest()
    return found


def test_at_a_rate_every_message_arrives_unchanged_with_the_clock(bag, repository) -> None:
    with listening(repository, "--topics", "image", "audio") as program:
        summary = replay(bag, ReplayOptions(rate=1.0))
        result = heard(program)
    assert summary.published == {"/image": FRAMES, "/audio": BLOCKS} and summary.finished
    assert result["heard"] == {"image": FRAMES, "audio": BLOCKS}
    assert result["digest"] == digests(bag)
    clocks = result["clocks"]
    assert clocks == sorted(clocks) and len(clocks) >= 40 * 2
    assert abs(clocks[0] - EPOCH_NS) < NANOSECONDS and clocks[-1] >= bag_info(bag).end_ns
    assert 2.0 < summary.seconds < 6.0


def test_as_fast_as_a_slow_node_follows_and_nothing_is_lost(bag, repository) -> None:
    options = ("--topics", "image", "audio", "--progress", "--work", "0.02", "--quiet-s", "5")
    with listening(repository, *options) as program:
        summary = replay(bag, ReplayOptions(rate="max"))
        result = heard(program)
    assert result["heard"] == {"image": FRAMES, "audio": BLOCKS} == {
        name.lstrip("/"): count for name, count in summary.published.items()
    }  # fmt: skip
    assert result["digest"] == digests(bag)


def test_a_node_that_dies_is_named(bag, repository) -> None:
    options = ("--topics", "image", "--progress", "--die-after", "10", "--quiet-s", "9")
    with listening(repository, *options), pytest.raises(GraphError, match=r"/image.*went away"):
        replay(bag, ReplayOptions(rate="max", topics=["/image"]))


def test_without_reports_the_bags_own_pace_is_kept(bag, repository) -> None:
    # Without reports nothing tells that a listener on a busy machine has matched late: the
    # middleware then keeps the first messages from it. That is not what this test is about, so it
    # tries thrice.
    for _ in range(3):
        with listening(repository, "--topics", "image", "audio", "--quiet-s", "2.5") as program:
            summary = replay(bag, ReplayOptions(rate="max", grace_s=0.3, in_flight=4))
            result = heard(program)
        if sum(result["heard"].values()) == FRAMES + BLOCKS:
            break
    assert result["heard"] == {"image": FRAMES, "audio": BLOCKS}
    assert summary.seconds > 2.0


def test_nobody_listens(bag) -> None:
    with pytest.raises(GraphError, match=r"nobody listens to /audio, /image after 0\.2 s"):
        replay(bag, ReplayOptions(wait_s=0.2))
    summary = replay(bag, ReplayOptions(wait_s=0.0, rate=50.0, clock_hz=0.0))
    assert set(summary.unheard) == {"/audio", "/image"} and summary.finished


def test_topics_remaps_namespace_and_offset(bag) -> None:
    options = ReplayOptions(wait_s=0.0, rate=100.0, namespace="robot", remaps={"/image": "/eye"},
                            start_offset_s=1.0)  # fmt: skip
    assert replay(bag, options).published == {"/robot/audio": 26, "/eye": 20}
    options = ReplayOptions(wait_s=0.0, rate=100.0, topics=["/audio"])
    assert replay(bag, options).published == {"/audio": BLOCKS}


def test_types_that_are_not_installed_are_skipped_and_counted(bag, tmp_path) -> None:
    stranger = "nav_msgs/msg/GridCells"  # rosbags knows it, the environment need not
    records = [Record(item.log_ns, item.topic, item.msgtype, item.data)
               for item in read_records(bag, ["/audio"])]  # fmt: skip
    records.append(Record(records[-1].log_ns, "/grid", stranger, b"\x00\x01\x00\x00" + bytes(64)))
    path = write_bag(tmp_path / "bag", records).path
    try:
        import nav_msgs.msg  # noqa: F401
    except ImportError:
        summary = replay(path, ReplayOptions(wait_s=0.0, rate=100.0))
        assert summary.published == {"/audio": BLOCKS}
        assert summary.skipped == {"/grid": f"{stranger} is not installed"}
    else:
        pytest.skip("nav_msgs is installed here")


def test_bad_options_are_named(bag) -> None:
    for options in ({"rate": 0}, {"rate": "fast"}, {"lead_in_rate": -1.0}, {"in_flight": 0},
                    {"wait_s": -1.0}, {"clock_hz": float("nan")}):  # fmt: skip
        with pytest.raises(ParameterError, match=next(iter(options))):
            ReplayOptions(**options)
    with pytest.raises(ParameterError, match="start_offset_s must lie within"):
        replay(bag, ReplayOptions(start_offset_s=10.0))
    with pytest.raises(BagError, match=r"holds /audio, /image; got /touch"):
        replay(bag, ReplayOptions(topics=["/touch"]))
    with pytest.raises(BagError, match="no bag there"):
        replay(bag / "none")


def in_background(bag: Path, options: ReplayOptions) -> tuple[threading.Thread, list]:
    results: list[ReplaySummary] = []
    thread = threading.Thread(target=lambda: results.append(replay(bag, options)))
    thread.start()
    return thread, results


@pytest.mark.parametrize("storage", ["mcap", "sqlite3"])
def test_a_recording_holds_what_was_replayed(bag, tmp_path, storage) -> None:
    thread, _ = in_background(bag, ReplayOptions(rate=2.0))
    summary = record(tmp_path / "out", ["image", "au*"], 4.0, storage, raw=True)
    thread.join()
    assert summary.counts == {"/image": FRAMES, "/audio": BLOCKS}
    assert digests(summary.path) == digests(bag)


def test_what_sensors_saw_is_not_recorded_unasked(bag, tmp_path) -> None:
    thread, _ = in_background(bag, ReplayOptions(rate=0.5, wait_s=0.0))
    with pytest.raises(BagError, match=r"not one message.*/image: .* shows a person.*--raw"):
        record(tmp_path / "out", ["au*", "image"], 3.0)
    thread.join()
    assert not (tmp_path / "out").exists()


def test_ctrl_c_leaves_a_whole_bag(bag, tmp_path, repository) -> None:
    code = (
        "import argparse, sys; from emostress_ros.cli import record; p = argparse.ArgumentParser();"
        "record.add_arguments(p); sys.exit(record.run(p.parse_args()))"
    )
    out = tmp_path / "out"
    options = ["-o", str(out), "--raw", "--topics", "audio"]
    with subprocess.Popen([sys.executable, "-c", code, *options], cwd=repository) as program:
        thread, _ = in_background(bag, ReplayOptions(rate=4.0, topics=["/audio"]))
        thread.join()
        time.sleep(0.5)
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=15) == 0
    assert bag_info(out).counts == {"/audio": BLOCKS}


def test_a_wearables_lead_in_goes_by_quickly(shared_data, tmp_path) -> None:
    e4 = shared_data / "physiology" / "wesad" / "S2" / "S2_E4_Data.zip"
    path = build_bag(tmp_path / "bag", wearable=e4, start_s=3818.0, duration_s=1.0).path
    summary = replay(path, ReplayOptions(wait_s=0.0, lead_in_rate=60.0, tail_s=0.0))
    assert 1.8 < summary.seconds < 6.0
