"""Who the evidence is about: by configuration, by its id, by who speaks, or by who is in view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from emostress_ros.affect import Embedding
from emostress_ros.fusion.speaker import MouthHistory

SPOKEN = ("voice", "text")
"""Modalities whose evidence was spoken: a moving mouth tells whose it is."""


class PersonDirectory:
    """Finds the person of an embedding.

    A source named in the configuration is that person.  An embedding that carries a person's id
    is about that person, and a face track is a person of its own.  Evidence that carries no id
    (a voice, an utterance, a wearable that nobody is named for) is about the one person in view.
    While nobody is in view it stays with the person it was last about.  With several in view, what
    was spoken is about the one whose mouth moved meanwhile (see :class:`MouthHistory`); what still
    cannot be assigned is about nobody: it is counted as unassigned, never guessed.

    Args:
        identities: source id or person id to person.
        default_person: whom it is about before anybody was in view.
        presence_ns: how long a person counts as in view after their face was seen.
    """

    def __init__(
        self, identities: Mapping[str, str], default_person: str, presence_ns: int
    ) -> None:
        self._identities = dict(identities)
        self._default = default_person
        self._presence_ns = presence_ns
        self._seen_ns: dict[str, int] = {}
        self._last: str | None = default_person
        self._mouths = MouthHistory()
        self._named_people = {default_person, *identities.values()}
        self.unassigned: Counter[str] = Counter()

    def resolve(self, embedding: Embedding) -> str | None:
        """Return the person, or None when it cannot be said."""
        named = self._named(embedding)
        if embedding.modality == "face" and named is not None:
            self._see(named, embedding)
        if named is not None:
            return named
        in_view = self.in_view(embedding.stamp_ns)
        if len(in_view) > 1:
            self._last = None
            person = self._speaker(embedding, in_view)
        else:
            person = self._last = in_view[0] if in_view else self._last
        if person is None:
            self.unassigned[embedding.modality] += 1
        return person

    def name(self, source_id: str, person_id: str | None) -> None:
        """Learn while running who a source is; None takes the name back."""
        if person_id is None:
            self._identities.pop(source_id, None)
        else:
            self._identities[source_id] = person_id
            self._named_people.add(person_id)

    def lasting(self, person_id: str) -> bool:
        """Return whether a person's id means the same person tomorrow.

        A name that was configured, told or carried does; a face track's does not.
        """
        return person_id in self._named_people

    def _speaker(self, embedding: Embedding, in_view: list[str]) -> str | None:
        if embedding.modality not in SPOKEN:
            return None
        begin_ns = embedding.stamp_ns - embedding.window_ns
        return self._mouths.speaker(in_view, begin_ns, embedding.stamp_ns)

    def in_view(self, stamp_ns: int) -> list[str]:
        """Return those whose face was seen lately, at a moment of the sensors' clock."""
        # A stamp that lies far ahead was seen before the clock went back.
        return [
            person
            for person, seen in self._seen_ns.items()
            if abs(stamp_ns - seen) <= self._presence_ns
        ]

    def forget(self, person_id: str) -> None:
        """Drop what is known of a person."""
        self._seen_ns.pop(person_id, None)
        self._mouths.forget(person_id)
        if self._last == person_id or (self._last is None and not self._seen_ns):
            self._last = self._default

    def _named(self, embedding: Embedding) -> str | None:
        for key in (embedding.source_id, embedding.person_id):
            if key and key in self._identities:
                return self._identities[key]
        if embedding.person_id:
            self._named_people.add(embedding.person_id)
            return embedding.person_id
        if embedding.modality == "face" and embedding.source_id:
            return embedding.source_id
        return None

    def _see(self, person_id: str, embedding: Embedding) -> None:
        stamp_ns = embedding.stamp_ns
        self._seen_ns[person_id] = stamp_ns
        motion = embedding.measures.get("mouth_motion")
        if motion is not None:
            self._mouths.add(person_id, stamp_ns, motion)
        others = [person for person in self.in_view(stamp_ns) if person != person_id]
        self._last = None if others else person_id
