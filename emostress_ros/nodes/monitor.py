"""What a node counts and times, and how it reports it on ``/diagnostics``."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node
from rclpy.time import Time

from emostress_ros.inference.session import Session

_LATENCIES_KEPT = 512


@dataclass
class Input:
    """Counts of one input topic since the node became active.

    Inputs of one ``group`` stand for each other: it is enough that one of them speaks.
    ``dropped`` gave way to newer ones inside the node; ``lost`` never arrived, as far as the
    middleware noticed.
    """

    topic: str
    group: str = ""
    received: int = 0
    handled: int = 0
    dropped: int = 0
    lost: int = 0
    last_ns: int | None = None
    before: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    last_error: str = ""
    last_error_ns: int = 0
    incompatible_qos: str = ""


class Monitor:
    """Thread-safe counts and latencies of a node.

    Args:
        node: publishes the report, and knows the time.
        timeout_s: an input silent for longer is reported as dead, and a bad message is complained
            of for so long.
    """

    def __init__(self, node: Node, timeout_s: float) -> None:
        self._node = node
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._inputs: dict[str, Input] = {}
        self._published: Counter[str] = Counter()
        self._published_before: Counter[str] = Counter()
        self._handling_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._latency_ms: deque[float] = deque(maxlen=_LATENCIES_KEPT)
        self._started_ns = self._reported_ns = _now_ns(node)  # 0 until a simulated clock ticks
        self.facts: dict[str, str] = {}
        self.warnings: dict[str, str] = {}

    def tell_providers(self, sessions: Iterable[Session]) -> None:
        """Report what each model runs on and as, and warn where it is not what was wanted."""
        for item in sessions:
            self.facts[f"{item.name} provider"] = item.provider
            self.facts[f"{item.name} variant"] = item.variant + ", compiled" * item.compiled
            if item.fallback:
                self.warnings[f"{item.name} fallback"] = f"{item.name}: {item.fallback}"

    def watch(self, topic: str, group: str = "") -> Input:
        """Begin to count an input."""
        with self._lock:
            return self._inputs.setdefault(topic, Input(topic, group or topic))

    def received(self, topic: str) -> None:
        """Count a message that came."""
        with self._lock:
            item = self._inputs[topic]
            item.received += 1
            item.last_ns = _now_ns(self._node)

    def handled(self, topic: str, seconds: float) -> tuple[int, int]:
        """Count a message that was dealt with; return (received, handled)."""
        with self._lock:
            item = self._inputs[topic]
            item.handled += 1
            self._handling_ms.append(1e3 * seconds)
            return item.received, item.handled

    def dropped(self, topic: str) -> tuple[int, int]:
        """Count a message that gave way to a newer one; return (received, handled)."""
        with self._lock:
            item = self._inputs[topic]
            item.dropped += 1
            item.handled += 1
            return item.received, item.handled

    def lost(self, topic: str, total: int) -> None:
        """Take over the middleware's count of messages that never arrived."""
        with self._lock:
            self._inputs[topic].lost = total

    def rejected(self, topic: str, error: Exception) -> bool:
        """Count a message that could not be used; tell whether it is the first of its kind."""
        with self._lock:
            item = self._inputs[topic]
            kind = type(error).__name__
            item.errors[kind] += 1
            item.last_error, item.last_error_ns = str(error), _now_ns(self._node)
            return item.errors[kind] == 1

    def incompatible_qos(self, topic: str, policy: str) -> None:
        """Note that a publisher offers less than the input asks for."""
        with self._lock:
            self._inputs[topic].incompatible_qos = policy

    def published(self, topic: str, stamp_ns: int) -> float:
        """Count a message that went out; return its age in seconds, at least 0."""
        age_s = max(0.0, (_now_ns(self._node) - stamp_ns) / 1e9)
        with self._lock:
            self._published[topic] += 1
            self._latency_ms.append(1e3 * age_s)
        return age_s

    def counts(self, topic: str) -> Input:
        """Return the counts of an input."""
        return self._inputs[topic]

    def report(self) -> DiagnosticArray:
        """Return the report on the time since the last one."""
        now_ns = _now_ns(self._node)
        with self._lock:
            elapsed_s = max(1e-3, (now_ns - self._reported_ns) / 1e9)
            status = DiagnosticStatus(
                name=self._node.get_fully_qualified_name().lstrip("/"),
                hardware_id="emostress_ros",
                values=self._values(elapsed_s),
            )
            status.level, status.message = self._verdict(now_ns)
            self._reported_ns = now_ns
        message = DiagnosticArray(status=[status])
        message.header.stamp = Time(nanoseconds=max(0, now_ns)).to_msg()
        return message

    def _values(self, elapsed_s: float) -> list[KeyValue]:
        values = dict(self.facts)
        for name, item in self._inputs.items():
            values[f"{name} rate [Hz]"] = f"{(item.received - item.before) / elapsed_s:.2f}"
            item.before = item.received
            values[f"{name} received"] = str(item.received)
            values[f"{name} handled"] = str(item.handled)
            values[f"{name} dropped"] = str(item.dropped)
            values[f"{name} lost"] = str(item.lost)
            values |= {f"{name} {kind}": str(n) for kind, n in item.errors.items()}
        for topic, count in self._published.items():
            rate = (count - self._published_before[topic]) / elapsed_s
            self._published_before[topic] = count
            values[f"{topic} published"] = str(count)
            values[f"{topic} rate [Hz]"] = f"{rate:.2f}"
        values |= percentiles("handling [ms]", self._handling_ms)
        values |= percentiles("stamp to publication [ms]", self._latency_ms)
        return [KeyValue(key=key, value=value) for key, value in values.items()]

    def _verdict(self, now_ns: int) -> tuple[bytes, str]:
        self._started_ns = self._started_ns or now_ns
        complaints = list(self.warnings.values()) + self._silences(now_ns)
        recent_ns = max(1e9 * self._timeout_s, now_ns - self._reported_ns)
        for name, item in self._inputs.items():
            if item.incompatible_qos:
                complaints.append(
                    f"a publisher of '{name}' offers a weaker {item.incompatible_qos} than this "
                    f"node asks for: set the parameter 'reliability' to best_effort"
                )
            # What was wrong long ago stays in the counts; the verdict is about now.
            if item.last_error and now_ns - item.last_error_ns <= recent_ns:
                complaints.append(f"{sum(item.errors.values())} bad on '{name}': {item.last_error}")
        if complaints:
            return DiagnosticStatus.WARN, "; ".join(complaints)
        return DiagnosticStatus.OK, "running"

    def _silences(self, now_ns: int) -> list[str]:
        heard_ns: dict[str, int] = {}
        for item in self._inputs.values():
            last_ns = item.last_ns or self._started_ns
            heard_ns[item.group] = max(heard_ns.get(item.group, 0), last_ns)
        return [
            f"no message on '{group}' for {(now_ns - last_ns) / 1e9:.1f} s"
            for group, last_ns in heard_ns.items()
            if now_ns - last_ns > 1e9 * self._timeout_s
        ]


def percentiles(name: str, values: deque[float]) -> dict[str, str]:
    """Return p50, p90 and p99 of some values as texts; nothing when there are none."""
    if not values:
        return {}
    marks = np.percentile(np.fromiter(values, dtype=np.float64), [50, 90, 99])
    return {f"{name} p{p}": f"{mark:.2f}" for p, mark in zip((50, 90, 99), marks, strict=True)}


def _now_ns(node: Node) -> int:
    return int(node.get_clock().now().nanoseconds)
