"""Who the evidence is about: by configuration, by the id it carries, or by who is in view."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from emostress_ros.affect import Embedding


class PersonDirectory:
    """Finds the person of an embedding.

    A source named in the configuration is that person.  An embedding that carries a person's id
    is about that person, and a face track is a person of its own.  Evidence that carries no id
    (a voice, an utterance, a wearable that nobody is named for) is about the one person in view.
    While nobody is in view it stays with the person it was last about; with several in view it is
    about nobody: it is counted as unassigned, never guessed.

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
        self.unassigned: Counter[str] = Counter()

    def resolve(self, embedding: Embedding) -> str | None:
        """Return the person, or None when it cannot be said."""
        named = self._named(embedding)
        if embedding.modality == "face" and named is not None:
            self._see(named, embedding.stamp_ns)
        if named is not None:
            return named
        in_view = self.in_view(embedding.stamp_ns)
        if len(in_view) > 1:
            self._last = None
        elif in_view:
            self._last = in_view[0]
        if self._last is None:
            self.unassigned[embedding.modality] += 1
        return self._last

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
        if self._last == person_id or (self._last is None and not self._seen_ns):
            self._last = self._default

    def _named(self, embedding: Embedding) -> str | None:
        for key in (embedding.source_id, embedding.person_id):
            if key and key in self._identities:
                return self._identities[key]
        if embedding.person_id:
            return embedding.person_id
        if embedding.modality == "face" and embedding.source_id:
            return embedding.source_id
        return None

    def _see(self, person_id: str, stamp_ns: int) -> None:
        self._seen_ns[person_id] = stamp_ns
        others = [person for person in self.in_view(stamp_ns) if person != person_id]
        self._last = None if others else person_id
