"""Consent: per person and modality, with a policy for those who said nothing."""

from __future__ import annotations

import pytest

from emostress_ros.errors import ConsentError, ParameterError
from emostress_ros.person.consent import EVERYONE, ConsentRegistry


@pytest.mark.parametrize(("policy", "held"), [("assumed", True), ("required", False)])
def test_the_policy_holds_for_those_who_said_nothing(policy: str, held: bool) -> None:
    assert ConsentRegistry(policy).granted("ann", "face") is held


def test_a_word_on_one_modality_leaves_the_others() -> None:
    consent = ConsentRegistry()
    consent.set("ann", granted=False, modalities=("face", "voice"))
    assert not consent.granted("ann", "face")
    assert consent.granted("ann", "text")
    assert consent.granted("bob", "face")


def test_the_last_word_counts() -> None:
    consent = ConsentRegistry("required")
    consent.set("ann", granted=True, modalities=("face",))
    consent.set("ann", granted=False)
    assert not consent.granted("ann", "face")
    consent.set("ann", granted=True)
    assert consent.granted("ann", "face")
    consent.set("ann", granted=False, modalities=("face",))
    assert not consent.granted("ann", "face")
    assert consent.granted("ann", "voice")


def test_everyone_overrules_what_single_people_said_before() -> None:
    consent = ConsentRegistry()
    consent.set("ann", granted=True)
    consent.set(EVERYONE, granted=False)
    assert not consent.granted("ann", "face")
    assert not consent.granted("a stranger", "face")
    consent.set("ann", granted=True)
    assert consent.granted("ann", "face")
    assert not consent.granted("bob", "face")


def test_forgetting_brings_the_policy_back() -> None:
    consent = ConsentRegistry("required")
    consent.set("ann", granted=True)
    assert list(consent) == [("ann", "*", True)]
    consent.forget("ann")
    assert not consent.granted("ann", "face")
    assert not list(consent)


def test_require_names_who_and_what() -> None:
    with pytest.raises(ConsentError, match=r"ann.*voice"):
        ConsentRegistry("required").require("ann", "voice")
    ConsentRegistry().require("ann", "voice")


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ParameterError, match="assumed, required"):
        ConsentRegistry("perhaps")
    with pytest.raises(ParameterError, match="modalities"):
        ConsentRegistry().set("ann", True, ("",))
