"""``face_node``: camera images in, an embedding for every face out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sensor_msgs.msg import CompressedImage, Image

from emostress_ros.affect import Embedding
from emostress_ros.modalities.face import FaceConfig, FacePipeline
from emostress_ros.modalities.images import compressed_to_rgb, image_to_rgb
from emostress_ros.modalities.messages import stamp_to_ns
from emostress_ros.nodes import interop
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node

_FACES_KEPT = 16


class FaceNode(ModalityNode):
    """Subscribes to ``image`` and ``image/compressed``, publishes ``embeddings/face``.

    Where ``hri_msgs`` is installed, each face's ``Expression`` goes to
    ``/humans/faces/<id>/expression`` (REP-155).
    """

    modality = "face"
    config_class = FaceConfig

    def setup(self, config: FaceConfig) -> None:
        """Look for ``hri_msgs`` besides what every modality does."""
        super().setup(config)
        self._expression_type = interop.message_type("hri_msgs", "Expression")
        self._expressions: dict[str, Any] = {}

    def teardown(self) -> None:
        """Take the faces' topics back."""
        super().teardown()
        for publisher in self._expressions.values():
            self.destroy_publisher(publisher)

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
        embeddings = [face.embedding for face in faces]
        self.publish(embeddings, message.header.frame_id)
        if self._expression_type is not None:
            for embedding in embeddings:
                self._publish_expression(embedding, message.header.frame_id)

    def _publish_expression(self, embedding: Embedding, frame_id: str) -> None:
        name = embedding.source_id
        if name not in self._expressions:
            while len(self._expressions) >= _FACES_KEPT:
                self.destroy_publisher(self._expressions.pop(next(iter(self._expressions))))
            topic = f"/humans/faces/{name}/expression"
            self._expressions[name] = self.create_publisher(self._expression_type, topic, 10)
        assert self._expression_type is not None
        expression = interop.fill_expression(self._expression_type(), embedding, frame_id)
        self._expressions[name].publish(expression)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(FaceNode, "face_node")


if __name__ == "__main__":
    raise SystemExit(main())
