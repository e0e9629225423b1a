"""What sensor messages hold, told by their fields: rclpy's objects and those read from a bag alike.

Nothing here imports ROS: a node and an evaluation without ROS hear the same samples.
``audio_common_msgs`` is the name of two packages: that of ros-drivers (``AudioDataStamped``: bytes
without a format) and that of mgonzs13/audio_common (``AudioStamped``: samples with their format).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import SignalError

Pcm = npt.NDArray[np.int16]
_SAMPLE_FIELDS = ("float32_data", "int32_data", "int16_data", "int8_data", "uint8_data")


def stamp_to_ns(stamp: Any) -> int:
    """Return a ROS time or duration (``sec``, ``nanosec``) in nanoseconds."""
    return int(stamp.sec) * NANOSECONDS + int(stamp.nanosec)


def audio_from_msg(message: Any) -> tuple[Pcm, int, int]:
    """Return an ``AudioChunk`` as ((n, channels) int16, rate in Hz, stamp in ns).

    Raises:
        SignalError: no channels, no rate, or samples that do not fill whole frames.
    """
    channels, rate = int(message.channels), int(message.sample_rate_hz)
    if channels < 1 or rate < 1:
        raise SignalError(
            f"audio needs channels >= 1 and sample_rate_hz >= 1; got {channels} and {rate}"
        )
    samples = np.asarray(message.data, dtype=np.int16)
    if len(samples) % channels:
        raise SignalError(f"{len(samples)} audio samples do not fill {channels} channels")
    return samples.reshape(-1, channels), rate, stamp_to_ns(message.header.stamp)


def physiology_from_msg(message: Any) -> tuple[npt.NDArray[np.float32], int]:
    """Return ``PhysiologySamples`` as ((n, channels) float32, stamp in ns).

    Raises:
        SignalError: no channels, or samples that do not fill whole frames.
    """
    channels = int(message.channels)
    samples = np.asarray(message.data, dtype=np.float32)
    if channels < 1 or len(samples) % channels:
        raise SignalError(
            f"{message.signal}: {len(samples)} samples do not fill {channels} channels"
        )
    return samples.reshape(-1, channels), stamp_to_ns(message.header.stamp)


def spoken_between(message: Any) -> tuple[int, int, int]:
    """Return (stamp, start, end) of an ``Utterance`` in ns; an unset start or end is the stamp."""
    stamp = stamp_to_ns(message.header.stamp)
    end = stamp_to_ns(message.end) or stamp
    start = stamp_to_ns(message.start) or end
    return stamp, min(start, end), end


def live_speech(message: Any) -> tuple[str, int, float]:
    """Return the final text of an ``hri_msgs/LiveSpeech``, its stamp in ns and its confidence.

    Incremental results have no final text: it comes back empty.
    """
    return str(message.final), stamp_to_ns(message.header.stamp), float(message.confidence)


def audio_stamped(message: Any) -> tuple[Pcm, int, int]:
    """Return mgonzs13's ``AudioStamped`` as ((n, channels) int16, rate in Hz, stamp in ns).

    Raises:
        SignalError: no samples in any format, no rate, or samples that do not fill the channels.
    """
    samples, rate_hz = audio_with_format(message.audio)
    return samples, rate_hz, stamp_to_ns(message.header.stamp)


def audio_data_stamped(message: Any, sample_rate_hz: int, channels: int) -> tuple[Pcm, int, int]:
    """Return ros-drivers' ``AudioDataStamped`` as ((n, channels) int16, rate in Hz, stamp in ns).

    Raises:
        SignalError: bytes that do not fill the channels.
    """
    samples = audio_bytes(message.audio, sample_rate_hz, channels)
    return samples, sample_rate_hz, stamp_to_ns(message.header.stamp)


def audio_with_format(audio: Any) -> tuple[Pcm, int]:
    """Return mgonzs13's ``Audio`` as ((n, channels) int16, rate in Hz); see `audio_stamped`."""
    data, info = audio.audio_data, audio.info
    filled = [name for name in _SAMPLE_FIELDS if len(getattr(data, name))]
    if not filled:
        raise SignalError(f"audio without samples: one of {', '.join(_SAMPLE_FIELDS)} must be set")
    samples = _to_int16(filled[0], np.asarray(getattr(data, filled[0])))
    return _framed(samples, int(info.channels), int(info.rate)), int(info.rate)


def audio_bytes(audio: Any, sample_rate_hz: int, channels: int) -> Pcm:
    """Return ros-drivers' ``AudioData`` as (n, channels) int16.

    The message carries bytes alone; they are taken as signed 16 bit little-endian (the ``wave``
    format of ``audio_capture``), with the rate and the channels that the node was told.

    Raises:
        SignalError: bytes that do not fill the channels.
    """
    raw = bytes(audio.data)
    if len(raw) % 2:
        raise SignalError(f"{len(raw)} bytes are no 16 bit samples; is the format 'wave'?")
    return _framed(np.frombuffer(raw, dtype="<i2"), channels, sample_rate_hz)


def _framed(samples: Pcm, channels: int, rate_hz: int) -> Pcm:
    if channels < 1 or rate_hz < 1 or len(samples) % channels:
        raise SignalError(
            f"audio needs channels >= 1, a rate >= 1 Hz and whole frames; got {channels}, "
            f"{rate_hz} and {len(samples)} samples"
        )
    return samples.reshape(-1, channels)


def _to_int16(name: str, values: np.ndarray) -> Pcm:
    if name == "float32_data":
        if not np.isfinite(values).all():
            raise SignalError("float32 audio holds NaN or infinity")
        return np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)
    if name == "int32_data":
        return (values.astype(np.int64) >> 16).astype(np.int16)
    if name == "uint8_data":
        return ((values.astype(np.int32) - 128) << 8).astype(np.int16)
    return (values.astype(np.int32) << (8 if name == "int8_data" else 0)).astype(np.int16)
