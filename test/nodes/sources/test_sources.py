from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("emostress_ros.msg")

import rclpy
from rclpy.executors import SingleThreadedExecutor

from emostress_ros.errors import MissingExtraError, ParameterError
from emostress_ros.msg import PhysiologySamples
from emostress_ros.nodes.sources.base import SensorGoneError, load_extra, run_source
from emostress_ros.nodes.sources.heart_rate_strap import HeartRateStrap
from emostress_ros.nodes.sources.microphone import Microphone, audio_message, first_sample_age_s
from emostress_ros.nodes.sources.webcam import Webcam, image_message


@pytest.fixture
def context():
    context = rclpy.Context()
    rclpy.init(context=context)
    yield context
    context.try_shutdown()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    import av

    path = tmp_path / "film.avi"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index in range(5):
            picture = np.zeros((48, 64, 3), np.uint8)
            picture[:, :, 0] = 200  # red
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 10)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def test_a_camera_is_read_until_it_goes_away_and_waited_for(film: Path) -> None:
    pytest.importorskip("cv2")
    stop = threading.Event()
    threading.Timer(2.0, stop.set).start()
    # The film ends after five pictures: a camera that goes away, and comes back.
    published = run_source(lambda c: Webcam(str(film), context=c), stop=stop, retry_s=0.2)
    assert published > 5


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    name = str(tmp_path / "none.avi")
    with pytest.raises(SensorGoneError, match=r"none\.avi' cannot be opened"):
        run_source(lambda c: Webcam(name, context=c), retry_s=0.01, retries=2)


def test_options_of_sensors_are_checked(context) -> None:
    pytest.importorskip("cv2")
    with pytest.raises(ParameterError, match=r"width must lie in \[16, 7680\]; got 0"):
        Webcam(width=0, context=context)
    with pytest.raises(ParameterError, match="sample_rate_hz"):
        Microphone(sample_rate_hz=100, context=context)


def test_a_picture_becomes_an_image_message() -> None:
    rgb = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    message = image_message(rgb, 5_000_000_001)
    assert (message.height, message.width, message.step, message.encoding) == (2, 3, 9, "rgb8")
    assert bytes(message.data) == rgb.tobytes()
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 1)


def test_sound_becomes_an_audio_message() -> None:
    pcm = np.array([1, -1, 300, -32768], np.int16)
    message = audio_message(pcm.tobytes(), 1_000_000_000, 16000, 2)
    assert list(message.data) == pcm.tolist() and message.channels == 2


def test_the_age_of_a_chunks_first_sample() -> None:
    known = SimpleNamespace(currentTime=100.05, inputBufferAdcTime=100.0)
    assert first_sample_age_s(known, 512, 16000) == pytest.approx(0.05)
    for odd in (SimpleNamespace(currentTime=100.0, inputBufferAdcTime=0.0),
                SimpleNamespace(currentTime=100.0, inputBufferAdcTime=101.0)):  # fmt: skip
        assert first_sample_age_s(odd, 512, 16000) == pytest.approx(0.032)


def test_a_strap_gives_heart_rate_and_intervals(context) -> None:
    pytest.importorskip("bleak")
    strap = HeartRateStrap(person_id="ada", context=context)
    heard: list[PhysiologySamples] = []
    listener = rclpy.create_node("listener", context=context)
    listener.create_subscription(PhysiologySamples, "physiology", heard.append, 50)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(listener)
    while strap.count_subscribers("physiology") == 0:
        executor.spin_once(timeout_sec=0.1)
    now_ns = 1_735_689_600_000_000_000
    strap.publish(bytes.fromhex("16 3c 00 04 e0 03"), now_ns)
    strap.publish(bytes.fromhex("14 3c 00 04"), now_ns)  # off the skin
    strap.publish(bytes.fromhex("ff"), now_ns)  # broken
    for _ in range(50):
        executor.spin_once(timeout_sec=0.1)
        if len(heard) == 3:
            break
    assert [(m.signal, m.unit, list(m.data)) for m in heard] == [
        ("heart_rate", "bpm", [60.0]), ("ibi", "ms", [1000.0]), ("ibi", "ms", [968.75])
    ]  # fmt: skip
    assert {m.person_id for m in heard} == {"ada"} and strap.published == 3
    assert heard[2].header.stamp.nanosec == 0 and heard[1].header.stamp.nanosec == 31_250_000
    executor.shutdown()


def test_a_missing_library_is_named(repository: Path) -> None:
    with pytest.raises(MissingExtraError, match=r"pip install 'emostress_ros\[live\]"):
        load_extra("no_such_library", "webcam")
    code = (
        "import sys; sys.modules['cv2'] = None\n"
        "from emostress_ros.cli.main import main\n"
        "sys.exit(main(['source', 'webcam']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, text=True,
                          capture_output=True, check=False)  # fmt: skip
    assert done.returncode == 1 and "pip install 'emostress_ros[live]'" in done.stderr
    assert "Traceback" not in done.stderr
