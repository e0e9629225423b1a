"""Scores of commands that were run before, in one small JSON file, so that a long run resumes.

A score is found again by what it depends on: the command, the cards and weights of the models that
it may read, and the code below the command line.  The data are taken for unchanged as long as they
lie in the same place.  A card's ``figures`` do not count, since they are what is checked.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import emostress_ros
from emostress_ros.errors import ParameterError
from emostress_ros.inference.card import CARD_FILE, ModelCard
from emostress_ros.inference.packaged import sha256_of

FILE = "figures.json"
_ABOVE = ("behaviour", "cli", "dashboard", "nodes")
"""Packages that no score passes through but to be printed."""


@dataclass(frozen=True)
class Kept:
    """What a command gave.

    Attributes:
        score: ``Score.to_json_dict()``.
        seconds: how long the command took when it was run.
    """

    score: Mapping[str, Any]
    seconds: float


class KeptScores:
    """The scores that a folder keeps; without a folder they last as long as this object.

    Args:
        folder: in which :data:`FILE` lies; made with the first score.

    Raises:
        ParameterError: the file there is no such JSON.
    """

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / FILE if folder else None
        self._kept: dict[str, dict[str, Any]] = {}
        if self._file is not None and self._file.is_file():
            self._kept = _read(self._file)

    def find(self, key: str) -> Kept | None:
        """Return what is kept under a key of :func:`key_of`."""
        entry = self._kept.get(key)
        return Kept(entry["score"], float(entry["seconds"])) if entry else None

    def keep(self, key: str, command: str, kept: Kept) -> None:
        """Write a score at once, so that whatever comes after cannot lose it."""
        self._kept[key] = {
            "command": command, "seconds": round(kept.seconds, 1), "score": kept.score,
        }  # fmt: skip
        if self._file is None:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._file.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(self._kept, indent=1), encoding="utf-8")
        fresh.replace(self._file)


def key_of(words: Sequence[str], folders: Iterable[Path]) -> str:
    """Return the key of a command's score.

    Args:
        words: of the command, the data's place among them.
        folders: of the models that it may read.
    """
    facts = [*words, *(_model(folder) for folder in sorted(folders)), code()]
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()


def _model(folder: Path) -> str:
    card = ModelCard.load(folder)
    rest = {name: value for name, value in card.raw.items() if name != "figures"}
    files = sorted(file for file in folder.iterdir() if file.is_file() and file.name != CARD_FILE)
    hashes = [f"{file.name} {sha256_of(file)}" for file in files]
    return json.dumps([rest, hashes], sort_keys=True, default=str)


@cache
def code() -> str:
    """Return a hash of the package's modules but for those above the scores."""
    root = Path(emostress_ros.__file__).parent
    digest = hashlib.sha256()
    for file in sorted(root.rglob("*.py")):
        inside = file.relative_to(root)
        if inside.parts[0] not in _ABOVE:
            digest.update(f"{inside}".encode() + file.read_bytes())
    return digest.hexdigest()


def _read(file: Path) -> dict[str, dict[str, Any]]:
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ParameterError(f"{file} is damaged; remove it, or name another --work") from error
    if not isinstance(kept, dict) or not all(_is_entry(entry) for entry in kept.values()):
        raise ParameterError(f"{file} holds no kept scores; remove it, or name another --work")
    return kept


def _is_entry(entry: object) -> bool:
    return isinstance(entry, dict) and {"score", "seconds"} <= set(entry)
