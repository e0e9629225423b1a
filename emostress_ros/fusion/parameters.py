"""Parameters of the fusion, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.errors import ParameterError
from emostress_ros.fusion.smoothing import SmoothingTerms
from emostress_ros.fusion.verdict import FROM_CARD
from emostress_ros.inference.session import PROVIDERS
from emostress_ros.parameters import parameter
from emostress_ros.sync import SyncConfig


@dataclass(frozen=True)
class FusionConfig(SyncConfig):
    """What is fused, for whom, and when the answer is *unknown*."""

    model: str = parameter("fusion_attention", "Name or folder of the fusion model.")
    providers: tuple[str, ...] = parameter(
        ("cpu",),
        "Execution providers in order of preference; so small a model is quickest on the CPU.",
        choices=tuple(PROVIDERS),
    )
    modalities: tuple[str, ...] = parameter(
        ("face", "voice", "physiology", "text"), "Modalities that a state reports on."
    )
    max_age_s: tuple[str, ...] = parameter(
        (),
        "How old evidence of a modality may be, as 'modality=seconds'; what is not named here "
        "takes the value of the fusion model's card.",
    )
    interpolate: tuple[str, ...] = parameter(
        ("face", "physiology"),
        "Modalities that are read between two of their windows, linear in time; the others speak "
        "as they last did.",
    )
    identities: tuple[str, ...] = parameter(
        (),
        "Who a source is, as 'source=person': a face track, voice or device id on the left.",
    )
    humans: bool = parameter(
        True,
        "Also learn who a face or voice is from ROS4HRI's /humans/persons/<person>/face_id and "
        "voice_id, where somebody publishes them.",
    )
    default_person: str = parameter(
        "person_1", "Whom evidence is about when no face is in view and no id is given."
    )
    presence_s: float = parameter(
        2.0,
        "A person whose face was seen this long ago still counts as in view.",
        minimum=0.1,
        maximum=60.0,
        unit="s",
    )
    forget_after_s: float = parameter(
        30.0,
        "A person without any evidence for this long is no longer reported on.",
        minimum=1.0,
        maximum=3600.0,
        unit="s",
    )
    max_people: int = parameter(16, "Most people reported on at once.", minimum=1, maximum=256)
    smoothing_s: float = parameter(
        0.6,
        "Evidence of emotion that lasts this long counts as one look, and numbers are smoothed "
        "over it; 0 turns all smoothing off.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
    )
    emotion_lasts_s: float = parameter(
        7.0,
        "How long an emotion lasts on average: the longer, the more it takes to name another.",
        minimum=0.1,
        maximum=3600.0,
        unit="s",
    )
    stress_smoothing_s: float = parameter(
        5.0,
        "As 'smoothing_s', for stress; 0 turns all smoothing off.",
        minimum=0.0,
        maximum=300.0,
        unit="s",
    )
    stress_lasts_s: float = parameter(
        30.0,
        "How long a person stays stressed, or calm, on average.",
        minimum=0.1,
        maximum=36000.0,
        unit="s",
    )
    stress_hold_s: float = parameter(
        2.0,
        "A stress level is published once it has been found for this long; from and to unknown it "
        "changes at once.",
        minimum=0.0,
        maximum=60.0,
        unit="s",
    )
    unknown_below: float = parameter(
        FROM_CARD,
        "Confidence under which the emotion is 'unknown', 0 to 1; -1 takes 'threshold_unknown' of "
        "the fusion model's card.",
        minimum=-1.0,
        maximum=1.0,
    )
    min_quality: float = parameter(
        0.1,
        "Evidence of a lower quality is reported as LOW_QUALITY and not used.",
        minimum=0.0,
        maximum=1.0,
    )
    consent: str = parameter(
        "assumed",
        "'assumed' uses the evidence about a person until they decline; 'required' uses none "
        "until they agree.",
        choices=("assumed", "required"),
    )

    def ages(self) -> dict[str, float]:
        """Return :attr:`max_age_s` as modality to seconds."""
        ages = {}
        for name, value in pairs("max_age_s", self.max_age_s).items():
            try:
                ages[name] = float(value)
            except ValueError:
                ages[name] = -1.0
            if not ages[name] > 0.0:
                raise ParameterError(
                    f"parameter 'max_age_s' needs seconds > 0; got '{name}={value}'"
                )
        return ages

    def smoothing(self) -> SmoothingTerms:
        """Return how states are smoothed."""
        return SmoothingTerms(
            self.smoothing_s,
            self.emotion_lasts_s,
            self.stress_smoothing_s,
            self.stress_lasts_s,
            self.stress_hold_s,
        )

    def people(self) -> dict[str, str]:
        """Return :attr:`identities` as source to person."""
        return pairs("identities", self.identities)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.modalities:
            raise ParameterError("parameter 'modalities' must name at least one; it came empty")
        if self.unknown_below < 0.0 and self.unknown_below != FROM_CARD:
            raise ParameterError(
                f"parameter 'unknown_below' must be 0 to 1, or -1 for the threshold of the fusion "
                f"model's card; got {self.unknown_below:g}"
            )
        self.ages()
        self.people()


def pairs(name: str, entries: tuple[str, ...]) -> dict[str, str]:
    """Return entries 'key=value' of the parameter ``name`` as a mapping.

    Raises:
        ParameterError: an entry that is none.
    """
    found = {}
    for entry in entries:
        key, equals, value = entry.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise ParameterError(f"parameter '{name}' needs entries 'key=value'; got '{entry}'")
        found[key.strip()] = value.strip()
    return found
