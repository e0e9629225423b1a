"""How a bag is replayed, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emostress_ros.errors import ParameterError

LEAD_IN_RATE = 10.0
"""Default pace of a lead-in: a minute of a wearable in six seconds."""


@dataclass(frozen=True)
class ReplayOptions:
    """How to replay.

    Attributes:
        rate: bag seconds a second, or `max`.
        loop: begin again at the end, until interrupted.
        topics: topics of the bag to publish; None: all.
        wait_s: longest wait for subscribers, seconds; 0: do not wait.
        clock_hz: rate of `/clock`; 0: none.
        namespace: put before every topic.
        remaps: topic of the bag to topic in the graph.
        start_offset_s: skip so much of the bag's beginning.
        lead_in_rate: pace of the wearable's lead-in, or `max`.
        in_flight: with `max`, most messages of a topic that wait for a node.
        stall_s: with `max`, how long a node may deal with nothing before the replay gives up.
        grace_s: with `max`, how long a node's first report may take.
        tail_s: how long the clock ticks on after the last message.
        best_effort_image: publish pictures best effort.
    """

    rate: float | str = 1.0
    loop: bool = False
    topics: Sequence[str] | None = None
    wait_s: float = 15.0
    clock_hz: float = 100.0
    namespace: str = ""
    remaps: Mapping[str, str] = field(default_factory=dict)
    start_offset_s: float = 0.0
    lead_in_rate: float | str = LEAD_IN_RATE
    in_flight: int = 8
    stall_s: float = 30.0
    grace_s: float = 3.0
    tail_s: float = 0.5
    best_effort_image: bool = False

    def __post_init__(self) -> None:
        for name, value in (("rate", self.rate), ("lead_in_rate", self.lead_in_rate)):
            if value != "max" and not (isinstance(value, (int, float)) and 0 < value < 1e6):
                raise ParameterError(f"{name} must be 'max' or a number > 0; got {value!r}")
        for name, low in (("wait_s", 0), ("clock_hz", 0), ("start_offset_s", 0), ("in_flight", 1),
                          ("stall_s", 0.1), ("grace_s", 0), ("tail_s", 0)):  # fmt: skip
            if not low <= getattr(self, name) < 1e9:
                raise ParameterError(f"{name} must be >= {low}; got {getattr(self, name)!r}")


@dataclass(frozen=True)
class ReplaySummary:
    """What a replay did.

    Attributes:
        published: messages by topic of the graph.
        skipped: topics of the bag that were not published, with the reason.
        unheard: topics that nobody listened to when the replay began.
        seconds: how long it took.
        finished: False when it was interrupted.
    """

    published: dict[str, int]
    skipped: dict[str, str]
    unheard: tuple[str, ...]
    seconds: float
    finished: bool
