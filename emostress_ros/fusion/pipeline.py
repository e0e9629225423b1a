"""From embeddings of several people and senses to each person's affect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from emostress_ros.affect import Affect, AlignedSet, Embedding
from emostress_ros.errors import CardError, ModelNotFoundError, ParameterError
from emostress_ros.fusion.between import between
from emostress_ros.fusion.parameters import FusionConfig
from emostress_ros.fusion.people import PersonDirectory
from emostress_ros.fusion.smoothing import Smoother
from emostress_ros.fusion.strategies import load_fusion
from emostress_ros.fusion.verdict import Situation
from emostress_ros.inference.card import ModelCard
from emostress_ros.person.consent import ConsentRegistry
from emostress_ros.person.resting import RestingReadings
from emostress_ros.sync import Aligned, Aligner, SensorClock, StreamPolicy

_MISSING_AFTER = 3.0  # in ages allowed
_READ_AGAINST_REST = ("face", "voice")  # physiology has a baseline of its own, words have none


class FusionPipeline:
    """Collects embeddings, and returns the states that are due.

    Args:
        config: what is fused, for whom, and when.
        consent: who agreed to what; default as ``config.consent`` says.

    Attributes:
        counts: events by name: ``unassigned``, ``no consent``, ``clock jump``, ``too many people``.

    Example:
        >>> pipeline = FusionPipeline(FusionConfig())  # doctest: +SKIP
        >>> pipeline.add(embedding, arrival_ns=now_ns)  # doctest: +SKIP
        >>> states = pipeline.advance(now_ns)  # doctest: +SKIP
    """

    def __init__(self, config: FusionConfig, consent: ConsentRegistry | None = None) -> None:
        self.config = config
        self.consent = consent or ConsentRegistry(config.consent)
        self.fusion = load_fusion(
            config.model,
            CardReliability(),
            config.min_quality,
            config.unknown_below,
            config.providers,
        )
        self.directory = PersonDirectory(
            config.people(), config.default_person, round(1e9 * config.presence_s)
        )
        self.clock = SensorClock(config.jump_back_ns)
        self.counts: Counter[str] = Counter()
        self._policies = self._make_policies()
        self._aligners: dict[str, Aligner[Embedding]] = {}
        self._smoothers: dict[str, Smoother] = {}
        self._heard_ns: dict[str, int] = {}
        self._anonymous: dict[str, Embedding] = {}
        self.resting = RestingReadings()

    @property
    def people(self) -> list[str]:
        """Those reported on now."""
        return list(self._aligners)

    def add(self, embedding: Embedding, arrival_ns: int) -> str | None:
        """Take an embedding in.

        Args:
            embedding: of any modality; one that the configuration does not name is ignored.
            arrival_ns: the node's clock when it came.

        Returns:
            the person it is about, or None when it is not used.
        """
        if embedding.modality not in self._policies:
            self.counts[f"modality not configured: {embedding.modality}"] += 1
            return None
        self._tell_time(embedding, arrival_ns)
        person = self.directory.resolve(embedding)
        if person is None:
            self.counts["unassigned"] += 1
            return None
        if not self.consent.granted(person, embedding.modality):
            self.counts["no consent"] += 1
            self._say_refused(person, embedding.stamp_ns)
            return None
        return self._keep(person, embedding)

    def advance(self, node_ns: int) -> list[Affect]:
        """Return the states that are due at the node's ``node_ns``."""
        now_ns = self.clock.now(node_ns)
        if now_ns is None:
            return []
        due = []
        for person in list(self._aligners):
            for aligned in self._aligners[person].advance(now_ns):
                due.append(self._situation(person, aligned))
        # Everybody's moments are one batch of the model; the smoothing then goes in order.
        states = [
            self._smoothers[state.person_id].smooth(state, situation.aligned.stamp_ns)
            for situation, state in zip(due, self.fusion.fuse(due), strict=True)
        ]
        for person in list(self._aligners):
            self._forget_if_gone(person, now_ns)
        return states

    def start_baseline(self, person_id: str, duration_s: float) -> None:
        """Begin to measure how a person's face and voice are at rest.

        Raises:
            ParameterError: the person is not reported on now, or the duration is not above 0.
        """
        if person_id not in self._heard_ns:
            known = ", ".join(self._heard_ns) or "nobody"
            raise ParameterError(f"a rest needs a person in view ({known}); got '{person_id}'")
        modalities = tuple(name for name in _READ_AGAINST_REST if name in self._policies)
        self.resting.start(person_id, modalities, self._heard_ns[person_id], duration_s)

    def forget(self, person_id: str) -> bool:
        """Drop everything known of a person; tells whether there was anything."""
        known = self.leave(person_id)
        return self.resting.forget(person_id) or known

    def leave(self, person_id: str) -> bool:
        """End a person's report; their rest is kept for when they come back."""
        known = self._aligners.pop(person_id, None) is not None
        self._smoothers.pop(person_id, None)
        self._heard_ns.pop(person_id, None)
        self._anonymous.clear()
        self.directory.forget(person_id)
        return known

    def _situation(self, person: str, aligned: Aligned[Embedding]) -> Situation:
        refused = frozenset(
            name for name in self.config.modalities if not self.consent.granted(person, name)
        )
        # Long after its last sign a modality is missing rather than stale.
        stale = {
            name: embedding
            for name, embedding in aligned.stale.items()
            if aligned.ages_ns[name] <= _MISSING_AFTER * self._policies[name].max_age_ns
        }
        moment_ns = aligned.stamp_ns
        evidence = AlignedSet(
            moment_ns, person, aligned.items, aligned.ages_ns, self.config.modalities
        )
        return Situation(evidence, stale, refused)

    def _say_refused(self, person: str, stamp_ns: int) -> None:
        # States go on, so that whoever listens sees NO_CONSENT and not a fault.
        aligner = self._aligner(person)
        if aligner is not None:
            aligner.begin(stamp_ns)
            self._heard_ns[person] = stamp_ns

    def _keep(self, person: str, embedding: Embedding) -> str | None:
        aligner = self._aligner(person)
        if aligner is None:
            return None
        read = self.resting.read(person, embedding)
        aligner.add(embedding.modality, embedding.stamp_ns, read)
        self._heard_ns[person] = embedding.stamp_ns
        if not embedding.person_id and embedding.modality != "face":
            self._anonymous[embedding.modality] = embedding
        return person

    def _aligner(self, person: str) -> Aligner[Embedding] | None:
        if person in self._aligners:
            return self._aligners[person]
        if len(self._aligners) >= self.config.max_people:
            self.counts["too many people"] += 1
            return None
        self._aligners[person] = Aligner(self._policies, self.config)
        self._smoothers[person] = Smoother(self.fusion, self.config.smoothing())
        self._adopt(person)
        return self._aligners[person]

    def _adopt(self, person: str) -> None:
        # The first face in view takes over what was sensed before anybody was seen.
        default = self.config.default_person
        if person == default or list(self._aligners) not in ([default, person], [person]):
            return
        for modality, embedding in self._anonymous.items():
            if self.consent.granted(person, modality):
                self._aligners[person].add(modality, embedding.stamp_ns, embedding)
        self._aligners.pop(default, None)
        self._smoothers.pop(default, None)
        self._heard_ns.pop(default, None)

    def _forget_if_gone(self, person: str, now_ns: int) -> None:
        if now_ns - self._heard_ns.get(person, now_ns) > 1e9 * self.config.forget_after_s:
            self.leave(person)

    def _tell_time(self, embedding: Embedding, arrival_ns: int) -> None:
        stamp_ns, source = embedding.stamp_ns, embedding.source_id
        if self.clock.observe(embedding.modality, stamp_ns, arrival_ns, source):
            self.counts["clock jump"] += 1
            self._anonymous.clear()
            for person, aligner in self._aligners.items():
                aligner.reset()
                self._heard_ns[person] = stamp_ns

    def _make_policies(self) -> dict[str, StreamPolicy[Embedding]]:
        ages = self.config.ages()
        policies = {}
        for name in self.config.modalities:
            terms = self.fusion.terms_of(name)
            policies[name] = StreamPolicy[Embedding](
                round(1e9 * ages.get(name, terms.max_age_s)),
                interpolate=between if name in self.config.interpolate else None,
            )
        return policies


class CardReliability:
    """Looks the reliability of a model up in its card, once."""

    def __init__(self, load: Callable[[str], ModelCard] = ModelCard.load) -> None:
        self._load = load
        self._known: dict[str, dict[str, float]] = {}

    def __call__(self, identifier: str, task: str) -> float | None:
        """Return the skill of ``name@version`` in a task; None when its card does not say."""
        name = identifier.partition("@")[0]
        if name not in self._known:
            try:
                self._known[name] = dict(self._load(name).reliability)
            except (ModelNotFoundError, CardError):
                self._known[name] = {}
        return self._known[name].get(task)
