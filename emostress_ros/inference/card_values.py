"""What the values of a model card have to be, key by key."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emostress_ros.errors import CardError

_LISTS = "task inputs outputs labels figures".split()
_MAPPINGS = "axes extra label_map reliability variants".split()


def check_kinds(raw: Mapping[str, Any], where: Path) -> None:
    """Check that lists are lists and mappings are mappings; an empty key is neither.

    Raises:
        CardError: names the key and what came.
    """
    for keys, kind, said in ((_LISTS, list, "a list"), (_MAPPINGS, dict, "a mapping")):
        for key in keys:
            if not isinstance(raw.get(key), (kind, type(None))):
                raise CardError(f"{where}: {key} must be {said}; got {raw[key]!r:.80}")


def texts(raw: Mapping[str, Any], key: str, where: Path) -> tuple[str, ...]:
    """Return a list of text; empty where the key is.

    Raises:
        CardError: it holds something else.
    """
    for text in raw.get(key) or ():
        if not isinstance(text, str):
            raise CardError(f"{where}: {key} must be a list of text; got {text!r:.80}")
    return tuple(raw.get(key) or ())


def dimension(raw: Mapping[str, Any], where: Path) -> int:
    """Return ``embedding_dim``, 0 where the key is empty.

    Raises:
        CardError: it is no whole number, or below 0.
    """
    value = raw.get("embedding_dim") or 0
    if type(value) is not int or value < 0:
        raise CardError(f"{where}: embedding_dim must be a whole number >= 0; got {value!r:.80}")
    return value


def share(raw: Mapping[str, Any], key: str, where: Path) -> float:
    """Return a number in [0, 1], 0 where the key is empty.

    Raises:
        CardError: it is something else.
    """
    value = raw.get(key) or 0.0
    if not in_unit(value):
        raise CardError(f"{where}: {key} must lie in [0, 1]; got {value!r:.80}")
    return float(value)


def in_unit(value: Any) -> bool:
    """Tell whether it is a number in [0, 1]; NaN and ``true`` are none."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0.0 <= value <= 1.0
