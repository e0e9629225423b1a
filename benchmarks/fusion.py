"""One step of the fusion: embeddings of four senses in, a state out."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np

from benchmarks.result import Check, Row
from benchmarks.timing import interleave
from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.fusion import FusionConfig, FusionPipeline
from emostress_ros.fusion.learned import LearnedFusion
from emostress_ros.person.consent import ConsentRegistry

GROUP = "fusion"
LIMIT_MS = 0.1


def rows(seconds: float) -> list[Row]:
    """Return the fusion's row: from the aligned set to the state, smoothing included."""
    config = FusionConfig()
    pipeline = FusionPipeline(config, ConsentRegistry(config.consent))
    clock = [10**18]
    _feed(pipeline, clock)
    for _ in range(20):
        _step(pipeline, clock)
    person = pipeline.people[0]
    situation = pipeline._situation(person, pipeline._aligners[person].align(clock[0]))
    smoother = pipeline._smoothers[person]

    def step() -> None:
        (state,) = pipeline.fusion.fuse([situation])
        smoother.smooth(state, clock[0])

    times = interleave(
        {
            "step": step,
            "all": lambda: _step(pipeline, clock),
        },
        seconds,
        time.thread_time_ns,
    )
    one, everything = times["step"], times["all"]
    check = Check("median [ms]", one.median, LIMIT_MS, at_most=True)
    note = (
        f"{config.model}; with taking in four embeddings, aligning them and telling the time: "
        f"{1e3 * everything.median:.0f} µs"
    )
    return [
        Row(GROUP, "fusion step, four senses", "", one.to_json(), {}, (check,), note,
            {"whole": everything.to_json()})
    ]  # fmt: skip


def _feed(pipeline: FusionPipeline, clock: list[int]) -> None:
    """Tell of four senses by the encoders that the model learned to read."""
    assert isinstance(pipeline.fusion, LearnedFusion)
    random = np.random.default_rng(0)
    for modality, place in pipeline.fusion.layout.places.items():
        chances = random.dirichlet(np.ones(len(EMOTIONS))).astype(np.float32)
        spoken = modality != "physiology"
        embedding = Embedding(
            stamp_ns=clock[0], modality=modality, model=place.known.models[0],
            vector=random.normal(size=place.known.width).astype(np.float32),
            quality=0.9, person_id="anna", source_id=modality, labels=EMOTIONS if spoken else (),
            probabilities=chances if spoken else np.empty(0, np.float32),
            valence=0.1, arousal=0.2, stress=float("nan") if spoken else 0.4,
        )  # fmt: skip
        pipeline.add(embedding, clock[0])
        _LAST[modality] = embedding


_LAST: dict[str, Embedding] = {}


def _step(pipeline: FusionPipeline, clock: list[int]) -> None:
    clock[0] += pipeline.config.period_ns
    for embedding in _LAST.values():
        pipeline.add(replace(embedding, stamp_ns=clock[0]), clock[0])
    if not pipeline.advance(clock[0]):
        raise RuntimeError("the fusion said nothing although every sense spoke")
