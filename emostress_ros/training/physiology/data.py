"""Labelled recordings through the live front end: the features a node would see, with labels."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.files import whole_file
from emostress_ros.modalities import physiology
from emostress_ros.modalities.physiology import PhysiologyConfig, PhysiologyFrontEnd
from emostress_ros.modalities.physiology.features import NAMES
from emostress_ros.modalities.physiology.frontend import Views
from emostress_ros.training.datasets.empatica import E4Recording
from emostress_ros.training.datasets.wearable_stress import (
    REST_S,
    Subject,
    seconds_since_start,
)

_CHUNK_S = 1
VIEW_NAMES = ("values", "relative", "rank", "change")


@dataclass(frozen=True)
class SubjectFeatures:
    """All windows of one recording.

    Attributes:
        subject: who, and the labelled segments.
        end_s: shape (windows,), seconds since the first BVP sample.
        quality: shape (windows,).
        views: view name to shape (windows, features), NaN where missing; see `encoder.VIEWS`.
    """

    subject: Subject
    end_s: npt.NDArray[np.float64]
    quality: npt.NDArray[np.float64]
    views: dict[str, npt.NDArray[np.float32]]


def play(
    front_end: PhysiologyFrontEnd, recording: E4Recording, person_id: str = ""
) -> Iterator[Views]:
    """Feed a recording second by second, as a wearable would send it, and yield its windows."""
    start = min(signal.start_ns for signal in recording.signals.values())
    seconds = int((recording.start_ns - start) / NANOSECONDS + recording.duration_s) + 1
    for second in range(0, seconds, _CHUNK_S):
        begin = start + second * NANOSECONDS
        end = begin + _CHUNK_S * NANOSECONDS
        for signal in recording.signals.values():
            stamp, data = signal.between(begin, end)
            if len(data):
                front_end.add(
                    signal.name, signal.unit, signal.sample_rate_hz, data.shape[1], data, stamp,
                    person_id, recording.name,
                )  # fmt: skip
        beats = (recording.ibi_stamps_ns >= begin) & (recording.ibi_stamps_ns < end)
        for i in np.flatnonzero(beats):
            front_end.add(
                "ibi", "ms", 0.0, 1, recording.ibi_ms[i : i + 1],
                int(recording.ibi_stamps_ns[i]), person_id, recording.name,
            )  # fmt: skip
        yield from front_end.views(person_id)


def subject_features(subject: Subject, config: PhysiologyConfig) -> SubjectFeatures:
    """Run one subject's recording through the front end, with the resting baseline."""
    recording = subject.read()
    front_end = PhysiologyFrontEnd(config)
    rest_ns = recording.start_ns + round(subject.rest_start_s * NANOSECONDS)
    front_end.start_baseline("", rest_ns, REST_S)
    seen = list(play(front_end, recording))
    missing = np.full(len(NAMES), np.nan)
    views = {
        name: np.array([view.by_name.get(name, missing) for view in seen], np.float32)
        for name in VIEW_NAMES
    }
    end_s = seconds_since_start(recording, [view.timed.stamp_ns for view in seen])
    return SubjectFeatures(subject, end_s, np.array([view.quality for view in seen]), views)


def all_features(
    subjects: Sequence[Subject],
    config: PhysiologyConfig,
    cache: Path | None = None,
    processes: int = 1,
) -> list[SubjectFeatures]:
    """Features of many subjects.

    Args:
        subjects: whose.
        config: of the front end.
        cache: folder for the result; None: compute anew.
        processes: how many to use.
    """
    work = partial(_cached, config=config, cache=cache)
    if processes == 1:
        return [work(subject) for subject in subjects]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(work, subjects))


def _cached(subject: Subject, config: PhysiologyConfig, cache: Path | None) -> SubjectFeatures:
    if cache is None:
        return subject_features(subject, config)
    file = cache / f"{subject.dataset}_{subject.name}_{_fingerprint(subject, config)}.npz"
    if file.is_file():
        with np.load(file) as stored:
            views = {name: stored[name] for name in VIEW_NAMES}
            return SubjectFeatures(subject, stored["end_s"], stored["quality"], views)
    made = subject_features(subject, config)
    arrays: dict[str, Any] = {"end_s": made.end_s, "quality": made.quality, **made.views}
    with whole_file(file) as draft:
        np.savez(draft, **arrays)
    return made


def _fingerprint(subject: Subject, config: PhysiologyConfig) -> str:
    """Of what the features depend on: the front end's code, its settings, the segments."""
    digest = hashlib.sha256(f"{config}{subject.segments}{subject.path}".encode())
    for code in sorted(Path(physiology.__file__).parent.glob("*.py")):
        if code.name not in ("encoder.py", "pipeline.py", "__init__.py"):
            digest.update(code.read_bytes())
    return digest.hexdigest()[:12]
