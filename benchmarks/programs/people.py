"""People before the sensors: a camera, a microphone, wearables and words, and who hears the states.

The camera is a process of its own, as it is on a robot; the slow sensors and the listener share
this process.
"""

from __future__ import annotations

import array
import math
import subprocess
import sys
import time
from types import TracebackType
from typing import Any

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile

from benchmarks import material
from emostress_ros.cli.graph import Graph, environment
from emostress_ros.msg import (
    AffectState,
    AudioChunk,
    ModalityContribution,
    ModalityEmbedding,
    PhysiologySamples,
    Utterance,
)
from emostress_ros.nodes.context import own_context
from emostress_ros.nodes.conversions import ns_to_stamp, stamp_to_ns

_CHUNK_S = 0.04
_WORN_S = 0.5
_SAID_S = 2.0
_WORDS = ("I am well, thank you.", "I do not know what to do.", "That is wonderful!")
_PULSE_HZ, _SKIN_HZ = 64.0, 4.0


class People:
    """Sensors of some people, and a listener; use it as a context manager.

    Args:
        faces: in view of each camera, 1, 4, 9 or 16; 0 for no camera.
        people: who wear a wristband and speak, by name beyond the first.
        cameras: each with its own process and topic ``image`` (they are indistinguishable).
        rate_hz: of each camera.
        compressed: JPEG in place of raw frames.
        namespace: of the graph.
        topic: of the camera.

    Attributes:
        frames_fed: embeddings of faces that were heard.
        stood_still_s: longest time between two looks at what is due, which a busy machine or a
            pause of it lengthens; hence how much of a late state is not the graph's.
        states: when each state was heard, ns, and the state.
    """

    def __init__(
        self,
        faces: int = 1,
        people: int = 1,
        cameras: int = 1,
        rate_hz: float = 30.0,
        compressed: bool = False,
        topic: str = "",
    ) -> None:
        self._names = [""] if people == 1 else [f"person_{k + 1}" for k in range(people)]
        topic = topic or ("image/compressed" if compressed else "image")
        self._camera = [
            sys.executable, "-m", "benchmarks.programs.camera", "--faces", str(faces),
            "--rate", str(rate_hz), "--topic", topic, *(["--compressed"] * compressed),
        ]  # fmt: skip
        self._cameras = cameras if faces else 0
        self.frames_fed = 0
        self.stood_still_s = 0.0
        self.states: list[tuple[int, Any]] = []
        self._first: dict[str, float] = {}
        self._reports: dict[str, dict[str, str]] = {}

    def __enter__(self) -> People:
        self._context_manager = own_context()
        context = self._context_manager.__enter__()
        self._node = Node("people", context=context)
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self._node)
        deep = QoSProfile(depth=50)
        make = self._node.create_publisher
        self._audio = make(AudioChunk, "audio", deep)
        self._worn = make(PhysiologySamples, "physiology", deep)
        self._said = make(Utterance, "utterance", deep)
        listen = self._node.create_subscription
        listen(AffectState, "affect", self._on_state, QoSProfile(depth=500))
        listen(ModalityEmbedding, "embeddings/face", self._on_embedding, deep)
        listen(DiagnosticArray, "/diagnostics", self._on_report, deep)
        self._processes = [
            subprocess.Popen(self._camera, env=environment(), stderr=subprocess.DEVNULL)
            for _ in range(self._cameras)
        ]
        self._speech = (32767 * np.concatenate(material.speech()[0])).astype(np.int16)
        self._spoken = self._number = 0
        self._due = {"audio": time.time(), "worn": time.time() - 61.0, "said": time.time()}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
        self._executor.shutdown()
        self._node.destroy_node()
        self._context_manager.__exit__(kind, error, trace)

    def run(self, seconds: float) -> None:
        """Sense and listen for a while."""
        last = time.monotonic()
        end = last + seconds
        while last < end:
            self._sense()
            self._executor.spin_once(timeout_sec=0.005)
            now = time.monotonic()
            self.stood_still_s = max(self.stood_still_s, now - last)
            last = now

    def wait_for_state(self, patience_s: float) -> None:
        """Sense until a state has come.

        Raises:
            RuntimeError: none has.
        """
        end = time.monotonic() + patience_s
        while not self.states:
            self.run(0.05)
            if time.monotonic() > end:
                raise RuntimeError(f"no state within {patience_s:g} s")

    def clear(self) -> None:
        """Forget the states so far."""
        self.states.clear()
        self.frames_fed = 0
        self.stood_still_s = 0.0

    def fresh_ms(self) -> list[float]:
        """Return stamp to arrival of the states whose face was used, milliseconds."""
        return [
            (heard - stamp_to_ns(state.header.stamp)) / 1e6
            for heard, state in self.states
            if any(
                item.modality == "face" and item.status == ModalityContribution.USED
                for item in state.contributions
            )
        ]

    def reported(self, node: str, key: str) -> str:
        """Return what a node last said on ``/diagnostics``; empty where it said nothing."""
        return self._reports.get(node, {}).get(key, "")

    def stages(self, graph: Graph, began: float, patience_s: float) -> dict[str, float]:
        """Return the seconds from ``began`` to each stage of a graph that is starting."""
        self._first.clear()
        self.states.clear()
        wanted = ("nodes found", "first embedding", "first state")
        end = time.monotonic() + patience_s
        # A state may be heard before the embeddings' topic has been discovered.
        while not set(wanted) <= set(self._first) and time.monotonic() < end:
            self.run(0.02)
            if "nodes found" not in self._first and "fusion_node" in self._node.get_node_names():
                self._first["nodes found"] = time.time()
        return {name: round(self._first.get(name, math.inf) - began, 2) for name in wanted}

    def _on_state(self, message: Any) -> None:
        self._first.setdefault("first state", time.time())
        self.states.append((time.time_ns(), message))

    def _on_embedding(self, message: Any) -> None:
        self._first.setdefault("first embedding", time.time())
        self.frames_fed += 1

    def _on_report(self, message: Any) -> None:
        for status in message.status:
            self._reports[status.name] = {item.key: item.value for item in status.values}

    def _sense(self) -> None:
        now = time.time()
        for name, period, send in (
            ("audio", _CHUNK_S, self._speak),
            ("worn", _WORN_S, self._wear),
            ("said", _SAID_S, self._say),
        ):
            while self._due[name] + period <= now:
                send(round(1e9 * self._due[name]), period)
                self._due[name] += period

    def _speak(self, stamp_ns: int, period: float) -> None:
        size = round(period * material.RATE_HZ)
        at = self._spoken % (len(self._speech) - size)
        self._spoken += size
        message = AudioChunk(sample_rate_hz=material.RATE_HZ, channels=1)
        message.data = array.array("h", self._speech[at : at + size].tobytes())
        message.header.stamp = ns_to_stamp(stamp_ns)
        self._audio.publish(message)

    def _wear(self, stamp_ns: int, period: float) -> None:
        start = stamp_ns / 1e9 % 1000
        for name in self._names:
            t = start + np.arange(round(period * _PULSE_HZ)) / _PULSE_HZ
            pulse = 50 * np.sin(2 * np.pi * 1.2 * t) + 15 * np.sin(4 * np.pi * 1.2 * t)
            slow = start + np.arange(round(period * _SKIN_HZ)) / _SKIN_HZ
            skin = 2.0 + 0.2 * np.sin(2 * np.pi * slow / 15.0)
            for signal, unit, rate, values in (
                ("bvp", "1", _PULSE_HZ, pulse), ("eda", "uS", _SKIN_HZ, skin),
            ):  # fmt: skip
                message = PhysiologySamples(
                    signal=signal, unit=unit, sample_rate_hz=rate, channels=1,
                    device_id=f"band_{name}", person_id=name,
                )  # fmt: skip
                message.data = array.array("f", values.astype(np.float32).tobytes())
                message.header.stamp = ns_to_stamp(stamp_ns)
                self._worn.publish(message)

    def _say(self, stamp_ns: int, period: float) -> None:
        for name in self._names:
            text = _WORDS[self._number % len(_WORDS)]
            message = Utterance(person_id=name, text=text, locale="en", confidence=0.9)
            message.header.stamp = message.end = ns_to_stamp(stamp_ns)
            message.start = ns_to_stamp(stamp_ns - 10**9)
            self._said.publish(message)
            self._number += 1
