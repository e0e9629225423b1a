"""``physiology_node``: a wearable's samples in, an embedding with a stress estimate out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emostress_ros.errors import EmostressError
from emostress_ros.fusion.parameters import pairs
from emostress_ros.modalities.messages import physiology_from_msg, stamp_to_ns
from emostress_ros.modalities.physiology import PhysiologyConfig, PhysiologyPipeline
from emostress_ros.msg import PhysiologySamples
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node
from emostress_ros.parameters import parameter
from emostress_ros.person.baseline import RestingBaseline
from emostress_ros.person.store import PersonStore, StoreConfig
from emostress_ros.srv import ForgetPerson, StartBaseline

_MESSAGES_KEPT = 500
_REST_S = 60.0
_SECTION = "physiology"


@dataclass(frozen=True)
class PhysiologyNodeConfig(PhysiologyConfig, StoreConfig):
    """The physiology's parameters, who wears what, and what is kept of people."""

    identities: tuple[str, ...] = parameter(
        (),
        "Who wears a device, as 'device=person'; several devices may be one person's.  It goes "
        "before the person that a message names.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self.wearers()

    def wearers(self) -> dict[str, str]:
        """Return :attr:`identities` as device to person."""
        return pairs("identities", self.identities)


class PhysiologyNode(ModalityNode):
    """Subscribes to ``physiology``, publishes ``embeddings/physiology``.

    Services: ``~/start_baseline`` and ``~/forget_person``.
    """

    modality = "physiology"
    config_class = PhysiologyNodeConfig

    def make_pipeline(self, config: PhysiologyConfig) -> PhysiologyPipeline:
        """Load the stress model."""
        return PhysiologyPipeline(config)

    def setup(self, config: Any) -> None:
        """Recall the rests that were kept, and offer the services."""
        super().setup(config)
        self._wearers = config.wearers()
        self._recall(config.open_store())
        self._offered = [
            self.create_service(StartBaseline, "~/start_baseline", self._on_start_baseline),
            self.create_service(ForgetPerson, "~/forget_person", self._on_forget),
        ]

    def teardown(self) -> None:
        """Take the services back."""
        super().teardown()
        for service in self._offered:
            self.destroy_service(service)

    def inputs(self) -> list[InputTopic]:
        """Return the wearable's topic; several signals of 1 to 64 Hz share it."""
        return [InputTopic("physiology", PhysiologySamples, self._on_samples, _MESSAGES_KEPT)]

    def _on_samples(self, message: Any) -> None:
        samples, stamp_ns = physiology_from_msg(message)
        person = self._wearers.get(message.device_id, message.person_id)
        with self.lock:
            self.pipeline.add(
                signal=message.signal,
                unit=message.unit,
                sample_rate_hz=float(message.sample_rate_hz),
                channels=int(message.channels),
                data=samples,
                stamp_ns=stamp_ns,
                person_id=person,
                device_id=message.device_id,
            )
            embeddings = self.pipeline.step()
            if embeddings:
                self._keep_rest(person)
        self.publish(embeddings, message.header.frame_id)

    def _recall(self, store: PersonStore | None) -> None:
        self._store, self._kept = store, set[str]()
        for person, sections in (store.people() if store else {}).items():
            values = store.load(person, _SECTION) if store and _SECTION in sections else None
            if values is not None:
                self.pipeline.set_baseline(person, RestingBaseline.from_dict(values))
                self._kept.add(person)

    def _keep_rest(self, person: str) -> None:
        # An unnamed wearer is somebody else tomorrow.
        if self._store is None or not person or person in self._kept:
            return
        baseline = self.pipeline.baseline(person)
        if baseline is not None and baseline.complete:
            self._kept.add(person)
            try:
                self._store.save(person, _SECTION, baseline.to_dict())
            except EmostressError as error:  # the rest holds all the same, and so does what follows
                self.get_logger().error(str(error))

    def _on_start_baseline(self, request: Any, response: Any) -> Any:
        duration_s = stamp_to_ns(request.duration) / 1e9 or _REST_S
        if duration_s < self.config.window_s:
            response.message = (
                f"a rest must last at least one window of {self.config.window_s:g} s; "
                f"got {duration_s:g} s"
            )
            return response
        with self.lock:
            people = [request.person_id] if request.person_id else list(self.pipeline.persons)
            try:
                for person in people:
                    self.pipeline.start_baseline(person, duration_s=duration_s)
                    self._kept.discard(person)
            except EmostressError as error:
                response.message = str(error)
                return response
        response.success = bool(people)
        whom = ", ".join(person or "the wearer" for person in people)
        response.message = (
            f"{whom}: {duration_s:g} s of rest have begun" if people else "no wearable is heard"
        )
        return response

    def _on_forget(self, request: Any, response: Any) -> Any:
        try:
            with self.lock:
                known = self.pipeline.forget(request.person_id)
                self._kept.discard(request.person_id)
                if self._store is not None:
                    known = self._store.forget(request.person_id) or known
        except EmostressError as error:
            response.message = str(error)
            return response
        response.success = True
        whom = request.person_id or "the wearer"
        response.message = f"{whom} is forgotten" if known else f"{whom} was not known"
        return response


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(PhysiologyNode, "physiology_node")


if __name__ == "__main__":
    raise SystemExit(main())
