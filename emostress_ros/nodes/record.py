"""Writes live topics into a bag, as `emostress record` does.

By default only what the graph concludes: states, embeddings, cues and diagnostics. What sensors
saw and heard stays out unless it is asked for by name, because it shows a person.
"""

from __future__ import annotations

import fnmatch
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.messages import (
    AUDIO,
    COMPRESSED,
    IMAGE,
    PHYSIOLOGY,
    UTTERANCE,
    Record,
)
from emostress_ros.evaluation.bags.typestore import typestore
from emostress_ros.evaluation.bags.writer import BagSummary, write_bag
from emostress_ros.nodes.context import own_context
from emostress_ros.nodes.replay_topic import message_class

DEFAULT_TOPICS = ("affect", "embeddings/*", "behaviour", "/diagnostics")
"""What is recorded when nothing is named; relative names live in the recorder's namespace."""
RAW_TYPES = frozenset({
    *(IMAGE, COMPRESSED, AUDIO, PHYSIOLOGY, UTTERANCE),
    *("sensor_msgs/msg/PointCloud", "sensor_msgs/msg/PointCloud2"),
    "stereo_msgs/msg/DisparityImage",
    *("audio_common_msgs/msg/AudioData", "audio_common_msgs/msg/AudioDataStamped"),
    *("audio_common_msgs/msg/AudioStamped", "hri_msgs/msg/LiveSpeech"),
})  # fmt: skip
"""Types that carry what a sensor saw, heard or measured of a person."""
_LOOK_EVERY_S = 0.25


class Recorder:
    """A node that listens to every topic of some names and keeps the bytes.

    Args:
        topics: names, absolute or relative to `namespace`; `*` and `?` stand for anything.
        raw: also take what sensors saw and heard.
        namespace: where relative names live.
        context: rclpy context to live in.
    """

    def __init__(self, topics: Sequence[str], raw: bool, namespace: str, context: Any) -> None:
        self.node = Node("record", namespace=namespace or None, context=context,
                         use_global_arguments=False)  # fmt: skip
        prefix = self.node.get_namespace().rstrip("/")
        self._patterns = [x if x.startswith("/") else f"{prefix}/{x}" for x in topics]
        self._raw = raw
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._arrived: deque[Record] = deque()
        self._heard: set[str] = set()
        self.refused: dict[str, str] = {}

    def close(self) -> None:
        """Leave the graph."""
        self._executor.shutdown()
        self.node.destroy_node()

    def records(self, duration_s: float | None, stop: threading.Event) -> Iterator[Record]:
        """Messages as they arrive, until the time is over or `stop` is set."""
        began = looked = time.monotonic()
        self._look_for_topics()
        while not stop.is_set():
            now = time.monotonic()
            if duration_s is not None and now - began >= duration_s:
                return
            if now - looked >= _LOOK_EVERY_S:
                self._look_for_topics()
                looked = now
            self._executor.spin_once(timeout_sec=0.05)
            while self._arrived:
                yield self._arrived.popleft()

    def _look_for_topics(self) -> None:
        for topic, msgtypes in self.node.get_topic_names_and_types():
            known = topic in self._heard or topic in self.refused
            if not known and any(fnmatch.fnmatchcase(topic, x) for x in self._patterns):
                self._listen(topic, msgtypes[0])

    def _listen(self, topic: str, msgtype: str) -> None:
        publishers = self.node.get_publishers_info_by_topic(topic)
        if not publishers:
            return  # only subscribers so far: nothing tells its quality of service
        reason = self._refusal(msgtype)
        if reason:
            self.refused[topic] = reason
            self.node.get_logger().warning(f"{topic} is not recorded: {reason}")
            return
        reliable = all(x.qos_profile.reliability == ReliabilityPolicy.RELIABLE for x in publishers)
        # What was said once and holds, such as whose face it is, reaches who comes later, too.
        latched = all(
            x.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL for x in publishers
        )
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=200,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
            durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
        )

        def keep(data: bytes) -> None:
            self._arrived.append(Record(time.time_ns(), topic, msgtype, data))

        self.node.create_subscription(message_class(msgtype), topic, keep, qos, raw=True)
        self._heard.add(topic)

    def _refusal(self, msgtype: str) -> str:
        if msgtype in RAW_TYPES and not self._raw:
            return f"{msgtype} shows a person; record it with --raw"
        if msgtype not in typestore().fielddefs:
            return f"{msgtype} is unknown"
        try:
            message_class(msgtype)
        except (ImportError, AttributeError):
            return f"{msgtype} is not installed"
        return ""


def record(
    out: Path | str,
    topics: Sequence[str] | None = None,
    duration_s: float | None = None,
    storage: str = "mcap",
    *,
    raw: bool = False,
    namespace: str = "",
    overwrite: bool = False,
    stop: threading.Event | None = None,
) -> BagSummary:
    """Record live topics into a new bag.

    Args:
        out: folder of the new bag.
        topics: names, with `*` and `?`; None: states, embeddings, cues and diagnostics.
        duration_s: seconds; None: until `stop` is set.
        storage: `mcap` or `sqlite3`.
        raw: also take what sensors saw and heard.
        namespace: where relative names live.
        overwrite: replace a bag that is there.
        stop: set it to end the recording; the bag is whole then.

    Returns:
        What was recorded.

    Raises:
        BagError: nothing arrived, `out` exists, or it cannot be written.
    """
    if duration_s is not None and not 0.0 < duration_s < float("inf"):
        raise BagError(f"duration_s must be a number of seconds > 0; got {duration_s!r}")
    chosen = tuple(topics) if topics else DEFAULT_TOPICS
    with own_context() as context:
        recorder = Recorder(chosen, raw, namespace, context)
        try:
            arrived = recorder.records(duration_s, stop or threading.Event())
            return write_bag(out, arrived, storage, overwrite=overwrite)
        except BagError as error:
            refused = "; ".join(f"{name}: {why}" for name, why in recorder.refused.items())
            raise BagError(f"{error} ({refused})" if refused else str(error)) from error
        finally:
            recorder.close()
