"""Behaviour rules: what they say, and how they are read from YAML."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.affect import EMOTIONS, UNKNOWN, Affect, StressLevel
from emostress_ros.errors import RuleError
from emostress_ros.resources import share_directory

_NUMBERS = ("confidence", "stress", "stress_confidence", "valence", "arousal")
_SIDES = ("at_least", "at_most")


@dataclass(frozen=True)
class Condition:
    """What must hold of a person's affect.

    Attributes:
        emotion: any of these labels; empty for any.
        stress_level: any of these levels; empty for any.
        at_least: quantity to lower bound.
        at_most: quantity to upper bound.

    A bound on a quantity that is not estimated (NaN) does not hold: no cue rests on nothing.
    """

    emotion: frozenset[str] = frozenset()
    stress_level: frozenset[str] = frozenset()
    at_least: Mapping[str, float] = field(default_factory=dict)
    at_most: Mapping[str, float] = field(default_factory=dict)

    def holds(self, affect: Affect, margin: float = 0.0) -> bool:
        """Tell whether it holds; ``margin`` widens every bound (hysteresis)."""
        if self.emotion and affect.emotion not in self.emotion:
            return False
        if self.stress_level and affect.stress_level.name not in self.stress_level:
            return False
        above = all(
            getattr(affect, name) >= bound - margin for name, bound in self.at_least.items()
        )
        return above and all(
            getattr(affect, name) <= bound + margin for name, bound in self.at_most.items()
        )


@dataclass(frozen=True)
class Rule:
    """A cue and when it is given.

    Attributes:
        name: unique in its set.
        cue: what the robot is asked to do.
        when: the condition.
        for_s: how long it must hold before the cue is given.
        margin: how far the bounds widen once the cue is given.
        release_s: how long the widened condition must fail before the cue is taken back.
        cool_down_s: least time between two givings of the cue to one person.
        intensity: affect quantity that sets the intensity, or a number in [0, 1].
        reason: text for people.
    """

    name: str
    cue: str
    when: Condition
    for_s: float = 1.0
    margin: float = 0.1
    release_s: float = 1.0
    cool_down_s: float = 10.0
    intensity: str | float = 1.0
    reason: str = ""

    def strength(self, affect: Affect) -> float:
        """Return the intensity of the cue for an affect, [0, 1]."""
        if not isinstance(self.intensity, str):
            return float(self.intensity)
        value = float(getattr(affect, self.intensity))
        return 0.0 if math.isnan(value) else min(1.0, max(0.0, abs(value)))


@dataclass(frozen=True)
class RuleSet:
    """Rules in order of priority, and the cue when none applies."""

    rules: tuple[Rule, ...]
    default_cue: str = "none"


def load_rules(sources: Iterable[str]) -> RuleSet:
    """Read rule files: names of presets or paths; earlier ones have priority.

    Raises:
        RuleError: names the file, the rule, what is allowed and what came.
    """
    rules: list[Rule] = []
    default = "none"
    for source in sources:
        path = _path_of(source)
        document = _read(path)
        default = str(document.get("default_cue", default))
        rules.extend(_rule(entry, path) for entry in document["rules"])
    names = [rule.name for rule in rules]
    doubles = {name for name in names if names.count(name) > 1}
    if doubles:
        raise RuleError(f"rules share the name {', '.join(sorted(doubles))}; names must differ")
    return RuleSet(tuple(rules), default)


def presets() -> dict[str, Path]:
    """Return the shipped rule files by name."""
    folder = share_directory() / "config" / "behaviour"
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def _path_of(source: str) -> Path:
    shipped = presets()
    if source in shipped:
        return shipped[source]
    path = Path(source).expanduser()
    if not path.is_file():
        raise RuleError(
            f"'{source}' is neither a preset ({', '.join(shipped)}) nor a YAML file that exists"
        )
    return path


def _read(path: Path) -> dict[str, Any]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise RuleError(f"{path} is not YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("rules"), list):
        raise RuleError(f"{path} must hold a mapping with a list 'rules'")
    unknown = set(document) - {"rules", "default_cue", "description"}
    if unknown:
        raise RuleError(
            f"{path} has unknown keys {', '.join(sorted(unknown))}; "
            f"allowed: rules, default_cue, description"
        )
    return document


def _rule(entry: Any, path: Path) -> Rule:
    if not isinstance(entry, dict):
        raise RuleError(f"{path}: a rule must be a mapping; got {entry!r}")
    allowed = {item.name for item in fields(Rule)}
    name = entry.get("name", "?")
    unknown = set(entry) - allowed
    missing = {"name", "cue", "when"} - set(entry)
    if unknown or missing:
        raise RuleError(
            f"{path}: rule '{name}' has unknown keys {sorted(unknown)} and lacks "
            f"{sorted(missing)}; allowed: {', '.join(sorted(allowed))}"
        )
    values = dict(entry)
    where = f"{path}: rule '{name}'"
    values["when"] = _condition(entry["when"], where)
    for key in ("for_s", "margin", "release_s", "cool_down_s"):
        if key in values:
            values[key] = _number(values[key], 0.0, math.inf, f"{where}: {key}")
    values["intensity"] = _intensity(values.get("intensity", 1.0), where)
    return Rule(**values)


def _condition(entry: Any, where: str) -> Condition:
    if not isinstance(entry, dict) or not entry:
        raise RuleError(f"{where}: 'when' must be a mapping that is not empty; got {entry!r}")
    values: dict[str, Any] = {"at_least": {}, "at_most": {}}
    for key, value in entry.items():
        quantity, _, side = next(
            (key.partition(f"_{side}")[0], "", side) for side in (*_SIDES, "") if key.endswith(side)
        )
        if side and quantity in _NUMBERS:
            values[side][quantity] = _number(value, -1.0, 1.0, f"{where}: {key}")
        elif key == "emotion":
            values[key] = _labels(value, (*EMOTIONS, UNKNOWN), f"{where}: {key}")
        elif key == "stress_level":
            values[key] = _labels(value, [item.name for item in StressLevel], f"{where}: {key}")
        else:
            bounds = [f"{name}_{side}" for name in _NUMBERS for side in _SIDES]
            raise RuleError(
                f"{where}: unknown condition '{key}'; "
                f"allowed: emotion, stress_level, {', '.join(bounds)}"
            )
    return Condition(**values)


def _labels(value: Any, allowed: Iterable[str], where: str) -> frozenset[str]:
    labels = [value] if isinstance(value, str) else value
    known = list(allowed)
    if not isinstance(labels, list) or not all(label in known for label in labels):
        raise RuleError(f"{where} must be one or a list of {', '.join(known)}; got {value!r}")
    return frozenset(labels)


def _number(value: Any, low: float, high: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise RuleError(f"{where} must be a number in [{low:g}, {high:g}]; got {value!r}")
    return float(value)


def _intensity(value: Any, where: str) -> str | float:
    if isinstance(value, str) and value in _NUMBERS:
        return value
    if isinstance(value, str):
        raise RuleError(
            f"{where}: intensity must be a number in [0, 1] or one of {', '.join(_NUMBERS)}; "
            f"got {value!r}"
        )
    return _number(value, 0.0, 1.0, f"{where}: intensity")
