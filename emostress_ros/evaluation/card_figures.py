"""The figures that model cards claim, and whether a command that was run again confirms them.

A figure of a card names the command that reproduces it: an ``emostress score`` whose path begins
with ``DATA``, the folder that holds ``face/``, ``voice/``, ``physiology/`` and ``text/``. Where the
figure is not of the whole score but of a part of it, such as one sex, ``part`` is the way there
through the score's JSON: ``part: [slices, sex female]``.
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from emostress_ros.errors import CardError
from emostress_ros.inference.card import ModelCard

TOLERANCE = 0.005
"""Greatest difference at which a figure still holds: half a point."""
COUNTS = ("n", "persons")
SCORING_PROTOCOLS = ("shipped", "published")
"""Protocols that score a file that is there; all others train."""
NESTED = ("single_label",)
"""Keys of a figure that hold further figures of its score, as ``slices`` holds many."""
SLACK = 1e-9  # a difference of just half a point holds, whatever its last bit
DATA_FOLDERS: Mapping[str, str] = {
    "fer2013": "face",
    "ferplus": "face",
    "ravdess": "voice/ravdess",
    "tess": "voice/tess",
    "wesad": "physiology",
    "stress_predict": "physiology",
    "goemotions": "text/goemotions",
    "dreaddit": "text/dreaddit",
    "meld": "text/meld",
}
"""Data set to its place below the folder of all data."""
_PLACEHOLDER = re.compile(r"^(?:DATA|DIR|\.\./shared/data)(?:/(?P<tail>.*))?$")


@dataclass(frozen=True)
class Claim:
    """One figure of one card.

    Attributes:
        model: name of the model.
        folder: of the model.
        dataset: what the card calls the data.
        split: what the card calls the split.
        command: that reproduces it, as written.
        part: keys that lead from the score's JSON to the figure; empty: the score itself.
        values: figure to value, counts among them.
    """

    model: str
    folder: Path
    dataset: str
    split: str
    command: str
    part: tuple[str, ...]
    values: Mapping[str, float]

    @property
    def trains(self) -> bool:
        """Whether the command cross-validates rather than scores a file that is there."""
        words = self.command.split()
        asked = any(word.startswith("--protocol") for word in words)
        return asked and not any(word in words for word in SCORING_PROTOCOLS)


@dataclass(frozen=True)
class Check:
    """One value of a card against the value that was found."""

    name: str
    card: float
    found: float
    tolerance: float

    @property
    def difference(self) -> float:
        """What was found less what the card says."""
        return self.found - self.card

    @property
    def holds(self) -> bool:
        """Whether the two agree; a NaN agrees with nothing."""
        return abs(self.difference) <= self.tolerance + SLACK


@dataclass(frozen=True)
class Outcome:
    """What became of one figure.

    Attributes:
        claim: of the card.
        checks: value by value; empty where nothing came of the command.
        problem: why nothing came of it; empty when something did.
        skipped: left out, as only quick ones were asked for.
        seconds: what the command took when it was run, which several figures may share.
        kept: the score is one that an earlier run kept.
    """

    claim: Claim
    checks: list[Check] = field(default_factory=list)
    problem: str = ""
    skipped: bool = False
    seconds: float = 0.0
    kept: bool = False

    @property
    def holds(self) -> bool:
        """Whether every value was found again."""
        return self.skipped or (not self.problem and all(check.holds for check in self.checks))

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values = {
            check.name: {
                "card": check.card,
                "found": check.found if check.found == check.found else None,
                "holds": check.holds,
            }
            for check in self.checks
        }
        claim = self.claim
        return {
            "model": claim.model, "dataset": claim.dataset, "split": claim.split,
            "part": list(claim.part), "command": claim.command, "values": values,
            "problem": self.problem, "skipped": self.skipped, "holds": self.holds,
            "seconds": round(self.seconds, 1), "kept": self.kept,
        }  # fmt: skip


def claims(card: ModelCard) -> list[Claim]:
    """Return every figure of a card.

    Raises:
        CardError: a figure has no data set, split, number of items, metrics or command.
    """
    found = []
    for figure, raw in zip(card.measured, card.figures, strict=True):
        counts = {"n": figure.n} | ({"persons": figure.persons} if figure.persons else {})
        found.append(
            Claim(
                model=card.name,
                folder=card.folder,
                dataset=figure.dataset,
                split=figure.split,
                command=figure.command,
                part=figure.part,
                values={**counts, **figure.metrics},
            )
        )
        found += [
            replace(found[-1], part=(*figure.part, *keys), values=_numbers(values))
            for keys, values in _inside(raw)
        ]
    return found


def _inside(raw: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Mapping[str, Any]]]:
    """Yield the figures that a card keeps inside another one, with the way to them."""
    for key in NESTED:
        if isinstance(raw.get(key), Mapping):
            yield (key,), raw[key]
    for name, values in (raw.get("slices") or {}).items():
        yield ("slices", str(name)), values


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(k): float(v) for k, v in values.items() if isinstance(v, (int, float))}


def score_words(claim: Claim, data: Path) -> list[str]:
    """Return the arguments of ``emostress score`` in a claim's command, with the data in place.

    Raises:
        CardError: the command is no ``emostress score``.
    """
    words = shlex.split(claim.command)
    if words[:2] != ["emostress", "score"] or len(words) < 5:
        raise CardError(
            f"{claim.model}: a figure's command must be `emostress score MODALITY DATASET PATH "
            f"...`; got `{claim.command}`"
        )
    return [_placed(word, data, words[3]) for word in words[2:]]


def _placed(word: str, data: Path, dataset: str) -> str:
    match = _PLACEHOLDER.match(word)
    if not match:
        return word
    return str(data / (match["tail"] or DATA_FOLDERS.get(dataset, "")))


def compare(claim: Claim, found: Mapping[str, Any]) -> list[Check]:
    """Compare a claim with the JSON of the score that its command gave.

    Args:
        claim: figure of a card.
        found: ``Score.to_json_dict()``.

    Raises:
        CardError: the score has no such part, or lacks a figure.
    """
    inside = _part(found, claim.part, claim)
    return [
        Check(name, float(value), _number(inside, name, claim), _tolerance(name))
        for name, value in claim.values.items()
    ]


def _part(found: Any, keys: Sequence[str], claim: Claim) -> Mapping[str, Any]:
    for key in keys:
        if not isinstance(found, Mapping) or key not in found:
            there = ", ".join(map(str, found)) if isinstance(found, Mapping) else "nothing"
            raise CardError(f"{claim.model}: the score has no '{key}'; there are {there}")
        found = found[key]
    return dict(found)


def _number(inside: Mapping[str, Any], name: str, claim: Claim) -> float:
    if name not in inside:
        raise CardError(f"{claim.model}: the score of `{claim.command}` has no '{name}'")
    value = inside[name]
    return math.nan if value is None else float(value)


def _tolerance(name: str) -> float:
    return 0.0 if name in COUNTS else TOLERANCE
