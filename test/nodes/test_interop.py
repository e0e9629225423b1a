"""Messages of packages that need not be installed: their fields, made from their definitions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import SignalError
from emostress_ros.modalities import messages
from emostress_ros.nodes import interop

DEFINITIONS = {
    "mgonzs/msg/AudioData": (
        "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n"
        "int8[] int8_data\nuint8[] uint8_data"
    ),
    "mgonzs/msg/AudioInfo": "int32 format\nint16 channels\nint32 rate\nint32 chunk",
    "mgonzs/msg/Audio": "AudioData audio_data\nAudioInfo info",
    "mgonzs/msg/AudioStamped": "std_msgs/Header header\nAudio audio",
    "drivers/msg/AudioData": "uint8[] data",
    "drivers/msg/AudioDataStamped": "std_msgs/Header header\nAudioData audio",
    "hri_msgs/msg/LiveSpeech": (
        "std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence"
    ),
}


@pytest.fixture(scope="module")
def types():
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DEFINITIONS.items():
        store.register(get_types_from_msg(text, name))
    return store.types


def header(types):
    stamp = types["builtin_interfaces/msg/Time"](sec=5, nanosec=7)
    return types["std_msgs/msg/Header"](stamp=stamp, frame_id="microphone")


def stamped(types, channels: int = 1, rate: int = 16000, **samples):
    kinds = {"float32": np.float32, "int32": np.int32, "int16": np.int16, "int8": np.int8}
    kinds["uint8"] = np.uint8
    fields = {
        f"{kind}_data": np.asarray(samples.get(kind, []), dtype=dtype)
        for kind, dtype in kinds.items()
    }
    data = types["mgonzs/msg/AudioData"](**fields)
    info = types["mgonzs/msg/AudioInfo"](format=8, channels=channels, rate=rate, chunk=512)
    audio = types["mgonzs/msg/Audio"](audio_data=data, info=info)
    return types["mgonzs/msg/AudioStamped"](header=header(types), audio=audio)


@pytest.mark.parametrize(
    "samples",
    [
        {"int16": [0, 16384, -32768]},
        {"float32": [0.0, 0.5, -1.0]},
        {"int32": [0, 1 << 30, -(1 << 31)]},
        {"int8": [0, 64, -128]},
        {"uint8": [128, 192, 0]},
    ],
)
def test_every_sample_format_gives_the_same_sound(types, samples):
    sound, rate, stamp_ns = messages.audio_stamped(stamped(types, **samples))
    assert sound.tolist() == [[0], [16384], [-32768]]
    assert (rate, stamp_ns) == (16000, 5_000_000_007)


def test_stamped_audio_keeps_its_channels(types):
    sound, _, _ = messages.audio_stamped(stamped(types, channels=2, int16=[1, 2, 3, 4]))
    assert sound.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({}, "without samples"),
        ({"int16": [1, 2, 3], "channels": 2}, "whole frames"),
        ({"int16": [1], "rate": 0}, "a rate >= 1 Hz"),
        ({"float32": [float("nan")]}, "NaN"),
    ],
)
def test_stamped_audio_that_does_not_add_up_is_refused(types, kwargs, message):
    with pytest.raises(SignalError, match=message):
        messages.audio_stamped(stamped(types, **kwargs))


def test_bare_bytes_are_read_with_the_rate_that_was_told(types):
    data = types["drivers/msg/AudioData"](data=np.array([1, 0, 255, 255], dtype=np.uint8))
    message = types["drivers/msg/AudioDataStamped"](header=header(types), audio=data)
    sound, rate, stamp_ns = messages.audio_data_stamped(message, 44100, 1)
    assert sound.tolist() == [[1], [-1]]
    assert (rate, stamp_ns) == (44100, 5_000_000_007)
    with pytest.raises(SignalError, match="whole frames"):
        messages.audio_data_stamped(message, 44100, 4)


def test_only_the_final_text_of_live_speech_counts(types):
    message = types["hri_msgs/msg/LiveSpeech"](
        header=header(types), incremental="I am", final="", confidence=0.5
    )
    assert messages.live_speech(message) == ("", 5_000_000_007, 0.5)


def test_an_expression_is_the_faces_likeliest():
    values = np.full(7, 0.05, np.float32)
    values[EMOTIONS.index("sad")] = 0.7
    face = Embedding(
        9_000_000_001, "face", "net@1", np.ones(2, np.float32), 0.5,
        labels=EMOTIONS, probabilities=values, valence=-0.5, arousal=-0.25,
    )  # fmt: skip
    message = SimpleNamespace(header=SimpleNamespace(stamp=None, frame_id=""))
    interop.fill_expression(message, face, "camera")
    assert message.expression == "sad"
    assert (message.valence, message.arousal) == (-0.5, -0.25)
    assert message.confidence == pytest.approx(0.35)
    assert (message.header.stamp.sec, message.header.frame_id) == (9, "camera")


def test_a_package_that_is_not_installed_is_none():
    assert interop.message_type("no_such_msgs", "Anything") is None
    assert interop.message_type("std_msgs", "Nothing", "Header").__name__ == "Header"
