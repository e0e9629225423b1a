"""What the four modality nodes share: a pipeline in the middle, embeddings out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.qos import QoSProfile

from emostress_ros.affect import Embedding
from emostress_ros.msg import ModalityEmbedding
from emostress_ros.nodes.base import ManagedNode
from emostress_ros.nodes.conversions import embedding_to_msg

_EMBEDDINGS_KEPT = 50


class ModalityNode(ManagedNode):
    """Publishes what its pipeline perceives on ``embeddings/<modality>``."""

    modality = ""

    def make_pipeline(self, config: Any) -> Any:
        """Return the modality's pipeline; raises our own errors."""
        raise NotImplementedError

    def setup(self, config: Any) -> None:
        """Load the models and create the publisher."""
        assert self.monitor is not None
        self.config = config
        self.pipeline = self.make_pipeline(config)
        self._topic = f"embeddings/{self.modality}"
        self._embeddings = self.create_lifecycle_publisher(
            ModalityEmbedding, self._topic, QoSProfile(depth=_EMBEDDINGS_KEPT)
        )
        sessions = getattr(self.pipeline, "sessions", ())
        for item in sessions:
            item.warm_up()  # the first frame must not wait for what a runtime makes lazily
        self.monitor.tell_providers(sessions)
        self._stand_in = next((item.provider for item in sessions if item.fallback), "")

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start with an empty memory: what came before is another stretch of time."""
        self.reset_pipeline()
        return super().on_activate(state)

    def reset_pipeline(self) -> None:
        """Forget the signal so far."""
        reset = getattr(self.pipeline, "reset", None)
        if reset is not None:
            reset()

    def teardown(self) -> None:
        """Release the models and the publisher."""
        self.destroy_lifecycle_publisher(self._embeddings)
        self.pipeline = None

    def publish(self, embeddings: Iterable[Embedding], frame_id: str) -> None:
        """Publish embeddings; the stamps are the sensor's."""
        assert self.monitor is not None
        for item in embeddings:
            embedding = replace(item, stand_in=self._stand_in) if self._stand_in else item
            self._embeddings.publish(embedding_to_msg(embedding, frame_id))
            self.monitor.published(self._topic, embedding.stamp_ns)
