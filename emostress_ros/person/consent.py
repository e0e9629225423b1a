"""Who has agreed to be sensed, and by what.

Consent is asked per person and modality. What holds for someone who has not been asked is the
policy: ``assumed`` for a study whose consent lies on paper, ``required`` for a robot among
strangers.  What was said last overrules what was said before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from emostress_ros.errors import ConsentError, ParameterError

POLICIES = ("assumed", "required")
EVERYONE = ""
"""Person id that stands for everyone, also for those who are not yet known."""
_EVERY = "*"


class ConsentRegistry:
    """Consents by person and modality.

    Args:
        policy: what holds where nothing was said, one of :data:`POLICIES`.

    Raises:
        ParameterError: an unknown policy.
    """

    def __init__(self, policy: str = "assumed") -> None:
        if policy not in POLICIES:
            raise ParameterError(f"policy must be one of {', '.join(POLICIES)}; got {policy!r}")
        self.policy = policy
        self._said: dict[tuple[str, str], bool] = {}

    def granted(self, person_id: str, modality: str) -> bool:
        """Return whether ``modality`` may sense ``person_id``.

        A person's own word goes before what was said for everyone, and a word on the modality
        before a word on all of them.
        """
        for person in (person_id, EVERYONE):
            for name in (modality, _EVERY):
                if (person, name) in self._said:
                    return self._said[person, name]
        return self.policy == "assumed"

    def set(self, person_id: str, granted: bool, modalities: Sequence[str] = ()) -> None:
        """Note a consent or its withdrawal.

        Args:
            person_id: whose; empty: everyone's, which overrules what single persons said of the
                same modalities before.
            granted: agreed or withdrawn.
            modalities: for what; empty: for all.

        Raises:
            ParameterError: a modality with an empty name.
        """
        if not all(modalities):
            raise ParameterError(f"a consent names modalities; got {list(modalities)!r}")
        names = set(modalities)
        for person, name in list(self._said):
            if person_id in (EVERYONE, person) and (not names or name in names):
                del self._said[person, name]
        for name in names or {_EVERY}:
            self._said[person_id, name] = bool(granted)

    def require(self, person_id: str, modality: str) -> None:
        """Do nothing when the consent is there.

        Raises:
            ConsentError: it is not; names the person and the modality.
        """
        if not self.granted(person_id, modality):
            raise ConsentError(f"person '{person_id}' has not agreed to be sensed by {modality}")

    def forget(self, person_id: str) -> None:
        """Drop all that a person said; what holds for everyone holds again."""
        self._said = {key: value for key, value in self._said.items() if key[0] != person_id}

    def __iter__(self) -> Iterator[tuple[str, str, bool]]:
        """Yield (person, modality, granted) of all that was said; ``*``: every modality."""
        yield from [(person, name, yes) for (person, name), yes in self._said.items()]
