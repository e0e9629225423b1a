"""A fifth sense in a package of one's own: what a robot's pressure skin feels.

Run it beside the graph, and tell the fusion to wait for it, too:

    python examples/touch_node.py
    ros2 run emostress_ros fusion_node --ros-args \
        -p modalities:="[face, voice, physiology, text, touch]"

Nothing else changes: a modality is a string on the wire. The rule below is written by hand after
Hertenstein et al., "The communication of emotion via touch", Emotion 9(4), 2009 (anger is hit and
pushed, affection and sympathy are stroked and patted); it was never measured, so it answers with
little certainty and says that its quality is low.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import FluidPressure

from emostress_ros.affect import Embedding, expected_valence_arousal
from emostress_ros.errors import SignalError
from emostress_ros.nodes.base import InputTopic
from emostress_ros.nodes.conversions import stamp_to_ns
from emostress_ros.nodes.modality_node import ModalityNode
from emostress_ros.nodes.run import run_node
from emostress_ros.parameters import Config, parameter

LABELS = ("neutral", "angry", "happy")


@dataclass(frozen=True)
class TouchConfig(Config):
    """Parameters of the sense of touch."""

    window_s: float = parameter(1.0, "Length of a window.", minimum=0.1, maximum=10.0, unit="s")
    hit_pa: float = parameter(
        20_000.0, "Pressure of a blow.", minimum=100.0, maximum=1e6, unit="Pa"
    )
    quality: float = parameter(0.3, "How far the rule is trusted.", minimum=0.0, maximum=1.0)


class TouchPipeline:
    """From pressures to embeddings: front end and encoder.

    Args:
        config: parameters.
    """

    def __init__(self, config: TouchConfig) -> None:
        self.config = config
        self._window: deque[tuple[int, float]] = deque()

    def reset(self) -> None:
        """Forget the signal so far."""
        self._window.clear()

    def process(self, pressure_pa: float, stamp_ns: int) -> Embedding:
        """Take in one sample and say what the last window felt like.

        Args:
            pressure_pa: over that at rest, pascal.
            stamp_ns: of the sample, nanoseconds.

        Raises:
            SignalError: the pressure is NaN or infinite.
        """
        if not np.isfinite(pressure_pa):
            raise SignalError(f"pressure must be a number of pascal; got {pressure_pa}")
        self._window.append((stamp_ns, pressure_pa))
        window_ns = round(1e9 * self.config.window_s)
        # A clock that was set back begins a new window, too.
        while not 0 <= stamp_ns - self._window[0][0] <= window_ns:
            self._window.popleft()
        return self._embedding(np.array([value for _, value in self._window]), stamp_ns)

    def _embedding(self, pressure_pa: np.ndarray, stamp_ns: int) -> Embedding:
        peak, mean = float(pressure_pa.max()), float(pressure_pa.mean())
        blow = min(1.0, max(0.0, peak / self.config.hit_pa))
        stroke = min(1.0, max(0.0, mean / self.config.hit_pa)) * (1.0 - blow)
        scores = np.array([1.0, 2.0 * blow, 2.0 * stroke])
        probabilities = (scores / scores.sum()).astype(np.float32)
        valence, arousal = expected_valence_arousal(LABELS, probabilities)
        return Embedding(
            stamp_ns,
            "touch",
            "touch_rule@1.0.0",
            np.array([peak, mean], dtype=np.float32),
            self.config.quality,
            window_ns=stamp_ns - self._window[0][0],
            labels=LABELS,
            probabilities=probabilities,
            valence=valence,
            arousal=arousal,
            measures={"touch_peak_pa": peak, "touch_mean_pa": mean},
        )


class TouchNode(ModalityNode):
    """Subscribes to ``touch`` (``sensor_msgs/FluidPressure``), publishes ``embeddings/touch``."""

    modality = "touch"
    config_class = TouchConfig

    def make_pipeline(self, config: TouchConfig) -> TouchPipeline:
        """Return the pipeline."""
        return TouchPipeline(config)

    def inputs(self) -> list[InputTopic]:
        """Return the topic of the skin."""
        return [InputTopic("touch", FluidPressure, self._on_pressure, depth=20)]

    def _on_pressure(self, message: Any) -> None:
        embedding = self.pipeline.process(message.fluid_pressure, stamp_to_ns(message.header.stamp))
        self.publish([embedding], message.header.frame_id)


def main() -> int:
    """Run the node as a process of its own."""
    return run_node(TouchNode, "touch_node")


if __name__ == "__main__":
    raise SystemExit(main())
