"""The face path against the package `fer`, and tracking against detection in every frame."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import statistics
import warnings
from collections.abc import Callable
from itertools import count, cycle
from typing import Any

import numpy as np

from benchmarks import material
from benchmarks.result import Check, Row, duel
from benchmarks.timing import Times, interleave
from emostress_ros.modalities.face import FaceConfig, FacePipeline

GROUP = "face"
FRAME_NS = 33_333_333
_FRAMES = 30
_CASES = ((1, 0.0), (4, 0.0), (4, 15.0))
"""Faces in view, and how often each is read at most, Hz."""
_LEAST = {1: 8.0, 4: 10.0}
"""How many times as fast as the peer, by faces in view."""


class Film:
    """Frames of moving heads that go round and round, at 30 Hz."""

    def __init__(self, faces: int) -> None:
        sway = [round(6 * np.sin(2 * np.pi * k / _FRAMES)) + 6 for k in range(_FRAMES)]
        self.frames = [material.scene(faces, shift) for shift in sway]
        self.bgr = [np.ascontiguousarray(frame[:, :, ::-1]) for frame in self.frames]

    def feed(self, pipeline: FacePipeline) -> Callable[[], object]:
        """Return what takes the next frame through a pipeline."""
        numbers = count()

        def run() -> object:
            number = next(numbers)
            return pipeline.process(self.frames[number % _FRAMES], number * FRAME_NS)

        return run

    def feed_fer(self, detector: Any) -> Callable[[], object]:
        """Return what takes the next frame through `fer`."""
        frames = cycle(self.bgr)
        return lambda: detector.detect_emotions(next(frames))


def rows(seconds: float) -> list[Row]:
    """Return the face's rows."""
    return [*_against_fer(seconds * 0.6), _tracking(seconds * 0.4)]


def make_fer() -> Any:
    """Return `fer`'s detector with its defaults, in one thread."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        import cv2
        import tensorflow as tf

        cv2.setNumThreads(1)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        from fer.fer import FER

        logging.getLogger().setLevel(logging.WARNING)
        return FER()


def _against_fer(seconds: float) -> list[Row]:
    """Time one face and four side by side, so that a further face is a difference of neighbours."""
    fer = make_fer()
    films = {faces: Film(faces) for faces in (1, 4)}
    pipelines = {case: FacePipeline(FaceConfig(expression_rate_hz=case[1])) for case in _CASES}
    runs = {case: films[case[0]].feed(pipeline) for case, pipeline in pipelines.items()}
    peers = {faces: film.feed_fer(fer) for faces, film in films.items()}
    seen = {key: len(run()) for key, run in {**runs, **peers}.items()}  # type: ignore[arg-type]
    named = {str(key): run for key, run in {**runs, **peers}.items()}
    times = interleave(named, seconds)
    made = []
    for case, pipeline in pipelines.items():
        faces, rate_hz = case
        ours = times[str(case)]
        checks = [Check("faces found", seen[case], faces)]
        if faces > 1:
            extra = _extra_face_ms(times[str(_CASES[0])], ours, faces)
            checks.append(Check("an extra face [ms]", extra, 1.2, at_most=True))
        name = f"face path 640×480, {faces} face{'s' * (faces > 1)}"
        name += f", each read at {rate_hz:g} Hz" if rate_hz else ""
        session = pipeline.encoder.session
        note = (
            f"a moving portrait at 30 Hz; {session.name}, {session.variant}"
            f"{', compiled' * session.compiled}; "
            f"fer found {seen[faces]} of {faces}"
            + (", and reads all in every frame" if rate_hz else "")
        )
        made.append(duel(GROUP, name, "fer", ours, times[str(faces)], _LEAST[faces], checks, note))
    return made


def _extra_face_ms(one: Times, several: Times, faces: int) -> float:
    pairs = zip(one.rounds_ms, several.rounds_ms, strict=True)
    return statistics.median((more - less) / (faces - 1) for less, more in pairs)


def _tracking(seconds: float) -> Row:
    film = Film(1)
    guided, thorough = (
        FacePipeline(FaceConfig(detect_interval_s=interval)) for interval in (0.5, 0.0)
    )

    def detect(pipeline: FacePipeline) -> Callable[[], object]:
        at = [0]

        def run() -> object:
            at[0] += 1
            stamp = at[0] * FRAME_NS
            frame = film.frames[at[0] % _FRAMES]
            faces = pipeline.detector.detect(frame, stamp, pipeline.tracker.expected(stamp))
            return pipeline.tracker.update(faces.boxes, stamp)

        return run

    times = interleave({"ours": detect(guided), "peer": detect(thorough)}, seconds)
    switches, frames = _switches()
    checks = [Check("id switches on the clips", switches, 0.0, at_most=True)]
    note = f"detection and tracking of a face; ids over {frames} frames of GRID clips"
    return duel(GROUP, "detection when tracking", "ours, every frame", times["ours"],
                times["peer"], 2.0, checks, note,
                searched=dict(guided.detector.counts))  # fmt: skip


def _switches() -> tuple[int, int]:
    """Return how many more ids than people were given on the clips, and the frames looked at."""
    import av

    switches = frames = 0
    for path in material.clips()[:3]:
        pipeline = FacePipeline(FaceConfig())
        ids = set()
        with av.open(str(path)) as container:
            for number, frame in enumerate(container.decode(video=0)):
                rgb = frame.to_ndarray(format="rgb24")
                ids |= {face.track_id for face in pipeline.process(rgb, number * 40_000_000)}
                frames += 1
        switches += len(ids) - 1
    return switches, frames
