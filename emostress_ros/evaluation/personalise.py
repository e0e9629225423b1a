"""A stress model for one person: from a recording of theirs and what is known of it.

The recording is an Empatica E4 export or a bag with `PhysiologySamples`; a table of segments says
when the person was stressed, or only when they rested. The result is a model folder: the base
model's weights, and a card whose `extra.adaptation` holds what changed. The physiology node loads
it by its path (`model:` or `model_rest:`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, DatasetError, ParameterError
from emostress_ros.evaluation.bags.reader import bag_info, read_messages
from emostress_ros.inference import ModelCard
from emostress_ros.inference.card import CARD_FILE
from emostress_ros.modalities.messages import physiology_from_msg
from emostress_ros.modalities.physiology import (
    PhysiologyConfig,
    PhysiologyEncoder,
    PhysiologyPipeline,
)
from emostress_ros.modalities.physiology.frontend import Views
from emostress_ros.person.adaptation import (
    Adaptation,
    Prior,
    RestPopulation,
    adapt,
    adapt_rest,
    logits_of,
)
from emostress_ros.training.datasets.empatica import read_e4
from emostress_ros.training.datasets.wearable_stress import REST_S, Segment, label_windows
from emostress_ros.training.physiology.data import play

_BAG_TYPE = "emostress_ros/msg/PhysiologySamples"
_LEAST_TO_CHECK = 4


@dataclass(frozen=True)
class OwnWindows:
    """What the base model says of a person's windows, which do not overlap.

    Attributes:
        logits: shape (n, 2): calm, stressed.
        embeddings: shape (n, D).
        stress: shape (n,), 0 or 1.
    """

    logits: npt.NDArray[np.float64]
    embeddings: npt.NDArray[np.float64]
    stress: npt.NDArray[np.int64]


def own_windows(
    recording: Path | str, segments: Sequence[Segment], model: str, person: str = ""
) -> OwnWindows:
    """Play a recording through a model and keep what it says of the labelled windows.

    A model that reads against a rest takes the first 120 s of the first unstressed segment as the
    rest; they are not among the windows.

    Args:
        recording: Empatica E4 zip or folder, or a bag.
        segments: see `personal_segments.read_segments`.
        model: name or folder of the base model.
        person: whose samples of a bag; empty: those of the only person there.

    Raises:
        DatasetError, BagError: the recording cannot be read, or no window lies in a segment.
        ParameterError: the model is one person's already, or needs a rest that is not there.
    """
    encoder = _encoder(model)
    pipeline, from_s, rest_s = _pipeline(encoder, segments)
    path = Path(recording)
    if _is_bag(path):
        start_ns, views = _play_bag(path, person, pipeline, rest_s)
    else:
        start_ns, views = _play_e4(path, pipeline, rest_s)
    end_s = np.array([(view.timed.stamp_ns - start_ns) / NANOSECONDS for view in views])
    window_s, least = pipeline.config.window_s, pipeline.config.min_quality
    chosen = label_windows(segments, end_s, window_s=window_s, every_s=window_s, from_s=from_s)
    kept = [
        (pipeline.encode(person, views[i]), stress)
        for i, stress in zip(chosen.index, chosen.stress, strict=True)
        if views[i].timed.window.channels and views[i].quality >= least
    ]
    if not kept:
        raise DatasetError(
            f"{recording}: no whole window of {window_s:g} s lies inside a segment; the recording "
            f"has {len(views)} windows"
        )
    return OwnWindows(
        logits_of([embedding.stress for embedding, _ in kept]),
        np.stack([embedding.vector for embedding, _ in kept]).astype(np.float64),
        np.array([stress for _, stress in kept], np.int64),
    )


def _pipeline(
    encoder: PhysiologyEncoder, segments: Sequence[Segment]
) -> tuple[PhysiologyPipeline, float, float | None]:
    """The node's pipeline, from when on windows count, and when the rest begins, if one is read."""
    if not encoder.needs_rest:
        return PhysiologyPipeline(PhysiologyConfig(model_rest=""), encoder), 0.0, None
    calm = next((segment for segment in segments if segment.stress == 0), None)
    if calm is None:
        raise ParameterError(
            f"{encoder.card.name} reads against a rest, but no segment is unstressed"
        )
    pipeline = PhysiologyPipeline(PhysiologyConfig(), encoder_rest=encoder)
    return pipeline, calm.start_s + REST_S, calm.start_s


def _encoder(model: str) -> PhysiologyEncoder:
    card = ModelCard.load(model)
    if "adaptation" in card.extra:
        raise ParameterError(f"{model} is one person's already: name the model it was made from")
    return PhysiologyEncoder(card)


def _is_bag(path: Path) -> bool:
    return path.suffix in (".mcap", ".db3") or (path / "metadata.yaml").is_file()


def _play_e4(
    path: Path, pipeline: PhysiologyPipeline, rest_s: float | None
) -> tuple[int, list[Views]]:
    """Play an E4 export; return the stamp that seconds are counted from, and all windows."""
    recording = read_e4(path)
    if rest_s is not None:
        pipeline.start_baseline("", recording.start_ns + round(rest_s * NANOSECONDS), REST_S)
    return recording.start_ns, list(play(pipeline, recording))


def _play_bag(
    path: Path, person: str, pipeline: PhysiologyPipeline, rest_s: float | None
) -> tuple[int, list[Views]]:
    """The same with a bag; only one person's samples are heard."""
    topics = [topic for topic, kind in bag_info(path).topics.items() if kind == _BAG_TYPE]
    if not topics:
        raise BagError(f"{path}: holds no {_BAG_TYPE}")
    views: list[Views] = []
    start_ns, people = -1, set()
    for item in read_messages(path, topics):
        message = item.message
        people.add(message.person_id)
        if person and message.person_id != person:
            continue
        samples, stamp_ns = physiology_from_msg(message)
        if start_ns < 0:
            start_ns = stamp_ns
            if rest_s is not None:
                pipeline.start_baseline(person, start_ns + round(rest_s * NANOSECONDS), REST_S)
        pipeline.add(
            message.signal, message.unit, float(message.sample_rate_hz), int(message.channels),
            samples, stamp_ns, person, message.device_id,
        )  # fmt: skip
        views += pipeline.views(person)
    if start_ns < 0 or (not person and len(people) > 1):
        raise BagError(
            f"{path}: name one of its people with --person: {', '.join(sorted(people))}; "
            f"got '{person}'"
        )
    return start_ns, views


def write_personal(
    windows: OwnWindows, model: str, folder: Path, *, method: str, prior: Prior | None = None
) -> dict[str, Any]:
    """Fit a person's adaptation and write their model folder.

    Args:
        windows: of the person.
        model: name or folder of the base model.
        folder: to write; the card's name is its last part.
        method: `calibration` or `head`; see `person.adaptation`.
        prior: how much a window may change.

    Returns:
        what is known of the adaptation: windows, and how it does left-one-out.
    """
    base = ModelCard.load(model)
    base.check_weights()
    fitted = _fitted(base, windows, method, prior)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(base.file, folder / base.file.name)
    facts = {"base": base.identifier, **_facts(windows, method, prior)}
    card = {**base.raw, **_changed(base, folder.name, fitted, facts)}
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100)
    (folder / CARD_FILE).write_text(text, encoding="utf-8")
    return facts


def _fitted(base: ModelCard, windows: OwnWindows, method: str, prior: Prior | None) -> Adaptation:
    """By the labels; of windows at rest alone, by how far they lie from other people's."""
    if windows.stress.any():
        return adapt(windows.logits, windows.stress, windows.embeddings, method=method, prior=prior)
    population = base.extra.get("rest_population")
    if population is None:
        raise ParameterError(
            f"{base.name}: its card does not tell of people at rest (extra.rest_population), so "
            "resting windows alone say nothing: label stressed ones, too"
        )
    return adapt_rest(windows.logits, RestPopulation.from_dict(population))


def _changed(
    base: ModelCard, name: str, fitted: Adaptation, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Keys of the card that are not the base model's."""
    return {
        "name": name,
        "figures": [],
        "notes": [
            f"One person's: {base.identifier} with an adaptation made by `emostress personalise`. "
            "The base model's figures do not hold for it; docs/studies/personalisation.md tells "
            "what such adaptations give.",
        ],
        "limits": [
            "It is of use for the person it was made for alone, and tells of them: keep it as "
            "you keep their recordings.",
            *base.raw["limits"],
        ],
        "extra": {**base.extra, "adaptation": fitted.to_dict(), "personal": dict(facts)},
    }


def _facts(windows: OwnWindows, method: str, prior: Prior | None) -> dict[str, Any]:
    """How many windows there were and, with enough of them, how each does when left out."""
    facts: dict[str, Any] = {
        "windows": len(windows.stress),
        "stressed": int(windows.stress.sum()),
        "accuracy_before": float(np.mean(windows.logits.argmax(axis=1) == windows.stress)),
    }
    if len(windows.stress) >= _LEAST_TO_CHECK and len(set(windows.stress.tolist())) > 1:
        facts["accuracy_left_one_out"] = float(np.mean(list(_left_out(windows, method, prior))))
    return facts


def _left_out(windows: OwnWindows, method: str, prior: Prior | None) -> Iterator[bool]:
    for i in range(len(windows.stress)):
        others = np.arange(len(windows.stress)) != i
        fitted = adapt(
            windows.logits[others], windows.stress[others], windows.embeddings[others],
            method=method, prior=prior,
        )  # fmt: skip
        row = fitted.apply(windows.logits[i : i + 1], windows.embeddings[i : i + 1])
        yield bool(row.argmax(axis=1)[0] == windows.stress[i])
