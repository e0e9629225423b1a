"""The stress models that are made, and what each of them is shown."""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.modalities.physiology.features import FEATURES, NAMES
from emostress_ros.training.datasets.wearable_stress import REST_S, label_windows
from emostress_ros.training.physiology.boost import BlendSettings, without_past
from emostress_ros.training.physiology.data import SubjectFeatures
from emostress_ros.training.physiology.export import sensor_groups, sensor_names
from emostress_ros.training.physiology.fit import Array, Windows


@dataclass(frozen=True)
class Variant:
    """One model to make.

    Attributes:
        name: of its folder.
        rest: whether it reads against the resting baseline.
        datasets: what it learns from.
        licence: of the weights.
    """

    name: str
    rest: bool
    datasets: tuple[str, ...]
    licence: str

    @property
    def views(self) -> dict[str, list[str]]:
        """View to its features, in the order of the model's inputs."""
        # The amplitude of a pulse depends on the sensor: by itself it means nothing.
        absolute = [name for name in NAMES if name not in _SENSOR_BOUND]
        against = {"relative": list(NAMES)} if self.rest else {}
        return {"values": absolute, **against, "rank": list(NAMES), "change": list(NAMES)}


WEARABLES = {
    "pulse only": ("heart",),
    "skin conductance only": ("eda",),
    "pulse and skin conductance": ("heart", "eda"),
    "all but acceleration": ("heart", "eda", "skin_temperature"),
    "acceleration only": ("acceleration",),
}
"""Wearables that lack sensors, by what they have: the skill that remains is part of the card."""
NO_PAST = "each window alone (no past of the person)"
_SENSOR_BOUND = ("pulse_amplitude",)
BOTH = ("wesad", "stress_predict")
_NON_COMMERCIAL = (
    "weights: Apache-2.0 for academic, non-commercial use only (they are learned from WESAD)"
)
RECIPE = argparse.Namespace(ridge=300.0, rounds=100, seeds=1, seed=0)
"""Options of the shipped models' fit."""
VARIANTS = (
    Variant("physiology_wrist_rest", True, BOTH, _NON_COMMERCIAL),
    Variant("physiology_wrist", False, BOTH, _NON_COMMERCIAL),
    Variant("physiology_wrist_permissive_rest", True, ("stress_predict",), "Apache-2.0"),
    Variant("physiology_wrist_permissive", False, ("stress_predict",), "Apache-2.0"),
)


def windows(features: SubjectFeatures, variant: Variant, every_s: float) -> Windows:
    """Labelled windows of one person as a variant sees them."""
    return windows_and_ends(features, variant, every_s)[0]


def windows_and_ends(
    features: SubjectFeatures, variant: Variant, every_s: float
) -> tuple[Windows, Array]:
    """Labelled windows of one person and their ends, seconds since the first BVP sample, (n,)."""
    from_s = features.subject.rest_start_s + REST_S if variant.rest else 0.0
    chosen = label_windows(
        features.subject.segments, features.end_s,
        window_s=PhysiologyConfig().window_s, every_s=every_s, from_s=from_s,
    )  # fmt: skip
    inputs = [
        features.views[view][chosen.index][:, [NAMES.index(name) for name in names]]
        for view, names in variant.views.items()
    ]
    joined = np.concatenate(inputs, axis=1).astype(np.float64)
    # A window in which no sensor spoke is not judged; see evaluation/score_physiology.py.
    heard = np.isfinite(joined).any(axis=1)
    found = Windows(features.subject.key, joined[heard], chosen.stress[heard])
    return found, features.end_s[chosen.index][heard]


def every_wearable(person: Windows, settings: BlendSettings) -> Windows:
    """Append copies of a person's windows as poorer wearables would give them; see `WEARABLES`."""
    names = sensor_names([feature.channel for feature in FEATURES])
    copies = [person.features]
    for sensors in WEARABLES.values():
        seen = np.isin(settings.groups, [names.index(sensor) for sensor in sensors])
        copies.append(np.where(seen, person.features, np.nan))
    copies.append(np.where(settings.past, without_past(person.features), person.features))
    stress = np.tile(person.stress, len(copies))
    return Windows(person.person, np.concatenate(copies), stress)


def blend_settings(variant: Variant, args: argparse.Namespace) -> BlendSettings:
    """Settings of a variant's fit from the options of the command."""
    columns = [NAMES.index(name) for names in variant.views.values() for name in names]
    groups = sensor_groups([feature.channel for feature in FEATURES])[columns]
    past = [view in ("rank", "change") for view, names in variant.views.items() for _ in names]
    return BlendSettings(
        ridge=args.ridge,
        groups=groups,
        past=np.array(past),
        rounds=args.rounds,
        seeds=args.seeds,
        seed=args.seed,
    )
