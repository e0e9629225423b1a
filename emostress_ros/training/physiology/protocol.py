"""`emostress score physiology DATASET DIR --protocol NAME`: the figures of the cards, made again.

`loso` leaves people out in turn (eleven folds, see :mod:`.judge`), `cross` trains without any
of the data set, `random` is the literature's split over windows. Both data sets have to be there:
the recipe of a card learns from what its card names.
"""

from __future__ import annotations

from pathlib import Path

from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.metrics import Score
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.physiology.boost import BlendSettings
from emostress_ros.training.physiology.data import SubjectFeatures, all_features
from emostress_ros.training.physiology.judge import (
    foreign_sets,
    judge_across,
    judge_random,
    judge_unseen,
)
from emostress_ros.training.physiology.variants import (
    BOTH,
    RECIPE,
    VARIANTS,
    Variant,
    blend_settings,
)

PROTOCOLS = ("loso", "cross", "random")
_READERS = {"wesad": wesad.subjects, "stress_predict": stress_predict.subjects}


def score(
    dataset: str,
    path: Path | str,
    *,
    protocol: str,
    progress: bool = True,
    model: str | None = None,
    baseline: str = "rest",
    work: Path | None = None,
) -> Score:
    """Train the recipe of a card anew and judge people it never saw.

    Args:
        dataset: `wesad` or `stress_predict`.
        path: folder with `segments.csv`, `wesad/` and `stress_predict/`.
        protocol: of `PROTOCOLS`.
        progress: show a bar.
        model: whose recipe; None: the shipped one for `baseline`.
        baseline: `rest` or `none`.
        work: keeps features and held-out answers.

    Returns:
        the figures; of `loso` with `slices`, the wearables that lack sensors.

    Raises:
        ParameterError: an unknown protocol, model or baseline, or a data set that the model's
            recipe cannot be judged on.
        DatasetError: a recording is missing or odd.
    """
    if protocol not in PROTOCOLS:
        allowed = ", ".join(("shipped", *PROTOCOLS))
        raise ParameterError(f"--protocol of physiology must be one of {allowed}; got '{protocol}'")
    variant = _variant(model, baseline)
    _check(variant, dataset, protocol)
    settings = blend_settings(variant, RECIPE)
    features = _features(variant, dataset, Path(path), work)
    extra = {"protocol": protocol, "model": variant.name}
    if protocol == "cross":
        found = judge_across(variant, features, settings, dataset, keep=work)
        return found.with_extra(**extra)
    if protocol == "random":
        return judge_random(variant, features, settings, RECIPE.seed)[dataset].with_extra(**extra)
    return _left_out(variant, features, settings, dataset, progress, work).with_extra(**extra)


def _left_out(
    variant: Variant,
    features: list[SubjectFeatures],
    settings: BlendSettings,
    dataset: str,
    progress: bool,
    work: Path | None,
) -> Score:
    judged = judge_unseen(variant, features, settings, progress=progress, keep=work)
    slices = {
        name: {
            **{key: value for key, value in found.to_json_dict().items() if key != "ci95"},
            "ci95": found.extra["ci95"],
        }
        for name, found in judged.slices[dataset].items()
    }
    return judged.scores[dataset].with_extra(slices=slices)


def _variant(model: str | None, baseline: str) -> Variant:
    if baseline not in ("rest", "none"):
        raise ParameterError(f"baseline must be one of rest, none; got '{baseline}'")
    config = PhysiologyConfig()
    name = model or (config.model_rest if baseline == "rest" else config.model)
    known = {variant.name: variant for variant in VARIANTS}
    if Path(name).name not in known:
        raise ParameterError(f"--model must be one of {', '.join(known)}; got '{name}'")
    return known[Path(name).name]


def _check(variant: Variant, dataset: str, protocol: str) -> None:
    allowed = foreign_sets(variant) if protocol == "cross" else variant.datasets
    if dataset not in allowed:
        raise ParameterError(
            f"{variant.name} under '{protocol}' is judged on {', '.join(allowed)}; got '{dataset}'"
        )


def _features(
    variant: Variant, dataset: str, path: Path, work: Path | None
) -> list[SubjectFeatures]:
    subjects = []
    for name in BOTH:
        if name in (*variant.datasets, dataset):
            subjects += _READERS[name](path)
    if not subjects:
        raise DatasetError(f"{path}: no recording there")
    return all_features(subjects, PhysiologyConfig(), work, 2)
