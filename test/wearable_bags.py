"""Bags of a made-up wearable, quick to evaluate, with labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from emostress_ros.affect import NANOSECONDS
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.builder import EPOCH_NS
from emostress_ros.evaluation.bags.wearable import WearableBlock
from emostress_ros.evaluation.bags.writer import write_bag
from emostress_ros.evaluation.evaluate.labels import Label

LENGTH_S = 100


def pulse(seconds: np.ndarray, rate_hz: float) -> np.ndarray:
    phase = 2 * np.pi * np.cumsum(np.full(len(seconds), rate_hz)) * (seconds[1] - seconds[0])
    return 50 * np.sin(phase) + 15 * np.sin(2 * phase)


def wearable_blocks(rate_hz: float, seed: int, length_s: int = LENGTH_S):
    """A pulse and a skin conductance, a second a message."""
    random = np.random.default_rng(seed)
    fast, slow = np.arange(64 * length_s) / 64, np.arange(4 * length_s) / 4
    bvp = pulse(fast, rate_hz) + random.normal(0, 2, len(fast))
    eda = 2 + 0.3 * np.sin(slow / 9) + random.normal(0, 0.01, len(slow))
    for second in range(length_s):
        for name, unit, rate, values in (("bvp", "1", 64, bvp), ("eda", "uS", 4, eda)):
            part = values[second * rate : (second + 1) * rate, None].astype(np.float32)
            yield WearableBlock(second * NANOSECONDS, name, unit, float(rate), part, "E4")


def wearable_bag(path: Path, rate_hz: float = 1.2, seed: int = 0, person: str = "anna") -> Path:
    blocks = list(wearable_blocks(rate_hz, seed))
    records = messages.physiology_records(iter(blocks), EPOCH_NS, person)
    return write_bag(path, sorted(records, key=lambda record: record.log_ns)).path


def stress_labels(bag: str, person: str = "anna") -> tuple[Label, ...]:
    return (
        Label(bag, person, 0.0, 70.0, stress=0.0),
        Label(bag, person, 70.0, LENGTH_S, stress=1.0),
    )
