"""What the fusion keeps of people from one start to the next: their consents and their rests."""

from __future__ import annotations

from emostress_ros.fusion import FusionPipeline
from emostress_ros.person.store import PersonStore

_REST, _CONSENT = "rest", "consent"


class PeopleMemory:
    """Between the fusion and the store; without a store nothing is kept.

    Only of people with a lasting name: a face track is somebody else tomorrow.

    Args:
        store: or None.
        pipeline: whose people they are.
    """

    def __init__(self, store: PersonStore | None, pipeline: FusionPipeline) -> None:
        self._store, self._pipeline = store, pipeline
        self._kept: dict[str, tuple[str, ...]] = {}

    def recall(self) -> None:
        """Restore what was kept of everybody.

        Raises:
            StoreError, SignalError: a file is damaged, or of another key.
        """
        if self._store is None:
            return
        for person, sections in self._store.people().items():
            if _CONSENT in sections:
                said = self._store.load(person, _CONSENT) or {}
                for modality, granted in said.items():
                    names = () if modality == "*" else (modality,)
                    self._pipeline.consent.set(person, bool(granted), names)
            if _REST in sections:
                self._pipeline.resting.restore(person, self._store.load(person, _REST) or {})
                self._kept[person] = self._pipeline.resting.complete(person)

    def keep_rests(self) -> None:
        """Keep every rest that has been completed since.

        Raises:
            StoreError: it cannot be written.
        """
        if self._store is None:
            return
        for person in self._pipeline.people:
            done = self._pipeline.resting.complete(person)
            if done != self._kept.get(person, ()) and self._pipeline.directory.lasting(person):
                self._store.save(person, _REST, self._pipeline.resting.to_dict(person))
                self._kept[person] = done

    def keep_consent(self, person_id: str) -> None:
        """Keep what a person has said; what holds for everyone is the configuration's.

        Raises:
            StoreError: it cannot be written.
        """
        if self._store is None or not person_id:
            return
        said = {name: yes for person, name, yes in self._pipeline.consent if person == person_id}
        self._store.save(person_id, _CONSENT, said)

    def forget(self, person_id: str) -> bool:
        """Drop all that is known or kept of a person; return whether there was anything.

        Raises:
            StoreError: something is left that cannot be deleted.
        """
        known = self._pipeline.forget(person_id)
        self._pipeline.consent.forget(person_id)
        self._kept.pop(person_id, None)
        kept = self._store is not None and self._store.forget(person_id)
        return known or kept
