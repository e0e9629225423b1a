"""A row of the table: what was measured, against what, and whether it is what was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.timing import Times, ratios


@dataclass(frozen=True)
class Check:
    """One condition of a row.

    Attributes:
        what: what is compared, with its unit.
        value: what came.
        limit: what is asked for.
        at_most: whether the limit is an upper one.
    """

    what: str
    value: float
    limit: float
    at_most: bool = False

    @property
    def holds(self) -> bool:
        """Whether it is what was asked for; a NaN is not."""
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    def __str__(self) -> str:
        sign = "≤" if self.at_most else "≥"
        return f"{self.what} {self.value:.3g} ({sign} {self.limit:g})"

    def to_json(self) -> dict[str, Any]:
        """Return it with its verdict."""
        return {
            "what": self.what, "value": self.value, "limit": self.limit,
            "at_most": self.at_most, "holds": self.holds,
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        group: module of the benchmark.
        name: what was measured.
        peer: against what; empty for an absolute limit.
        ours_ms: min, median, max of ours, milliseconds.
        peer_ms: the same of the peer.
        checks: the conditions; the first is the ratio where there is a peer.
        note: one sentence on what was and was not measured.
        details: further figures for the JSON.
        skipped: why it was not measured; empty where it was.
    """

    group: str
    name: str
    peer: str = ""
    ours_ms: Mapping[str, float] = field(default_factory=dict)
    peer_ms: Mapping[str, float] = field(default_factory=dict)
    checks: Sequence[Check] = ()
    note: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether it was measured and every condition is met."""
        return not self.skipped and all(check.holds for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the row for the JSON file."""
        return {
            "group": self.group, "name": self.name, "peer": self.peer,
            "ours": dict(self.ours_ms), "peer_times": dict(self.peer_ms),
            "checks": [check.to_json() for check in self.checks], "holds": self.holds,
            "note": self.note, "skipped": self.skipped, **self.details,
        }  # fmt: skip


def duel(
    group: str,
    name: str,
    peer: str,
    ours: Times,
    theirs: Times,
    at_least: float,
    checks: Sequence[Check] = (),
    note: str = "",
    **details: Any,
) -> Row:
    """Return the row of two contestants timed by :func:`~benchmarks.timing.interleave`."""
    low, middle, high = ratios(ours, theirs)
    return Row(
        group, name, peer, ours.to_json(), theirs.to_json(),
        (Check("×", middle, at_least), *checks), note,
        {"ratio": {"min": low, "median": middle, "max": high}, **details},
    )  # fmt: skip
