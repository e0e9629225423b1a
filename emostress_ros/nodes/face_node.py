"""``face_node``: camera images in, an embedding for every face out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from emostress_ros.modalities.face import FaceConfig, FacePipeline
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.conversions import stamp_to_ns
from emostress_ros.nodes.images import compressed_to_rgb, image_to_rgb
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node


class FaceNode(ModalityNode):
    """Subscribes to ``image`` and ``image/compressed``, publishes ``embeddings/face``."""

    modality = "face"
    config_class = FaceConfig

    def make_pipeline(self, config: FaceConfig) -> FacePipeline:
        """Load the detector and the expression model."""
        return FacePipeline(config)

    def inputs(self) -> list[InputTopic]:
        """Return the camera topics; only the latest frame is worth looking at."""
        raw = InputTopic("image", Image, self._on_image, 1, best_effort=True, group="image")
        return [
            raw,
            replace(
                raw,
                topic="image/compressed",
                message_type=CompressedImage,
                handle=self._on_compressed,
            ),
        ]

    def _on_image(self, message: Any) -> None:
        self._look(image_to_rgb(message), message)

    def _on_compressed(self, message: Any) -> None:
        self._look(compressed_to_rgb(message), message)

    def _look(self, image_rgb: Any, message: Any) -> None:
        faces = self.pipeline.process(image_rgb, stamp_to_ns(message.header.stamp))
        self.publish((face.embedding for face in faces), message.header.frame_id)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(FaceNode, "face_node")


if __name__ == "__main__":
    raise SystemExit(main())
