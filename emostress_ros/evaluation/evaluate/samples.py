"""Messages of a bag as what a sense takes in, whoever recorded them.

A message without a header, or with an empty stamp, is given the time at which it was recorded; the
topic is marked, for that time holds the delay of a radio and of a driver.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import SignalError
from emostress_ros.evaluation.bags.reader import BagMessage, stamp_ns
from emostress_ros.evaluation.evaluate.routes import Route
from emostress_ros.modalities import messages
from emostress_ros.modalities.images import Rgb, compressed_to_rgb, image_to_rgb

_RESYNC_NS = NANOSECONDS // 2
_FOLLOW = 0.01


@dataclass(frozen=True)
class Picture:
    """One image: ``rgb()`` decodes it, shape (H, W, 3) uint8."""

    stamp_ns: int
    rgb: Callable[[], Rgb]


@dataclass(frozen=True)
class Sound:
    """A chunk of sound: (n, channels) int16; the stamp is that of the first sample."""

    stamp_ns: int
    pcm: npt.NDArray[np.int16]
    sample_rate_hz: int


@dataclass(frozen=True)
class Physiology:
    """A chunk of one signal of a wearable; see ``PhysiologySamples.msg``."""

    stamp_ns: int
    signal: str
    unit: str
    sample_rate_hz: float
    values: npt.NDArray[np.float32]
    person_id: str
    device_id: str


@dataclass(frozen=True)
class Words:
    """An utterance; see ``Utterance.msg``."""

    stamp_ns: int
    text: str
    start_ns: int = 0
    end_ns: int = 0
    person_id: str = ""
    confidence: float = math.nan
    locale: str = ""


Sample = Picture | Sound | Physiology | Words


class SteadyClock:
    """Stamps of an evenly sampled signal from the times at which its samples were received.

    The rate is known and a radio's delay wanders: the stamps step by the rate, follow the times of
    receipt slowly, and begin anew after a gap.

    Args:
        sample_rate_hz: of the signal.
    """

    def __init__(self, sample_rate_hz: float) -> None:
        self._step_ns = NANOSECONDS / sample_rate_hz
        self._last_ns: int | None = None

    def first_ns(self, received_ns: int, samples: int) -> int:
        """Stamp of the first of some samples that were received together."""
        if self._last_ns is None:
            self._last_ns = received_ns
        else:
            # In whole numbers: a float of nanoseconds since 1970 is good to 0.25 µs.
            expected = self._last_ns + round(samples * self._step_ns)
            off = received_ns - expected
            self._last_ns = (
                received_ns if abs(off) > _RESYNC_NS else expected + round(_FOLLOW * off)
            )
        return max(0, self._last_ns - round((samples - 1) * self._step_ns))


class SampleReader:
    """Reads the messages of one topic.

    Args:
        route: what the topic is.

    Attributes:
        unstamped: messages that were given the time of their recording.
    """

    def __init__(self, route: Route) -> None:
        self.route = route
        self.unstamped = 0
        self._clock: SteadyClock | None = None
        if route.role == "physiology" and route.sample_rate_hz > 0.0:
            self._clock = SteadyClock(route.sample_rate_hz)
        self._read = READERS[route.msgtype]

    def read(self, item: BagMessage) -> Sample:
        """The sample that a message holds.

        Raises:
            SignalError: it cannot be used.
        """
        return self._read(self, item)

    def stamp_ns(self, item: BagMessage) -> int:
        """The message's stamp, or the time of its recording."""
        stamp = stamp_ns(item.message)
        if stamp:
            return stamp
        self.unstamped += 1
        return item.log_ns

    # By type --------------------------------------------------------------------------------

    def _image(self, item: BagMessage) -> Sample:
        return Picture(self.stamp_ns(item), lambda: image_to_rgb(item.message))

    def _compressed(self, item: BagMessage) -> Sample:
        return Picture(self.stamp_ns(item), lambda: compressed_to_rgb(item.message))

    def _chunk(self, item: BagMessage) -> Sample:
        pcm, rate_hz, _ = messages.audio_from_msg(item.message)
        return self._sound(item, pcm, rate_hz)

    def _with_format(self, item: BagMessage) -> Sample:
        audio = getattr(item.message, "audio", item.message)
        return self._sound(item, *messages.audio_with_format(audio))

    def _bytes(self, item: BagMessage) -> Sample:
        audio = getattr(item.message, "audio", item.message)
        rate_hz = round(self.route.sample_rate_hz)
        pcm = messages.audio_bytes(audio, rate_hz, self.route.channels)
        return self._sound(item, pcm, rate_hz)

    def _sound(self, item: BagMessage, pcm: npt.NDArray[np.int16], rate_hz: int) -> Sample:
        before, stamp = self.unstamped, self.stamp_ns(item)
        if self.unstamped > before:  # a chunk is received when its last sample is there
            if self._clock is None:
                self._clock = SteadyClock(rate_hz)
            stamp = self._clock.first_ns(stamp, len(pcm))
        return Sound(stamp, pcm, rate_hz)

    def _samples(self, item: BagMessage) -> Sample:
        message = item.message
        values, _ = messages.physiology_from_msg(message)
        return Physiology(
            self.stamp_ns(item), message.signal, message.unit, float(message.sample_rate_hz),
            values, message.person_id or self.route.person, message.device_id,
        )  # fmt: skip

    def _numbers(self, item: BagMessage) -> Sample:
        route = self.route
        flat = np.atleast_1d(np.asarray(item.message.data, np.float32))
        if len(flat) == 0 or len(flat) % route.channels:
            raise SignalError(f"{len(flat)} numbers do not fill {route.channels} channel(s)")
        values = flat.reshape(-1, route.channels)
        stamp = self.stamp_ns(item)
        if self._clock is not None:
            stamp = self._clock.first_ns(stamp, len(values))
        return Physiology(stamp, route.signal, route.unit, route.sample_rate_hz, values,
                          route.person, route.device)  # fmt: skip

    def _utterance(self, item: BagMessage) -> Sample:
        message = item.message
        stamp, start, end = messages.spoken_between(message)
        return Words(
            stamp or self.stamp_ns(item), message.text, start, end,
            message.person_id or self.route.person, float(message.confidence), message.locale,
        )  # fmt: skip

    def _live_speech(self, item: BagMessage) -> Sample:
        text, _, confidence = messages.live_speech(item.message)
        return Words(self.stamp_ns(item), text, person_id=self.route.person, confidence=confidence)

    def _string(self, item: BagMessage) -> Sample:
        return Words(self.stamp_ns(item), str(item.message.data), person_id=self.route.person)


READERS: Mapping[str, Callable[[SampleReader, BagMessage], Sample]] = {
    "sensor_msgs/msg/Image": SampleReader._image,
    "sensor_msgs/msg/CompressedImage": SampleReader._compressed,
    "emostress_ros/msg/AudioChunk": SampleReader._chunk,
    "audio_common_msgs/msg/AudioStamped": SampleReader._with_format,
    "audio_common_msgs/msg/Audio": SampleReader._with_format,
    "audio_common_msgs/msg/AudioDataStamped": SampleReader._bytes,
    "audio_common_msgs/msg/AudioData": SampleReader._bytes,
    "emostress_ros/msg/PhysiologySamples": SampleReader._samples,
    **{
        f"std_msgs/msg/{name}{kind}": SampleReader._numbers
        for name in ("Float32", "Float64", "Int32", "Int16", "UInt16")
        for kind in ("", "MultiArray")
    },
    "emostress_ros/msg/Utterance": SampleReader._utterance,
    "hri_msgs/msg/LiveSpeech": SampleReader._live_speech,
    "std_msgs/msg/String": SampleReader._string,
}
"""Type to how it is read; `routes.ROLES` says for which role."""
