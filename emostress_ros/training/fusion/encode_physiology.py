"""WESAD and Stress-Predict through stress models that never saw the person.

The embedding is the shipped encoder's: features standardised by the moments of all training
persons, which no label enters.  The probability of stress comes from the fold that left the person
out, calibrated on all folds' held-out answers as the shipped model is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import EMOTIONS
from emostress_ros.files import whole_file
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.physiology import PhysiologyConfig, PhysiologyEncoder
from emostress_ros.modalities.physiology.features import NAMES
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.datasets.empatica import E4Recording
from emostress_ros.training.datasets.wearable_stress import LabelledWindows, Subject, label_windows
from emostress_ros.training.fusion.spoil import PHYSIOLOGY_KINDS, spoil_recording
from emostress_ros.training.fusion.tables import CLEAN, REPLACED, Table, nothing, unlabelled
from emostress_ros.training.physiology.boost import LINE, fit_blend
from emostress_ros.training.physiology.data import (
    VIEW_NAMES,
    SubjectFeatures,
    all_features,
    subject_features,
)
from emostress_ros.training.physiology.fit import Windows, held_out, sigmoid, subject_folds
from emostress_ros.training.physiology.judge import calibrate
from emostress_ros.training.physiology.variants import (
    RECIPE,
    VARIANTS,
    Variant,
    blend_settings,
    windows,
)

FOLDS = 11
TRAIN_EVERY_S = 30.0
NOISE_FROM = 3


@dataclass(frozen=True)
class SpoiltSubject(Subject):
    """A subject whose recording is read spoilt.

    Attributes:
        kind: how; see :func:`spoil_recording`.
        seed: of the noise.
    """

    kind: str = CLEAN
    seed: int = 0

    def read(self) -> E4Recording:
        """Read and spoil the recording."""
        return spoil_recording(super().read(), self.kind, np.random.default_rng(self.seed))


@dataclass(frozen=True)
class Shown:
    """The windows that are judged, as one kind of signal shows them.

    Attributes:
        views: view name to (n, features), NaN where missing.
        quality: (n,).
    """

    views: dict[str, npt.NDArray[np.float32]]
    quality: npt.NDArray[np.float64]


def physiology_table(data: Path, cache: Path, seed: int) -> Table:
    """Return windows of 60 s that do not overlap, judged by models that never saw the person.

    Args:
        data: holds ``segments.csv``, ``wesad/`` and ``stress_predict/``.
        cache: keeps the features; those of spoilt recordings by kind and subject alone, whatever
            the front end's code (they take half an hour; remove them to have them anew).
        seed: of the noise.
    """
    encoder = PhysiologyEncoder(ModelCard.load(PhysiologyConfig().model))
    variant = next(v for v in VARIANTS if v.name == encoder.card.name)
    subjects = [*wesad.subjects(data), *stress_predict.subjects(data)]
    clean = all_features(subjects, PhysiologyConfig(), cache / CLEAN)
    chosen = [_chosen(subject) for subject in clean]
    shown = {
        CLEAN: [_shown(f, c.index) for f, c in zip(clean, chosen, strict=True)],
        "moved": [_shown(_spoilt(s, "moved", seed + i, cache), c.index)
                  for i, (s, c) in enumerate(zip(subjects, chosen, strict=True))],
        REPLACED: _noise(subjects[:NOISE_FROM], chosen, seed, cache),
    }  # fmt: skip
    stress = _held_out_stress(clean, shown, chosen, variant)
    vectors = [
        np.concatenate([_encoded(encoder, item) for item in shown[k]]) for k in PHYSIOLOGY_KINDS
    ]
    quality = [np.concatenate([item.quality for item in shown[k]]) for k in PHYSIOLOGY_KINDS]
    count = sum(len(c.index) for c in chosen)
    person = [f.subject.key for f, c in zip(clean, chosen, strict=True) for _ in c.index]
    return Table(
        "physiology", encoder.card.identifier, PHYSIOLOGY_KINDS, np.stack(vectors),
        nothing(len(PHYSIOLOGY_KINDS), count, len(EMOTIONS)), stress,
        np.asarray(quality, np.float32), unlabelled(count),
        np.concatenate([c.stress for c in chosen]), np.array(person),
    )  # fmt: skip


def _spoilt(subject: Subject, kind: str, seed: int, cache: Path) -> SubjectFeatures:
    file = cache / "spoilt" / f"{kind}_{subject.dataset}_{subject.name}_{seed}.npz"
    if not file.is_file():
        other = SpoiltSubject(
            subject.dataset, subject.name, subject.path, subject.segments, kind, seed
        )
        made = subject_features(other, PhysiologyConfig())
        arrays: dict[str, Any] = {"end_s": made.end_s, "quality": made.quality, **made.views}
        with whole_file(file) as draft:
            np.savez(draft, **arrays)
    with np.load(file) as held:
        views = {name: held[name] for name in VIEW_NAMES}
        return SubjectFeatures(subject, held["end_s"], held["quality"], views)


def _shown(features: SubjectFeatures, index: npt.NDArray[np.int64]) -> Shown:
    # A spoilt recording may end a window earlier than the sound one.
    rows = np.minimum(index, len(features.quality) - 1)
    return Shown({k: v[rows] for k, v in features.views.items()}, features.quality[rows])


def _noise(
    subjects: Sequence[Subject], chosen: Sequence[LabelledWindows], seed: int, cache: Path
) -> list[Shown]:
    """Noise knows no person: everybody's is drawn from the windows of a few recordings of it."""
    made = [_spoilt(s, REPLACED, seed + i, cache) for i, s in enumerate(subjects)]
    views = {name: np.concatenate([m.views[name] for m in made]) for name in VIEW_NAMES}
    quality = np.concatenate([m.quality for m in made])
    rng = np.random.default_rng(seed)
    drawn = [rng.integers(len(quality), size=len(c.index)) for c in chosen]
    return [Shown({k: v[rows] for k, v in views.items()}, quality[rows]) for rows in drawn]


def _chosen(features: SubjectFeatures) -> LabelledWindows:
    window_s = PhysiologyConfig().window_s
    return label_windows(
        features.subject.segments, features.end_s, window_s=window_s, every_s=window_s
    )


def _inputs(shown: Shown, variant: Variant) -> npt.NDArray[np.float64]:
    views = [shown.views[view][:, [NAMES.index(name) for name in names]]
             for view, names in variant.views.items()]  # fmt: skip
    return np.concatenate(views, axis=1).astype(np.float64)


def _held_out_stress(
    clean: Sequence[SubjectFeatures],
    shown: Mapping[str, Sequence[Shown]],
    chosen: Sequence[LabelledWindows],
    variant: Variant,
) -> npt.NDArray[np.float32]:
    """Return the (V, N) calibrated probability of stress, the person left out."""
    training = {f.subject.key: windows(f, variant, TRAIN_EVERY_S) for f in clean}
    kinds = len(PHYSIOLOGY_KINDS)
    every = {
        f.subject.key: Windows(
            f.subject.key,
            np.concatenate([_inputs(shown[kind][i], variant) for kind in PHYSIOLOGY_KINDS]),
            np.tile(c.stress, kinds),
        )
        for i, (f, c) in enumerate(zip(clean, chosen, strict=True))
    }
    # The line alone: eleven fits in seconds, half a point of UAR under the whole blend.
    settings = replace(blend_settings(variant, RECIPE), parts=(LINE,))
    fit = partial(fit_blend, settings=settings)
    said = held_out(training, every, subject_folds(list(every), FOLDS), fit)
    logits = {key: said[key].reshape(kinds, -1) for key in every}
    test = {
        key: Windows(key, w.features[: len(w.stress) // kinds], w.stress[: len(w.stress) // kinds])
        for key, w in every.items()
    }
    temperature, shift = calibrate(test, {key: rows[0] for key, rows in logits.items()})
    joined = np.concatenate([logits[key] for key in every], axis=1)
    return sigmoid(joined / temperature + shift).astype(np.float32)


def _encoded(encoder: PhysiologyEncoder, shown: Shown) -> npt.NDArray[np.float32]:
    rows = [
        encoder.encode({view: rows[i] for view, rows in shown.views.items()}).vector
        for i in range(len(shown.quality))
    ]
    return np.stack(rows) if rows else np.zeros((0, encoder.card.embedding_dim), np.float32)
