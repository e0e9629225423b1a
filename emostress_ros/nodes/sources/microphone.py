"""A microphone on `audio`, through sounddevice (PortAudio)."""

from __future__ import annotations

from array import array
from typing import Any

from rclpy.qos import QoSProfile
from rclpy.time import Time

from emostress_ros.affect import NANOSECONDS
from emostress_ros.msg import AudioChunk
from emostress_ros.nodes.sources.base import SensorGoneError, Source, check_range, load_extra


class Microphone(Source):
    """Publishes sound in chunks, each stamped with the time of its first sample.

    Args:
        device: number of the device or part of its name; empty: the system's default.
        sample_rate_hz: wanted rate.
        channels: wanted channels.
        chunk_ms: length of a chunk, milliseconds.
        namespace: of the node.
        context: rclpy context.

    Raises:
        MissingExtraError: sounddevice or the PortAudio library is not installed.
        ParameterError: a rate, length or number of channels is out of range.
    """

    def __init__(
        self,
        device: str = "",
        sample_rate_hz: int = 16000,
        channels: int = 1,
        chunk_ms: int = 32,
        namespace: str = "",
        context: Any = None,
    ) -> None:
        check_range("sample_rate_hz", sample_rate_hz, 8000, 192000)
        check_range("channels", channels, 1, 32)
        check_range("chunk_ms", chunk_ms, 5, 200)
        hint = " and the library PortAudio (`apt-get install libportaudio2`)"
        self._sounddevice = load_extra("sounddevice", "microphone", hint)
        super().__init__("microphone", namespace, context)
        self._device: int | str | None = int(device) if device.isdigit() else device or None
        self._rate, self._channels = sample_rate_hz, channels
        self._block = sample_rate_hz * chunk_ms // 1000
        self._publisher = self.create_publisher(AudioChunk, "audio", QoSProfile(depth=50))
        self._overflows = 0

    def read(self) -> None:
        """Listen until stopped; see `Source.read`."""
        try:
            with self._sounddevice.RawInputStream(
                samplerate=self._rate, channels=self._channels, dtype="int16",
                blocksize=self._block, device=self._device, callback=self._on_sound,
            ) as stream:  # fmt: skip
                while stream.active and not self.stopped.is_set():
                    self.stopped.wait(0.2)
        except (self._sounddevice.PortAudioError, ValueError) as error:
            raise SensorGoneError(f"microphone {self._device or 'default'!r}: {error}") from error
        if not self.stopped.is_set():
            raise SensorGoneError(f"microphone {self._device or 'default'!r} fell silent")

    def _on_sound(self, data: Any, frames: int, times: Any, status: Any) -> None:
        """Called by PortAudio's thread with each chunk."""
        now_ns = self.now_ns()
        if status.input_overflow:
            self._overflows += 1
            self.get_logger().warning(f"{self._overflows} times sound was lost before it came")
        age_s = first_sample_age_s(times, frames, self._rate)
        self._publisher.publish(
            audio_message(bytes(data), now_ns - round(age_s * NANOSECONDS), self._rate,
                          self._channels)
        )  # fmt: skip
        self.published += 1


def first_sample_age_s(times: Any, frames: int, rate_hz: int) -> float:
    """How long ago the first sample of a chunk was taken.

    Args:
        times: PortAudio's `currentTime` and `inputBufferAdcTime`, seconds; some drivers give 0.
        frames: samples in the chunk.
        rate_hz: samples a second.
    """
    length_s = frames / rate_hz
    age_s = float(times.currentTime - times.inputBufferAdcTime)
    believable = times.inputBufferAdcTime > 0.0 and length_s <= age_s < length_s + 1.0
    return age_s if believable else length_s


def audio_message(
    pcm: bytes, stamp_ns: int, rate_hz: int, channels: int, frame_id: str = "microphone"
) -> AudioChunk:
    """An `AudioChunk` of interleaved little-endian int16."""
    message = AudioChunk(sample_rate_hz=rate_hz, channels=channels)
    message.header.frame_id = frame_id
    message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    data = array("h")
    data.frombytes(pcm)
    message.data = data
    return message
