"""Messages of other packages, used where those packages are installed.

``audio_common_msgs`` is the name of two packages: that of ros-drivers (``AudioDataStamped``: bytes
without a format) and that of mgonzs13/audio_common (``AudioStamped``: samples with their format).
``hri_msgs`` is ROS4HRI's (REP-155).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import SignalError
from emostress_ros.nodes.conversions import ns_to_stamp, stamp_to_ns

_SAMPLE_FIELDS = ("float32_data", "int32_data", "int16_data", "int8_data", "uint8_data")


def message_type(package: str, *names: str) -> type | None:
    """Return the first message class that an installed package has, or None."""
    try:
        module = importlib.import_module(f"{package}.msg")
    except ImportError:
        return None
    return next((getattr(module, name) for name in names if hasattr(module, name)), None)


def audio_stamped(message: Any) -> tuple[npt.NDArray[np.int16], int, int]:
    """Return mgonzs13's ``AudioStamped`` as ((n, channels) int16, rate in Hz, stamp in ns).

    Raises:
        SignalError: no samples in any format, no rate, or samples that do not fill the channels.
    """
    data, info = message.audio.audio_data, message.audio.info
    filled = [name for name in _SAMPLE_FIELDS if len(getattr(data, name))]
    if not filled:
        raise SignalError(f"audio without samples: one of {', '.join(_SAMPLE_FIELDS)} must be set")
    samples = _to_int16(filled[0], np.asarray(getattr(data, filled[0])))
    return _framed(samples, int(info.channels), int(info.rate), message)


def audio_data_stamped(
    message: Any, sample_rate_hz: int, channels: int
) -> tuple[npt.NDArray[np.int16], int, int]:
    """Return ros-drivers' ``AudioDataStamped`` as ((n, channels) int16, rate in Hz, stamp in ns).

    The message carries bytes alone; they are taken as signed 16 bit little-endian (the ``wave``
    format of ``audio_capture``), with the rate and the channels that the node was told.

    Raises:
        SignalError: bytes that do not fill the channels.
    """
    raw = bytes(message.audio.data)
    if len(raw) % 2:
        raise SignalError(f"{len(raw)} bytes are no 16 bit samples; is the format 'wave'?")
    return _framed(np.frombuffer(raw, dtype="<i2"), channels, sample_rate_hz, message)


def live_speech(message: Any) -> tuple[str, int, float]:
    """Return the final text of an ``hri_msgs/LiveSpeech``, its stamp in ns and its confidence.

    Incremental results have no final text: it comes back empty.
    """
    return str(message.final), stamp_to_ns(message.header.stamp), float(message.confidence)


def fill_expression(message: Any, embedding: Embedding, frame_id: str) -> Any:
    """Fill an ``hri_msgs/Expression`` from a face's embedding and return it."""
    probabilities = np.asarray(embedding.probabilities)
    message.header.stamp = ns_to_stamp(embedding.stamp_ns)
    message.header.frame_id = frame_id
    message.expression = embedding.labels[int(np.argmax(probabilities))]
    message.valence, message.arousal = float(embedding.valence), float(embedding.arousal)
    message.confidence = float(probabilities.max()) * float(embedding.quality)
    assert message.expression in EMOTIONS
    return message


def _framed(
    samples: npt.NDArray[np.int16], channels: int, rate_hz: int, message: Any
) -> tuple[npt.NDArray[np.int16], int, int]:
    if channels < 1 or rate_hz < 1 or len(samples) % channels:
        raise SignalError(
            f"audio needs channels >= 1, a rate >= 1 Hz and whole frames; got {channels}, "
            f"{rate_hz} and {len(samples)} samples"
        )
    return samples.reshape(-1, channels), rate_hz, stamp_to_ns(message.header.stamp)


def _to_int16(name: str, values: np.ndarray) -> npt.NDArray[np.int16]:
    if name == "float32_data":
        if not np.isfinite(values).all():
            raise SignalError("float32 audio holds NaN or infinity")
        return np.clip(np.rint(values * 32768.0), -32768, 32767).astype(np.int16)
    if name == "int32_data":
        return (values.astype(np.int64) >> 16).astype(np.int16)
    if name == "uint8_data":
        return ((values.astype(np.int32) - 128) << 8).astype(np.int16)
    return (values.astype(np.int32) << (8 if name == "int8_data" else 0)).astype(np.int16)
