"""Publishes a bag's messages with the bag's clock, as `emostress replay` does.

Messages go out as the bytes that the bag holds, stamps untouched. At a rate they go out when they
are due. With rate `max` they go out as fast as the graph follows and none is lost: nodes started
with the parameter `lossless` tell on `progress` what they have dealt with, and no topic runs
further ahead than `in_flight` messages. Where no node tells, the bag's own pace is kept, at which
live sensors would have spoken: the middleware's acknowledgements say that a message has arrived,
not that its node had room for it (and come only every 3 s for small messages).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.time import Time
from rosgraph_msgs.msg import Clock

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, GraphError, ParameterError
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.pacing import Pacer
from emostress_ros.evaluation.bags.reader import BagInfo, bag_info, read_records, record_stamp_ns
from emostress_ros.evaluation.bags.replay_options import LEAD_IN_RATE, ReplayOptions, ReplaySummary
from emostress_ros.msg import Progress
from emostress_ros.nodes.context import own_context
from emostress_ros.nodes.replay_topic import ReplayTopic, await_fusion

_MAX_CLOCK_STEP_NS = 50_000_000  # with `max`, the clock ticks every 50 ms of the bag
_SLIP_S = 0.02
_FUSION_S = 10.0
_SETTLE_S = 1.0  # nodes that have just found the replay may still be finding one another
_SETTLE_AT_FULL_SPEED_S = 3.5
"""What Fast DDS loses of a busy machine's discovery it repeats after 3 s, by which a recording that
is played as fast as can be may be over."""


class Replay:
    """A node that publishes one bag.

    Args:
        bag: rosbag2 folder, `.mcap` or `.db3`.
        options: how.
        context: rclpy context to live in.

    Raises:
        BagError: the bag cannot be read, or holds nothing that can be published.
        ParameterError: an option is out of range.
    """

    def __init__(self, bag: Path | str, options: ReplayOptions, context: Any) -> None:
        self.options = options
        self.info: BagInfo = bag_info(bag)
        self.from_ns = self.info.start_ns + round(options.start_offset_s * NANOSECONDS)
        if self.from_ns > self.info.end_ns:
            raise ParameterError(
                f"start_offset_s must lie within the bag's {self.info.duration_s:.2f} s; "
                f"got {options.start_offset_s:g}"
            )
        self.node = Node("replay", namespace=options.namespace or None, context=context,
                         use_global_arguments=False)  # fmt: skip
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self.skipped: dict[str, str] = {}
        self._topics = self._advertise()
        self._clock = self.node.create_publisher(Clock, "/clock", 10) if options.clock_hz else None
        self._last_clock_ns = 0
        self._last_tick_s = 0.0
        self._nobody_reports = False
        self.node.create_subscription(Progress, "progress", self._on_progress, 1000)

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()

    def counts(self) -> dict[str, int]:
        """Messages published so far, by topic of the graph."""
        return {topic.name: topic.flow.published for topic in self._topics.values()}

    def wait_for_subscribers(self) -> tuple[str, ...]:
        """Wait until every topic is heard, at most `wait_s`.

        Returns:
            The topics that nobody listens to.

        Raises:
            GraphError: nobody listens to any of them.
        """
        deadline = time.monotonic() + self.options.wait_s
        while (unheard := self._unheard()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.options.wait_s and len(unheard) == len(self._topics):
            raise GraphError(
                f"nobody listens to {', '.join(unheard)} after {self.options.wait_s:g} s; start "
                f"the graph first, or replay without waiting"
            )
        if self.options.wait_s:
            await_fusion(self.node, min(_FUSION_S, self.options.wait_s))
            fast = "max" in (self.options.rate, self.options.lead_in_rate)
            time.sleep(_SETTLE_AT_FULL_SPEED_S if fast else _SETTLE_S)
        for topic in self._topics.values():
            topic.listeners = topic.publisher.get_subscription_count()
        for name in unheard:
            self.node.get_logger().warning(f"nobody listens to {name}")
        return tuple(unheard)

    def play(self) -> None:
        """Publish the bag once, at the rate of the options.

        Raises:
            GraphError: with rate `max`, a node does not follow, or went away.
            BagError: the bag is damaged.
        """
        lead_end_ns = self.info.start_ns + self.info.lead_in_ns
        rate, lead_rate = self.options.rate, self.options.lead_in_rate
        pacer = Pacer(
            self.from_ns, lead_end_ns, _number(rate, 1.0), _number(lead_rate, LEAD_IN_RATE)
        )
        began = time.monotonic()
        for record in read_records(self.info.path, list(self._topics), from_ns=self.from_ns):
            follow = rate == "max" or (lead_rate == "max" and record.log_ns < lead_end_ns)
            if follow and not self._nobody_reports:
                self._await_room(self._topics[record.topic])
                if abs(record.log_ns - self._last_clock_ns) >= _MAX_CLOCK_STEP_NS:
                    self._tell_time(record.log_ns)
                began = time.monotonic() - pacer.due_s(record.log_ns)
            else:
                late_s = self._await_moment(pacer, began, record.log_ns)
                if late_s > _SLIP_S and record.log_ns < lead_end_ns:
                    began += late_s  # a lead-in that is late slips: a burst would flood the queues
            self._publish(record)
        if rate == "max":
            self._await_end()
        self._let_clock_run()

    def _publish(self, record: Record) -> None:
        topic = self._topics[record.topic]
        topic.flow.sent(record_stamp_ns(record))
        topic.publisher.publish(bytes(record.data))

    # Time -----------------------------------------------------------------------------------

    def _await_moment(self, pacer: Pacer, began: float, log_ns: int) -> float:
        """Sleep until a message is due while the clock ticks; returns how late it is, seconds."""
        tick_s = 1.0 / self.options.clock_hz if self.options.clock_hz else float("inf")
        while True:
            now_s = time.monotonic()
            if now_s - self._last_tick_s >= tick_s:
                self._tell_time(min(pacer.clock_ns(now_s - began), log_ns))
                self._last_tick_s = now_s
            left_s = began + pacer.due_s(log_ns) - now_s
            if left_s <= 0.0:
                return -left_s
            time.sleep(max(0.0, min(left_s, self._last_tick_s + tick_s - now_s)))

    def _let_clock_run(self) -> None:
        """Tick on after the last message, so that nodes on the bag's clock can conclude."""
        if self._clock is None:
            return
        for _ in range(round(self.options.tail_s * self.options.clock_hz)):
            self._tell_time(self._last_clock_ns + round(NANOSECONDS / self.options.clock_hz))
            time.sleep(1.0 / self.options.clock_hz)

    def _tell_time(self, clock_ns: int) -> None:
        if self._clock is not None:
            self._clock.publish(Clock(clock=Time(nanoseconds=clock_ns).to_msg()))
            self._last_clock_ns = clock_ns

    # Flow -----------------------------------------------------------------------------------

    def _on_progress(self, report: Progress) -> None:
        for topic in self._topics.values():
            if topic.name == report.topic:
                stamp_ns = Time.from_msg(report.header.stamp).nanoseconds
                topic.flow.handled(report.node, report.received, report.handled, stamp_ns)

    def _await_room(self, topic: ReplayTopic) -> None:
        """Wait until another message of a topic may go out."""
        self._executor.spin_once(timeout_sec=0.0)
        if topic.flow.published == 0 or not topic.listeners:
            return
        began = time.monotonic()
        seen = topic.flow.in_flight
        while topic.flow.full and topic.reports:
            self._executor.spin_once(timeout_sec=0.02)
            if topic.flow.in_flight != seen:
                began, seen = time.monotonic(), topic.flow.in_flight
            self._check_alive(topic, time.monotonic() - began)

    def _check_alive(self, topic: ReplayTopic, waited_s: float) -> None:
        """Complain of a node that does not follow."""
        here = topic.publisher.get_subscription_count()
        if here < topic.listeners and waited_s > 1.0:
            raise GraphError(
                f"a node that listened to {topic.name} went away ({here} of {topic.listeners} "
                f"left) after {topic.flow.published} messages"
            )
        if waited_s > self.options.stall_s:
            names = ", ".join(topic.flow.laggards())
            raise GraphError(f"{topic.name} stands still for {waited_s:.0f} s: {names}")
        if not topic.flow.known and waited_s > self.options.grace_s:
            self._give_up_waiting(topic)

    def _give_up_waiting(self, topic: ReplayTopic) -> None:
        """No node reports on this topic: nothing paces it, or it keeps its own pace."""
        topic.reports = False
        self._nobody_reports = not any(x.flow.known for x in self._topics.values())
        remedy = "the bag's own pace is kept" if self._nobody_reports else "the others pace it"
        self.node.get_logger().warning(
            f"no node reports progress on {topic.name}: {remedy}; start the nodes with the "
            f"parameter lossless to go as fast as they follow and lose nothing"
        )

    def _await_end(self) -> None:
        """Wait until every node that reports has dealt with everything."""
        for topic in self._topics.values():
            topic.flow.limit = 1
            self._await_room(topic)
            topic.flow.limit = self.options.in_flight

    # Topics ---------------------------------------------------------------------------------

    def _advertise(self) -> dict[str, ReplayTopic]:
        """A publisher for every topic whose type is installed."""
        wanted = self.options.topics
        if wanted is not None and (missing := set(wanted) - set(self.info.topics)):
            raise BagError(
                f"{self.info.path}: holds {', '.join(sorted(self.info.topics))}; "
                f"got {', '.join(sorted(missing))}"
            )
        topics = {}
        for name in wanted if wanted is not None else sorted(self.info.topics):
            msgtype = self.info.topics[name]
            if msgtype in self.info.outdated:
                self._skip(name, f"the bag has another definition of {msgtype}: build it again")
                continue
            try:
                topics[name] = ReplayTopic(self.node, self._graph_name(name), msgtype, self.options)
            except (ImportError, AttributeError):
                self._skip(name, f"{msgtype} is not installed")
        if not topics:
            reasons = "; ".join(f"{name}: {why}" for name, why in self.skipped.items())
            raise BagError(f"{self.info.path}: nothing in it can be published: {reasons}")
        return topics

    def _skip(self, name: str, reason: str) -> None:
        self.skipped[name] = reason
        count = self.info.counts[name]
        self.node.get_logger().warning(f"{name}: {count} messages skipped: {reason}")

    def _graph_name(self, topic: str) -> str:
        if topic in self.options.remaps:
            return self.options.remaps[topic]
        absolute = topic == "/diagnostics" or not self.options.namespace
        return topic if absolute else topic.lstrip("/")

    def _unheard(self) -> list[str]:
        topics = self._topics.values()
        return [x.name for x in topics if x.publisher.get_subscription_count() == 0]


def replay(bag: Path | str, options: ReplayOptions | None = None) -> ReplaySummary:
    """Publish a bag; Ctrl-C ends it with a summary.

    Args:
        bag: rosbag2 folder, `.mcap` or `.db3`.
        options: how; see `ReplayOptions`.

    Raises:
        BagError: the bag cannot be read or published.
        GraphError: nobody listens, or with rate `max` a node does not follow or went away.
        ParameterError: an option is out of range.
    """
    options = options or ReplayOptions()
    finished = False
    unheard: tuple[str, ...] = ()
    with own_context() as context:
        player = Replay(bag, options, context)
        began = time.monotonic()
        try:
            unheard = player.wait_for_subscribers()
            player.play()
            while options.loop:
                player.play()
            finished = True
        except KeyboardInterrupt:
            pass
        finally:
            counts = player.counts()
            player.close()
    return ReplaySummary(counts, player.skipped, unheard, time.monotonic() - began, finished)


def _number(rate: float | str, otherwise: float) -> float:
    return otherwise if isinstance(rate, str) else float(rate)
