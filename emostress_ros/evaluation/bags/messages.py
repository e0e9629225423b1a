"""Samples in, serialised messages out: what each kind of medium looks like in a bag.

A message is filed under the time at which a live sensor would have delivered it: a frame at its
stamp, a chunk of samples when its last sample is there. The header's stamp is that of the first
sample, as the message definitions say, so nothing reaches a node before it can exist.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.evaluation.bags.media import AudioBlock, VideoFrame
from emostress_ros.evaluation.bags.transcript import Line
from emostress_ros.evaluation.bags.typestore import typestore
from emostress_ros.evaluation.bags.wearable import WearableBlock
from emostress_ros.resources import PACKAGE

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
AUDIO, PHYSIOLOGY = f"{PACKAGE}/msg/AudioChunk", f"{PACKAGE}/msg/PhysiologySamples"
UTTERANCE = f"{PACKAGE}/msg/Utterance"
JPEG_QUALITY = 92


@dataclass(frozen=True)
class Record:
    """One message, ready for a bag.

    Attributes:
        log_ns: when a live sensor would have delivered it, sensor clock.
        topic: absolute name.
        msgtype: type of the message.
        data: serialised message (CDR).
    """

    log_ns: int
    topic: str
    msgtype: str
    data: bytes | memoryview


def image_records(
    frames: Iterator[VideoFrame], epoch_ns: int, compressed: bool
) -> Iterator[Record]:
    """Frames as `image`, or as JPEG on `image/compressed`."""
    topic, msgtype = ("/image/compressed", COMPRESSED) if compressed else ("/image", IMAGE)
    for frame in frames:
        stamp_ns = epoch_ns + frame.offset_ns
        fields = _jpeg(frame.rgb) if compressed else _raw(frame.rgb)
        message = _new(msgtype, header=_header(stamp_ns, "camera"), **fields)
        yield Record(stamp_ns, topic, msgtype, _serialise(message, msgtype))


def restamped(message: Any, msgtype: str, stamp_ns: int) -> Record:
    """An image message as it is, with this stamp, on the topic of its type."""
    header = _header(stamp_ns, message.header.frame_id)
    topic = "/image/compressed" if msgtype == COMPRESSED else "/image"
    data = _serialise(replace(message, header=header), msgtype)
    return Record(stamp_ns, topic, msgtype, data)


def audio_records(blocks: Iterator[AudioBlock], epoch_ns: int) -> Iterator[Record]:
    """Sound as `audio`."""
    for block in blocks:
        stamp_ns = epoch_ns + block.offset_ns
        message = _new(
            AUDIO,
            header=_header(stamp_ns, "microphone"),
            sample_rate_hz=block.sample_rate_hz,
            channels=block.pcm.shape[1],
            data=np.ascontiguousarray(block.pcm).reshape(-1),
        )
        yield Record(stamp_ns + block.duration_ns, "/audio", AUDIO, _serialise(message, AUDIO))


def physiology_records(
    blocks: Iterator[WearableBlock], epoch_ns: int, person_id: str
) -> Iterator[Record]:
    """A wearable's samples as `physiology`."""
    for block in blocks:
        stamp_ns = epoch_ns + block.offset_ns
        message = _new(
            PHYSIOLOGY,
            header=_header(stamp_ns, "wearable"),
            person_id=person_id,
            device_id=block.device_id,
            signal=block.signal,
            unit=block.unit,
            sample_rate_hz=block.sample_rate_hz,
            channels=block.samples.shape[1],
            data=np.ascontiguousarray(block.samples).reshape(-1),
        )
        log_ns = stamp_ns + block.duration_ns
        yield Record(log_ns, "/physiology", PHYSIOLOGY, _serialise(message, PHYSIOLOGY))


def utterance_records(lines: Iterator[Line], epoch_ns: int, person_id: str) -> Iterator[Record]:
    """Lines of a transcript as `utterance`; each is known when its last word has been said."""
    for line in lines:
        end_ns = epoch_ns + round(line.end_s * NANOSECONDS)
        message = _new(
            UTTERANCE,
            header=_header(end_ns, "transcript"),
            person_id=line.person_id or person_id,
            text=line.text,
            locale=line.locale,
            confidence=math.nan if line.confidence is None else line.confidence,
            start=_time(epoch_ns + round(line.start_s * NANOSECONDS)),
            end=_time(end_ns),
        )
        yield Record(end_ns, "/utterance", UTTERANCE, _serialise(message, UTTERANCE))


def _raw(rgb: npt.NDArray[np.uint8]) -> dict[str, Any]:
    height, width = rgb.shape[:2]
    return {
        "height": height,
        "width": width,
        "encoding": "rgb8",
        "is_bigendian": 0,
        "step": width * 3,
        "data": np.ascontiguousarray(rgb).reshape(-1),
    }


def _jpeg(rgb: npt.NDArray[np.uint8]) -> dict[str, Any]:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(rgb).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return {"format": "jpeg", "data": np.frombuffer(buffer.getvalue(), np.uint8)}


def _time(stamp_ns: int) -> Any:
    return _new(
        "builtin_interfaces/msg/Time", sec=stamp_ns // NANOSECONDS, nanosec=stamp_ns % NANOSECONDS
    )


def _header(stamp_ns: int, frame_id: str) -> Any:
    return _new("std_msgs/msg/Header", stamp=_time(stamp_ns), frame_id=frame_id)


def _new(msgtype: str, **fields: Any) -> Any:
    return typestore().types[msgtype](**fields)


def _serialise(message: object, msgtype: str) -> memoryview:
    return typestore().serialize_cdr(message, msgtype)
