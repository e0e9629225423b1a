"""A live table of people's states, as they come from the graph."""

from __future__ import annotations

import math
import time
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from emostress_ros.affect import ContributionStatus, StressLevel
from emostress_ros.errors import EmostressError
from emostress_ros.modalities.messages import stamp_to_ns
from emostress_ros.msg import AffectState, BehaviourCue
from emostress_ros.nodes.conversions import affect_from_msg

_BAR = 12
_GONE_S = 2.0
_MOST_PEOPLE = 4
_COLOURS = {
    "neutral": "white",
    "angry": "red",
    "sad": "blue",
    "happy": "green",
    "surprised": "magenta",
    "disgusted": "yellow",
    "scared": "cyan",
    "unknown": "dim",
}
_STATUS_COLOURS = {"USED": "green", "MISSING": "dim", "STALE": "yellow"}


class LiveTable:
    """Listens to ``affect`` and ``behaviour`` and renders the latest of each person.

    Args:
        context: rclpy context to live in.
        namespace: where the graph is.
        until_ns: end of the recording that is played; what the graph says later, when its senses
            have fallen silent, is left aside, and what it said last stays.
    """

    def __init__(self, context: Any, namespace: str = "", until_ns: int | None = None) -> None:
        self._node = Node("live_table", namespace=namespace or None, context=context)
        self._node.create_subscription(AffectState, "affect", self._on_affect, 10)
        self._node.create_subscription(BehaviourCue, "behaviour", self._on_cue, 10)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        self.states: dict[str, AffectState] = {}
        self._heard_at: dict[str, float] = {}
        self._until_ns, self._ended = until_ns, False
        self.count = 0
        self._cue = ""

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self._node.destroy_node()

    def spin(self, seconds: float) -> None:
        """Listen for a while."""
        self._executor.spin_once(timeout_sec=seconds)

    def render(self, title: str) -> RenderableType:
        """Return what is known now."""
        for person, heard_at in self._heard_at.items():
            if not self._ended and time.monotonic() - heard_at > _GONE_S:
                self.states.pop(person, None)
        panels = [_panel(state) for state in self.states.values()]
        if not panels:
            panels = [Panel(Text("no state yet", style="dim"))]
        foot = f"{self.count} states"
        if self._cue:
            foot += f" · cue: {self._cue}"
        return Group(Text(title, style="bold"), *panels, Text(foot, style="dim"))

    def _on_affect(self, message: AffectState) -> None:
        try:
            affect_from_msg(message)
        except EmostressError as error:
            self._node.get_logger().warning(f"a state cannot be shown: {error}")
            return
        published_ns = stamp_to_ns(message.header.stamp) + stamp_to_ns(message.latency)
        if self._until_ns is not None and published_ns > self._until_ns:
            self._ended = True
            return
        self.states.pop(message.person_id, None)
        self.states[message.person_id] = message
        self._heard_at[message.person_id] = time.monotonic()
        self.count += 1
        while len(self.states) > _MOST_PEOPLE:
            self.states.pop(next(iter(self.states)))
            self._heard_at = {name: self._heard_at[name] for name in self.states}

    def _on_cue(self, message: BehaviourCue) -> None:
        self._cue = f"{message.cue} ({message.reason})"


def bar(share: float, width: int = _BAR) -> str:
    """Return a share in [0, 1] as a bar of blocks; nothing for NaN."""
    if math.isnan(share):
        return "·" * width
    full = round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def _panel(state: AffectState) -> Panel:
    colour = _COLOURS.get(state.emotion, "white")
    head = Table.grid(padding=(0, 2))
    head.add_row("emotion", Text(f"{state.emotion} {state.confidence:.0%}", style=f"bold {colour}"))
    level = StressLevel(state.stress_level).name.lower()
    head.add_row("stress", f"{bar(state.stress)} {_number(state.stress)} {level}")
    head.add_row("valence, arousal", f"{_number(state.valence)}, {_number(state.arousal)}")
    latency_ms = 1e3 * state.latency.sec + 1e-6 * state.latency.nanosec
    head.add_row("latency", f"{latency_ms:.0f} ms")
    return Panel(Group(head, _contributions(state)), title=state.person_id, border_style=colour)


def _contributions(state: AffectState) -> Table:
    table = Table(box=None, header_style="dim")
    for name in ("modality", "status", "weight", "quality", "age", "model"):
        table.add_column(name)
    for item in state.contributions:
        status = ContributionStatus(item.status).name
        age_s = item.age.sec + 1e-9 * item.age.nanosec
        table.add_row(
            item.modality,
            Text(status, style=_STATUS_COLOURS.get(status, "red")),
            f"{bar(item.weight)} {item.weight:.2f}",
            _number(item.quality),
            f"{age_s:.1f} s" if item.model else "",
            item.model,
        )
    return table


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:+.2f}" if value < 0 else f"{value:.2f}"
