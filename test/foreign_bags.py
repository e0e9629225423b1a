"""Bags of types that this environment does not have, as other people's recorders write them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rosbags.rosbag2 import StoragePlugin, Writer
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

NANOSECONDS = 1_000_000_000
PACKAGE = "audio_common_msgs/msg"
MGONZS13 = {
    f"{PACKAGE}/AudioData": (
        "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n"
        "int8[] int8_data\nuint8[] uint8_data"
    ),
    f"{PACKAGE}/AudioInfo": "int32 format\nint16 channels\nint32 rate\nint32 chunk",
    f"{PACKAGE}/Audio": "AudioData audio_data\nAudioInfo info",
    f"{PACKAGE}/AudioStamped": "std_msgs/Header header\nAudio audio",
}
ROS_DRIVERS = {
    f"{PACKAGE}/AudioData": "uint8[] data",
    f"{PACKAGE}/AudioDataStamped": "std_msgs/Header header\nAudioData audio",
}
RATE_HZ, CHUNK = 16000, 640


class ForeignBag:
    """A bag that is being written with a type store of its own."""

    def __init__(self, writer: Writer, definitions: dict[str, str]) -> None:
        self.store = get_typestore(Stores.ROS2_JAZZY)
        for name, text in definitions.items():
            self.store.register(get_types_from_msg(text, name))
        self._writer = writer
        self._connections: dict[str, Any] = {}

    def add(self, topic: str, msgtype: str, at_ns: int, **fields: Any) -> None:
        """Write one message, received at ``at_ns``."""
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic, msgtype, typestore=self.store
            )
        message = self.store.types[msgtype](**fields)
        data = self.store.serialize_cdr(message, msgtype)
        self._writer.write(self._connections[topic], at_ns, data)

    def make(self, msgtype: str, **fields: Any) -> Any:
        """A message or a part of one."""
        return self.store.types[msgtype](**fields)

    def header(self, stamp_ns: int) -> Any:
        """A header with a stamp."""
        sec, nanosec = divmod(stamp_ns, NANOSECONDS)
        stamp = self.make("builtin_interfaces/msg/Time", sec=sec, nanosec=nanosec)
        return self.make("std_msgs/msg/Header", stamp=stamp, frame_id="")


@contextmanager
def foreign_writer(
    path: Path, definitions: dict[str, str] | None = None, storage: str = "MCAP"
) -> Iterator[ForeignBag]:
    """A new bag with definitions of foreign types inside."""
    with Writer(path, version=8, storage_plugin=StoragePlugin[storage]) as writer:
        yield ForeignBag(writer, definitions or {})


def chunks() -> Iterator[tuple[int, np.ndarray]]:
    """Four seconds of a tone: (nanoseconds since the start, samples)."""
    for n in range(100):
        t = (n * CHUNK + np.arange(CHUNK)) / RATE_HZ
        tone = (8000 * np.sin(2 * np.pi * 220 * t)).astype(np.int16)
        yield round(n * CHUNK * NANOSECONDS / RATE_HZ), tone


def audio_stamped(path: Path, start_ns: int, storage: str = "MCAP") -> Path:
    """mgonzs13's dialect."""
    with foreign_writer(path, MGONZS13, storage) as bag:
        for after_ns, tone in chunks():
            header = bag.header(start_ns + after_ns)
            audio = _mgonzs13(bag, tone)
            bag.add(
                "/mic", f"{PACKAGE}/AudioStamped", start_ns + after_ns, header=header, audio=audio
            )
    return path


def audio_bare(path: Path, start_ns: int, storage: str = "MCAP") -> Path:
    """mgonzs13's dialect without a header."""
    with foreign_writer(path, MGONZS13, storage) as bag:
        for after_ns, tone in chunks():
            bag.add("/mic", f"{PACKAGE}/Audio", start_ns + after_ns, **vars(_mgonzs13(bag, tone)))
    return path


def audio_data_stamped(path: Path, start_ns: int, storage: str = "MCAP") -> Path:
    """ros-drivers' dialect."""
    with foreign_writer(path, ROS_DRIVERS, storage) as bag:
        for after_ns, tone in chunks():
            data = np.frombuffer(tone.astype("<i2").tobytes(), np.uint8)
            audio = bag.make(f"{PACKAGE}/AudioData", data=data)
            header = bag.header(start_ns + after_ns)
            bag.add(
                "/mic",
                f"{PACKAGE}/AudioDataStamped",
                start_ns + after_ns,
                header=header,
                audio=audio,
            )
    return path


def audio_data(path: Path, start_ns: int, storage: str = "MCAP") -> Path:
    """ros-drivers' dialect without a header."""
    with foreign_writer(path, ROS_DRIVERS, storage) as bag:
        for after_ns, tone in chunks():
            data = np.frombuffer(tone.astype("<i2").tobytes(), np.uint8)
            bag.add("/mic", f"{PACKAGE}/AudioData", start_ns + after_ns, data=data)
    return path


def _mgonzs13(bag: ForeignBag, tone: np.ndarray) -> Any:
    none = {
        "float32_data": np.zeros(0, np.float32), "int32_data": np.zeros(0, np.int32),
        "int8_data": np.zeros(0, np.int8), "uint8_data": np.zeros(0, np.uint8),
    }  # fmt: skip
    data = bag.make(f"{PACKAGE}/AudioData", int16_data=tone, **none)
    info = bag.make(f"{PACKAGE}/AudioInfo", format=8, channels=1, rate=RATE_HZ, chunk=CHUNK)
    return bag.make(f"{PACKAGE}/Audio", audio_data=data, info=info)


AUDIO_DIALECTS = {
    "AudioStamped": audio_stamped, "Audio": audio_bare,
    "AudioDataStamped": audio_data_stamped, "AudioData": audio_data,
}  # fmt: skip
