"""``voice_node``: audio in, an embedding for every stretch of speech out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emostress_ros.modalities import messages
from emostress_ros.modalities.voice.frontend import VoicePipeline
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.msg import AudioChunk
from emostress_ros.nodes import interop
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node
from emostress_ros.parameters import parameter

_CHUNKS_KEPT = 200


@dataclass(frozen=True)
class VoiceNodeConfig(VoiceConfig):
    """The voice's parameters, and what a message without a format needs to be told."""

    raw_sample_rate_hz: int = parameter(
        16000, "Rate of audio_common_msgs/AudioDataStamped, which does not say it.",
        minimum=4000, maximum=192000, unit="Hz",
    )  # fmt: skip
    raw_channels: int = parameter(
        1, "Channels of audio_common_msgs/AudioDataStamped.", minimum=1, maximum=64
    )


class VoiceNode(ModalityNode):
    """Subscribes to ``audio``, publishes ``embeddings/voice``; silence says nothing.

    Where ``audio_common_msgs`` is installed, either dialect is heard on ``audio/common``.
    """

    modality = "voice"
    config_class = VoiceNodeConfig

    def make_pipeline(self, config: VoiceConfig) -> VoicePipeline:
        """Load the voice activity detector and the voice model."""
        return VoicePipeline(config)

    def inputs(self) -> list[InputTopic]:
        """Return the audio topic; a gap in speech costs more than a little delay."""
        own = InputTopic("audio", AudioChunk, self._on_audio, depth=_CHUNKS_KEPT, group="audio")
        common = interop.message_type("audio_common_msgs", "AudioStamped", "AudioDataStamped")
        if common is None:
            return [own]
        return [
            own,
            InputTopic("audio/common", common, self._on_common, _CHUNKS_KEPT, group="audio"),
        ]

    def _on_audio(self, message: Any) -> None:
        self._hear(*messages.audio_from_msg(message), message)

    def _on_common(self, message: Any) -> None:
        if hasattr(message.audio, "info"):
            self._hear(*messages.audio_stamped(message), message)
            return
        rate_hz, channels = self.config.raw_sample_rate_hz, self.config.raw_channels
        self._hear(*messages.audio_data_stamped(message, rate_hz, channels), message)

    def _hear(self, samples: Any, rate_hz: int, stamp_ns: int, message: Any) -> None:
        heard = self.pipeline.process(samples, rate_hz, stamp_ns)
        self.publish((item.embedding for item in heard), message.header.frame_id)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(VoiceNode, "voice_node")


if __name__ == "__main__":
    raise SystemExit(main())
