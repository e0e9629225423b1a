"""``text_node``: utterances in, an embedding for each out."""

from __future__ import annotations

from typing import Any

from emostress_ros.modalities.messages import live_speech, spoken_between
from emostress_ros.modalities.text import TextConfig, TextPipeline
from emostress_ros.msg import Utterance
from emostress_ros.nodes import interop
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node


class TextNode(ModalityNode):
    """Subscribes to ``utterance``, publishes ``embeddings/text``.

    Where ``hri_msgs`` is installed, ``LiveSpeech`` is heard on ``speech``.
    """

    modality = "text"
    config_class = TextConfig

    def make_pipeline(self, config: TextConfig) -> TextPipeline:
        """Load the tokenizer, the sentence encoder and the heads."""
        return TextPipeline(config)

    def inputs(self) -> list[InputTopic]:
        """Return the transcript topic."""
        own = InputTopic("utterance", Utterance, self._on_utterance, depth=20, group="utterance")
        live = interop.message_type("hri_msgs", "LiveSpeech")
        if live is None:
            return [own]
        return [own, InputTopic("speech", live, self._on_live_speech, depth=20, group="utterance")]

    def _on_utterance(self, message: Any) -> None:
        stamp_ns, start_ns, end_ns = spoken_between(message)
        embedding = self.pipeline.process(
            message.text,
            stamp_ns,
            start_ns=start_ns,
            end_ns=end_ns,
            person_id=message.person_id,
            confidence=float(message.confidence),
            locale=message.locale,
        )
        if embedding is not None:
            self.publish([embedding], message.header.frame_id)

    def _on_live_speech(self, message: Any) -> None:
        text, stamp_ns, confidence = live_speech(message)
        embedding = self.pipeline.process(text, stamp_ns, confidence=confidence) if text else None
        if embedding is not None:
            self.publish([embedding], message.header.frame_id)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(TextNode, "text_node")


if __name__ == "__main__":
    raise SystemExit(main())
