"""``voice_node``: audio in, an embedding for every stretch of speech out."""

from __future__ import annotations

from typing import Any

from emostress_ros.modalities.voice.frontend import VoicePipeline
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.msg import AudioChunk
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.conversions import audio_from_msg
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node

_CHUNKS_KEPT = 200


class VoiceNode(ModalityNode):
    """Subscribes to ``audio``, publishes ``embeddings/voice``; silence says nothing."""

    modality = "voice"
    config_class = VoiceConfig

    def make_pipeline(self, config: VoiceConfig) -> VoicePipeline:
        """Load the voice activity detector and the voice model."""
        return VoicePipeline(config)

    def inputs(self) -> list[InputTopic]:
        """Return the audio topic; a gap in speech costs more than a little delay."""
        return [InputTopic("audio", AudioChunk, self._on_audio, depth=_CHUNKS_KEPT)]

    def _on_audio(self, message: Any) -> None:
        samples, rate_hz, stamp_ns = audio_from_msg(message)
        heard = self.pipeline.process(samples, rate_hz, stamp_ns)
        self.publish((item.embedding for item in heard), message.header.frame_id)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(VoiceNode, "voice_node")


if __name__ == "__main__":
    raise SystemExit(main())
