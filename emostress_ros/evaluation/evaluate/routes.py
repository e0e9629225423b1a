"""Which topic of a bag is which sense: found by type, or told by a remapping file.

A remapping file names topics of the bag, each with its role and what its messages do not say::

    topics:
      /camera/image_raw/compressed: {role: image}
      /mic/audio:                   {role: audio, sample_rate_hz: 16000, channels: 1}
      /biosensors/empatica_e4/gsr:  {role: physiology, signal: eda, unit: uS, sample_rate_hz: 4}
      /asr/text:                    {role: utterance, person: anna}
      /second_camera/image_raw:     {role: ignore}

A topic that the bag lacks is passed over, so that one file serves many bags. A role for which a
topic is named is not looked for elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.errors import BagError, ParameterError
from emostress_ros.evaluation.bags.messages import (
    AUDIO,
    COMPRESSED,
    IMAGE,
    PHYSIOLOGY,
    UTTERANCE,
)
from emostress_ros.modalities.physiology.signals import SIGNALS
from emostress_ros.resources import share_directory

MODALITY_OF: Mapping[str, str] = {
    "image": "face", "audio": "voice", "physiology": "physiology", "utterance": "text",
}  # fmt: skip
"""Role of a topic to the sense that takes it in."""
_NUMBERS = tuple(
    f"std_msgs/msg/{name}{kind}"
    for name in ("Float32", "Float64", "Int32", "Int16", "UInt16")
    for kind in ("", "MultiArray")
)
ROLES: Mapping[str, tuple[str, ...]] = {
    "image": (IMAGE, COMPRESSED),
    "audio": (
        AUDIO,
        *(f"audio_common_msgs/msg/{x}" for x in ("AudioStamped", "Audio")),
        *(f"audio_common_msgs/msg/{x}" for x in ("AudioDataStamped", "AudioData")),
    ),
    "physiology": (PHYSIOLOGY, *_NUMBERS),
    "utterance": (UTTERANCE, "hri_msgs/msg/LiveSpeech", "std_msgs/msg/String"),
}
"""Role to the types that can play it."""
_TOLD_ONLY = (*_NUMBERS, "std_msgs/msg/String")  # a type that says nothing of its meaning
_ONE = ("image", "audio")  # a second camera or microphone would interleave with the first


@dataclass(frozen=True)
class Route:
    """What one topic of a bag is.

    Attributes:
        topic: absolute name.
        msgtype: its type.
        role: a key of `ROLES`.
        signal: of a wearable's bare numbers, a name of `SIGNALS`.
        unit: of them.
        sample_rate_hz: of them, or of sound that does not say it; 0: events.
        channels: of the same.
        person: whom it is about, where the messages do not say.
        device: a name for the wearable; default the topic's parent.
    """

    topic: str
    msgtype: str
    role: str
    signal: str = ""
    unit: str = ""
    sample_rate_hz: float = 0.0
    channels: int = 1
    person: str = ""
    device: str = ""


@dataclass(frozen=True)
class Remap:
    """What a remapping file says.

    Attributes:
        source: the file, for messages.
        topics: topic to the settings of its `Route`; an empty mapping is a topic to ignore.
    """

    source: str
    topics: Mapping[str, Mapping[str, Any]]


NO_REMAP = Remap("", {})
_SETTINGS = [x.name for x in fields(Route) if x.name not in ("topic", "msgtype")]
_TEXTS = ("role", "signal", "unit", "person", "device")


def read_remap(path: Path | str) -> Remap:
    """Read a remapping file, or one that is shipped in ``config/remap`` by its name.

    Raises:
        ParameterError: names the file, the topic, what came and what is allowed.
    """
    path = Path(path)
    shipped = share_directory() / "config" / "remap"
    file = path if path.is_file() else shipped / f"{path}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(x.stem for x in shipped.glob("*.yaml")))
        raise ParameterError(f"remap '{path}': no such file, and none of those shipped: {known}")
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ParameterError(f"{file} is not YAML: {error}") from error
    topics = document.get("topics") if isinstance(document, dict) else None
    if not isinstance(topics, dict) or set(document) != {"topics"}:
        raise ParameterError(f"{file} must map 'topics' to topics; got {str(document)[:80]!r}")
    return Remap(str(file), {_absolute(x): _settings(file, x, y) for x, y in topics.items()})


def routes_of(topics: Mapping[str, str], remap: Remap = NO_REMAP) -> list[Route]:
    """The topics of a bag that a sense can take in.

    Args:
        topics: type by topic.
        remap: what is told of them.

    Raises:
        BagError: none can be, or several cameras or microphones and nothing says which.
        ParameterError: a topic is told to be what its type cannot be.
    """
    told = [
        _route(remap.source, topic, topics[topic], settings)
        for topic, settings in remap.topics.items()
        if topic in topics and settings["role"] != "ignore"
    ]
    named = {settings["role"] for topic, settings in remap.topics.items() if topic in topics}
    found = [
        Route(topic, topics[topic], role, sample_rate_hz=16000.0 if role == "audio" else 0.0)
        for topic in sorted(topics)
        if topic not in remap.topics and (role := _role_of(topics[topic])) and role not in named
    ]
    routes = [*told, *_without_rivals(found)]
    if not routes:
        held = ", ".join(f"{name} ({kind})" for name, kind in sorted(topics.items()))
        raise BagError(
            f"no topic that a sense can take in; tell which is which with --remap: {held}"
        )
    return routes


def _role_of(msgtype: str) -> str:
    if msgtype in _TOLD_ONLY:
        return ""
    return next((role for role, types in ROLES.items() if msgtype in types), "")


def _without_rivals(found: list[Route]) -> list[Route]:
    """One camera and one microphone: the topic with the package's own name goes first."""
    chosen = [route for route in found if route.role not in _ONE]
    for role in _ONE:
        rivals = [route for route in found if route.role == role]
        own = [route for route in rivals if route.topic in (f"/{role}", f"/{role}/compressed")]
        if len(rivals) > 1 and not own:
            names = ", ".join(route.topic for route in rivals)
            raise BagError(f"several topics could be the {role}: {names}; choose with --remap")
        chosen += (own or rivals)[:1]
    return chosen


def _absolute(topic: Any) -> str:
    return f"/{str(topic).lstrip('/')}"


def _settings(file: Path, topic: str, settings: Any) -> Mapping[str, Any]:
    where = f"{file}: {topic}"
    if not isinstance(settings, dict) or settings.get("role") not in (*ROLES, "ignore"):
        raise ParameterError(
            f"{where}: need a mapping with 'role', one of {', '.join(ROLES)}, ignore; "
            f"got {settings!r}"
        )
    for name, value in settings.items():
        if name not in _SETTINGS:
            raise ParameterError(f"{where}: no setting '{name}'; allowed: {', '.join(_SETTINGS)}")
        texts = isinstance(value, str)
        if texts != (name in _TEXTS) or isinstance(value, bool):
            kind = "a text" if name in _TEXTS else "a number"
            raise ParameterError(f"{where}: '{name}' must be {kind}; got {value!r}")
    return settings


def _route(source: str, topic: str, msgtype: str, settings: Mapping[str, Any]) -> Route:
    role = settings["role"]
    where = f"{source}: {topic}"
    if msgtype not in ROLES[role]:
        allowed = ", ".join(ROLES[role])
        raise ParameterError(f"{where}: {msgtype} cannot be the {role}; these can: {allowed}")
    values = {"device": topic.rsplit("/", 1)[0].strip("/"), **settings}
    if role == "audio":
        values.setdefault("sample_rate_hz", 16000.0)
    if msgtype in _NUMBERS:
        _check_numbers(where, values)
    return Route(topic, msgtype, **values)


def _check_numbers(where: str, values: Mapping[str, Any]) -> None:
    """Bare numbers say nothing: signal, unit and rate must be told."""
    signal = values.get("signal", "")
    if signal not in SIGNALS:
        raise ParameterError(
            f"{where}: 'signal' must be one of {', '.join(SIGNALS)}; got {signal!r}"
        )
    kind = SIGNALS[signal]
    if values.get("unit") not in kind.units:
        units = ", ".join(repr(unit) for unit in kind.units)
        raise ParameterError(
            f"{where}: 'unit' of {signal} must be one of {units}; got {values.get('unit')!r}"
        )
    low, high = kind.rates_hz
    rate = values.get("sample_rate_hz", 0.0)
    if signal != "ibi" and not low <= rate <= high:
        raise ParameterError(
            f"{where}: 'sample_rate_hz' of {signal} must be {low:g} to {high:g}; got {rate:g}"
        )
    if values.get("channels", 1) != kind.channels:
        raise ParameterError(f"{where}: {signal} has {kind.channels} channel(s); set 'channels'")
