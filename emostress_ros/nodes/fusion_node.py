"""``fusion_node``: embeddings in, each person's emotion and stress out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rclpy.qos import QoSProfile

from emostress_ros.errors import EmostressError
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.msg import AffectState, ModalityEmbedding
from emostress_ros.nodes.base import InputTopic, ManagedNode
from emostress_ros.nodes.conversions import affect_to_msg, embedding_from_msg, stamp_to_ns
from emostress_ros.nodes.humans import HumanIds
from emostress_ros.nodes.memory import PeopleMemory
from emostress_ros.nodes.names import MODALITY_NODES
from emostress_ros.nodes.run import run_node
from emostress_ros.person.consent import ConsentRegistry
from emostress_ros.person.store import StoreConfig
from emostress_ros.srv import ForgetPerson, SetConsent, StartBaseline

_EMBEDDINGS_KEPT = 50
_LEAST_CHECK_S = 0.01
_LOOK_FOR_HUMANS_S = 1.0
_REST_S = 60.0


@dataclass(frozen=True)
class FusionNodeConfig(FusionConfig, StoreConfig):
    """The fusion's parameters, and what is kept of people."""


class FusionNode(ManagedNode):
    """Subscribes to ``embeddings/<modality>``, publishes ``affect`` at a set rate.

    Services: ``~/set_consent``, ``~/start_baseline`` and ``~/forget_person``.
    """

    config_class = FusionNodeConfig

    def setup(self, config: FusionNodeConfig) -> None:
        """Load the fusion model and create publisher and services."""
        self.config = config
        # Consent outlives a reconfiguration: what a person declined stays declined.
        self.consent = getattr(self, "consent", None) or ConsentRegistry(config.consent)
        self.pipeline = FusionPipeline(config, self.consent)
        assert self.monitor is not None
        self.monitor.tell_providers(self.pipeline.fusion.sessions)
        self.memory = PeopleMemory(config.open_store(), self.pipeline)
        self.memory.recall()
        self._humans = HumanIds(self, self._on_human)
        self._affect = self.create_lifecycle_publisher(AffectState, "affect", QoSProfile(depth=50))
        self._offered = [
            self.create_service(SetConsent, "~/set_consent", self._on_set_consent),
            self.create_service(StartBaseline, "~/start_baseline", self._on_start_baseline),
            self.create_service(ForgetPerson, "~/forget_person", self._on_forget),
        ]

    def inputs(self) -> list[InputTopic]:
        """Return one topic for each configured modality."""
        return [
            InputTopic(
                f"embeddings/{modality}", ModalityEmbedding, self._on_embedding, _EMBEDDINGS_KEPT
            )
            for modality in self.config.modalities
        ]

    def activated(self) -> None:
        """Keep the deadline of the states, and ask ROS4HRI who is who."""
        # A state that is complete goes out with its last embedding; this keeps the deadline alone.
        self.every(max(_LEAST_CHECK_S, min(0.5 / self.config.rate_hz, 0.05)), self._publish_due)
        if self.config.humans:
            self.every(_LOOK_FOR_HUMANS_S, self._humans.look)

    def teardown(self) -> None:
        """Release publisher and services."""
        self._humans.close()
        self.destroy_lifecycle_publisher(self._affect)
        for service in self._offered:
            self.destroy_service(service)

    def _on_embedding(self, message: Any) -> None:
        with self.lock:
            self.pipeline.add(embedding_from_msg(message), self.now_ns())
        self._publish_due()

    def _on_human(self, source_id: str, person: str | None) -> None:
        with self.lock:
            self.pipeline.directory.name(source_id, person)

    def _publish_due(self) -> None:
        assert self.monitor is not None
        with self.lock:
            states = self.pipeline.advance(self.now_ns())
        for state in states:
            self._affect.publish(affect_to_msg(state, self.now_ns() - state.stamp_ns))
            self.monitor.published("affect", state.stamp_ns)

    def _report(self) -> None:
        assert self.monitor is not None
        with self.lock:
            facts = {name: str(count) for name, count in self.pipeline.counts.items()}
            facts["people"] = ", ".join(self.pipeline.people)
            self._keep_rests()
        self.monitor.facts |= facts
        super()._report()

    def _keep_rests(self) -> None:
        try:
            self.memory.keep_rests()
        except EmostressError as error:
            self.get_logger().error(str(error), once=True)

    def _on_set_consent(self, request: Any, response: Any) -> Any:
        known = tuple(dict.fromkeys((*self.config.modalities, *MODALITY_NODES)))
        unknown = [name for name in request.modalities if name not in known]
        if unknown:  # who declines a misspelt sense must not believe that it has stopped
            named = ", ".join(repr(name) for name in unknown)
            response.message = f"modalities must be of {', '.join(known)}; got {named}"
            return response
        with self.lock:
            self.consent.set(request.person_id, request.granted, tuple(request.modalities))
            if not request.granted and not request.modalities and request.person_id:
                self.pipeline.forget(request.person_id)
            try:
                self.memory.keep_consent(request.person_id)
            except EmostressError as error:
                response.message = f"holds until the node ends, but could not be kept: {error}"
                return response
        whom = request.person_id or "everyone"
        what = ", ".join(request.modalities) or "all modalities"
        response.success = True
        response.message = f"{whom}: {what} {'granted' if request.granted else 'withdrawn'}"
        return response

    def _on_start_baseline(self, request: Any, response: Any) -> Any:
        duration_s = stamp_to_ns(request.duration) / 1e9 or _REST_S
        with self.lock:
            people = [request.person_id] if request.person_id else self.pipeline.people
            try:
                for person in people:
                    self.pipeline.start_baseline(person, duration_s)
            except EmostressError as error:
                response.message = str(error)
                return response
        response.success = bool(people)
        response.message = (
            f"{', '.join(people)}: {duration_s:g} s of rest have begun"
            if people
            else "nobody is reported on now"
        )
        return response

    def _on_forget(self, request: Any, response: Any) -> Any:
        if not request.person_id:
            response.message = "person_id must name whom to forget; it came empty"
            return response
        try:
            with self.lock:
                known = self.memory.forget(request.person_id)
        except EmostressError as error:
            response.message = str(error)
            return response
        response.success = True
        response.message = (
            f"{request.person_id} is forgotten" if known else f"{request.person_id} was not known"
        )
        return response


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(FusionNode, "fusion_node")


if __name__ == "__main__":
    raise SystemExit(main())
