"""A figure of a model card: what was measured, on whom, how surely, and how to measure it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emostress_ros.errors import CardError

_REQUIRED = ("dataset", "split", "n", "metrics", "command")


@dataclass(frozen=True)
class Figure:
    """What a model reaches on one set, or on a slice of it.

    Attributes:
        dataset: what was scored.
        split: which part of it, and how it was kept from the training.
        n: items.
        persons: whom they come from; ``None`` where the set does not know.
        metrics: name to value.
        ci95: name to the bounds of the 95 % interval, by a bootstrap over persons where they are
            known (``note`` says over what otherwise).
        note: what else has to be known.
        part: keys that lead to the figure through the JSON of the command's score, such as
            ``(slices, sex female)``; empty for the whole set.
        command: that reproduces it.
    """

    dataset: str
    split: str
    n: int
    persons: int | None
    metrics: Mapping[str, float]
    command: str
    ci95: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    note: str = ""
    part: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], where: str) -> Figure:
        """Read an entry of a card's ``figures``.

        Raises:
            CardError: a key is missing or misstated, or an interval is no pair of rising numbers.
        """
        if not isinstance(raw, Mapping):
            raise CardError(f"{where}: a figure must be a mapping; got {raw!r:.80}")
        missing = [key for key in _REQUIRED if not raw.get(key)]
        if missing:
            raise CardError(f"{where}: a figure lacks {', '.join(missing)}")
        persons = raw.get("persons")
        try:
            return cls(
                dataset=str(raw["dataset"]),
                split=str(raw["split"]),
                n=int(raw["n"]),
                persons=persons if isinstance(persons, int) else None,
                metrics={str(name): float(value) for name, value in raw["metrics"].items()},
                command=str(raw["command"]),
                ci95={str(k): _bounds(v, where, k) for k, v in (raw.get("ci95") or {}).items()},
                note=str(raw.get("note") or ""),
                part=tuple(str(key) for key in raw.get("part") or ()),
            )
        except (AttributeError, TypeError, ValueError) as error:
            raise CardError(f"{where}: a figure misstates what it tells: {error}") from error

    def text(self, name: str) -> str:
        """Return a metric with its interval, such as ``uar 0.777 [0.733, 0.820]``."""
        value = f"{name} {self.metrics[name]:.3f}"
        if name not in self.ci95:
            return value
        low, high = self.ci95[name]
        return f"{value} [{low:.3f}, {high:.3f}]"


def _bounds(raw: Any, where: str, name: str) -> tuple[float, float]:
    if isinstance(raw, (list, tuple)) and all(isinstance(bound, (int, float)) for bound in raw):
        if len(raw) == 2 and raw[0] <= raw[1]:
            return float(raw[0]), float(raw[1])
    raise CardError(f"{where}: ci95 of {name} must be [low, high]; got {raw!r}")
