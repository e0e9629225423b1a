"""What came of one bag: plain facts, and the answers of every run over the moments that count.

A result is one file, so that an evaluation that was cut short goes on where it stopped.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.evaluation.evaluate.items import Answers, Moments
from emostress_ros.evaluation.evaluate.states import States
from emostress_ros.files import whole_file

FORMAT = 1
ALL = "all"
"""Run with every sense, nothing shifted, nothing spoilt."""
WITHOUT_REST = "baseline off"
"""The same without the resting baseline, where one is used."""


@dataclass
class BagResult:
    """What came of one bag.

    Attributes:
        name: of the bag.
        fingerprint: of all that the result depends on.
        facts: plain values, the same on every machine.
        timing: plain values that depend on the machine and its load.
        moments: what was asked.
        runs: run to its answers.
        timeline: states of the run `ALL`, thinned for drawing.
        latency_ms: of its states, newest evidence's stamp to the time at which it was known.
    """

    name: str
    fingerprint: str
    facts: dict[str, Any]
    timing: dict[str, Any]
    moments: Moments
    runs: dict[str, Answers]
    timeline: States
    latency_ms: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros(0, np.float32))

    def to_bytes(self) -> bytes:
        """The result as one block of bytes."""
        plain = {
            "format": FORMAT, "name": self.name, "fingerprint": self.fingerprint,
            "facts": self.facts, "timing": self.timing, "runs": list(self.runs),
            "people": self.timeline.people, "modalities": self.timeline.modalities,
        }  # fmt: skip
        arrays: dict[str, Any] = {"plain": np.frombuffer(json.dumps(plain).encode(), np.uint8)}
        arrays["latency_ms"] = self.latency_ms
        arrays |= _flat("moments", vars(self.moments))
        arrays |= _flat("timeline", vars(self.timeline))
        for number, run in enumerate(self.runs.values()):
            arrays |= _flat(f"run{number}", vars(run))
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **arrays)
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> BagResult:
        """The result that `to_bytes` wrote.

        Raises:
            ValueError: the bytes are damaged, or of another format.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls._from_arrays({name: arrays[name] for name in arrays.files})
        except (zipfile.BadZipFile, KeyError, OSError, EOFError) as error:
            raise ValueError(f"a damaged result: {error}") from error

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> BagResult:
        plain = json.loads(arrays["plain"].tobytes())
        if plain["format"] != FORMAT:
            raise ValueError(f"a result of format {FORMAT}; got {plain['format']}")
        runs = {
            name: Answers(**_nested(arrays, f"run{number}"))
            for number, name in enumerate(plain["runs"])
        }
        people, modalities = tuple(plain["people"]), tuple(plain["modalities"])
        timeline = States(people=people, modalities=modalities, **_nested(arrays, "timeline"))
        return cls(
            plain["name"], plain["fingerprint"], plain["facts"], plain["timing"],
            Moments(**_nested(arrays, "moments")), runs, timeline, arrays["latency_ms"],
        )  # fmt: skip


def write_result(data: bytes, path: Path) -> None:
    """Write a result, all of it or nothing."""
    with whole_file(path) as draft:
        draft.write_bytes(data)


def read_result(path: Path, fingerprint: str) -> BagResult | None:
    """The result in a file; None where there is none, or one of something else."""
    try:
        result = BagResult.from_bytes(path.read_bytes())
    except (OSError, ValueError):
        return None
    return result if result.fingerprint == fingerprint else None


def _flat(prefix: str, values: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Arrays of an object's fields by name; those of a mapping below it."""
    arrays: dict[str, np.ndarray] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            arrays |= _flat(f"{prefix}/{name}", value)
        elif isinstance(value, np.ndarray):
            arrays[f"{prefix}/{name}"] = value
    return arrays


def _nested(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, Any]:
    """The fields that `_flat` took apart."""
    fields: dict[str, Any] = {}
    for key, value in arrays.items():
        if key.startswith(f"{prefix}/"):
            name, _, below = key[len(prefix) + 1 :].partition("/")
            if below:
                fields.setdefault(name, {})[below] = value
            else:
                fields[name] = value
    return fields
