"""The wire vocabulary: what the definitions say, and that the generated classes say the same."""

from __future__ import annotations

import array
import importlib
import math
import re
from pathlib import Path

import pytest

from emostress_ros.affect import ContributionStatus, StressLevel

pytest.importorskip("rclpy", reason="needs ROS 2")

ROOT = Path(__file__).resolve().parent.parent
DEFINITIONS = sorted([*ROOT.glob("msg/*.msg"), *ROOT.glob("srv/*.srv")])
DECLARATION = re.compile(
    r"^(?P<type>\S+)\s+(?P<name>\w+)(?P<value>\s*=\s*\S+)?\s*(?P<comment>#.*)?$"
)
UNIT_OR_RANGE = re.compile(r"\[[^]]+\]")


def declarations(text: str) -> list[re.Match[str]]:
    """Return the fields and constants of a definition, in order."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    matches = [DECLARATION.match(line) for line in lines if line != "---"]
    assert all(matches), f"not understood: {text}"
    return [match for match in matches if match]


def fields(text: str) -> list[str]:
    """Return the names of the fields, in order."""
    return [match["name"] for match in declarations(text) if not match["value"]]


def generated(path: Path) -> list[type]:
    """Return the generated classes of a definition: one, or a request and a response."""
    module = importlib.import_module(f"emostress_ros.{path.parent.name}")
    cls = getattr(module, path.stem)
    return [cls] if path.suffix == ".msg" else [cls.Request, cls.Response]


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_field_is_explained(path: Path) -> None:
    text = path.read_text(encoding="ascii")  # some generators read in the locale's encoding
    assert text.startswith("# "), "says first what it is"
    for match in declarations(text):
        assert match["comment"], f"{match['name']} has no comment"


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_every_number_has_a_unit_or_a_range(path: Path) -> None:
    for match in declarations(path.read_text(encoding="ascii")):
        if match["value"] or match["type"] not in ("float32", "float64"):
            continue
        told = match["comment"]
        assert UNIT_OR_RANGE.search(told) or " .. " in told, f"{match['name']}: {told}"


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.name)
def test_the_installed_messages_are_those_of_the_source(path: Path) -> None:
    parts = re.split(r"^---$", path.read_text(encoding="ascii"), flags=re.MULTILINE)
    for part, cls in zip(parts, generated(path), strict=True):
        assert list(cls.get_fields_and_field_types()) == fields(part), (
            "the installed messages are older than the source: install the package again"
        )


def test_constants_are_those_of_the_core() -> None:
    msg = importlib.import_module("emostress_ros.msg")
    for status in ContributionStatus:
        assert getattr(msg.ModalityContribution, status.name) == status
    for level in StressLevel:
        assert getattr(msg.AffectState, level.name) == level


def test_a_state_survives_the_wire() -> None:
    serialization = importlib.import_module("rclpy.serialization")
    msg = importlib.import_module("emostress_ros.msg")
    sent = msg.AffectState(
        person_id="Zoë",
        labels=["neutral", "happy"],
        probabilities=array.array("f", [0.25, 0.75]),
        stress=math.nan,
        contributions=[msg.ModalityContribution(status=msg.ModalityContribution.NO_CONSENT)],
    )
    got = serialization.deserialize_message(serialization.serialize_message(sent), msg.AffectState)
    assert (got.person_id, got.labels) == ("Zoë", ["neutral", "happy"])
    assert list(got.probabilities) == [0.25, 0.75]
    assert math.isnan(got.stress)
    assert got.contributions[0].status == msg.ModalityContribution.NO_CONSENT


def test_a_service_of_each_kind_can_be_asked() -> None:
    srv = importlib.import_module("emostress_ros.srv")
    consent = srv.SetConsent.Request(person_id="", granted=True, modalities=["face"])
    assert consent.modalities == ["face"]
    assert srv.StartBaseline.Request().duration.sec == 0
    assert srv.ForgetPerson.Response(success=True, message="forgotten").success
