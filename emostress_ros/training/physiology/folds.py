"""Models of stress that never saw one person, a folder a person: `emostress evaluate --model`.

The shipped models learned from everybody in WESAD and Stress-Predict, so a recording of one of
them says nothing of strangers. Here each fold of the shipped recipe is kept: the model in
`OUT/physiology_wrist/wesad_S2` learned from all but S2 (and the others of its fold), and its
calibration from answers about other people. What each is judged on lies beside it, so that
`emostress compress --folds OUT/physiology_wrist` can tell what a smaller variant loses.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.inference import ModelCard
from emostress_ros.inference.folds import save_held_out
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.modalities.physiology.encoder import model_inputs
from emostress_ros.training.datasets import stress_predict, wesad
from emostress_ros.training.datasets.splits import check_disjoint
from emostress_ros.training.physiology.boost import Blend, fit_blend
from emostress_ros.training.physiology.data import SubjectFeatures, all_features
from emostress_ros.training.physiology.export import export_blend
from emostress_ros.training.physiology.fit import Array, Windows, subject_folds
from emostress_ros.training.physiology.train import calibrate
from emostress_ros.training.physiology.variants import (
    RECIPE,
    VARIANTS,
    Variant,
    blend_settings,
    windows,
)

_TRAIN_EVERY_S = 30.0
_FOLDS = 11
_NAMES = ("physiology_wrist", "physiology_wrist_rest")


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and write the models; return the exit status."""
    args = _arguments(argv)
    subjects = [*wesad.subjects(args.data), *stress_predict.subjects(args.data)]
    features = all_features(subjects, PhysiologyConfig(), args.cache, args.processes)
    for variant in VARIANTS:
        if variant.name in (_NAMES if args.only is None else (args.only,)):
            write_folds(variant, features, args.out)
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m emostress_ros.training.physiology.folds", description=__doc__
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with segments.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder of the models")
    parser.add_argument("--cache", type=Path, help="folder that keeps the features between runs")
    parser.add_argument("--processes", type=int, default=2, help="for the features")
    parser.add_argument("--only", choices=[v.name for v in VARIANTS], help="only this model")
    return parser.parse_args(argv)


def write_folds(variant: Variant, features: Sequence[SubjectFeatures], out: Path) -> None:
    """Write one model for each person of the data sets that a variant learns from."""
    from rich.progress import track

    own = [person for person in features if person.subject.dataset in variant.datasets]
    training = {f.subject.key: windows(f, variant, _TRAIN_EVERY_S) for f in own}
    test = {f.subject.key: windows(f, variant, PhysiologyConfig().window_s) for f in own}
    models: dict[str, Blend] = {}
    logits: dict[str, Array] = {}
    folds = subject_folds(list(test), _FOLDS)
    for fold in track(folds, description=variant.name):
        others = [person for key, person in training.items() if key not in fold]
        check_disjoint([w.person for w in others], [test[key].person for key in fold])
        model = fit_blend(others, blend_settings(variant, RECIPE))
        models |= dict.fromkeys(fold, model)
        logits |= {key: model.logit(test[key].features) for key in fold}
    for fold in folds:
        strangers = {key: logit for key, logit in logits.items() if key not in fold}
        temperature, shift = calibrate({key: test[key] for key in strangers}, strangers)
        for key in fold:
            model = models[key].calibrated(temperature, shift)
            folder = write_fold(variant, model, training[key], fold, out / variant.name)
            own_windows = test[key]
            feeds = [model_inputs(row) for row in own_windows.features]
            save_held_out(folder, feeds, own_windows.stress, [key] * len(feeds))


def write_fold(
    variant: Variant, model: Blend, person: Windows, fold: Sequence[str], out: Path
) -> Path:
    """Write the model for one person: the shipped card, with what differs; return its folder."""
    folder = out / person.person.replace("/", "_")  # both sets have an S10
    difference = export_blend(model, folder / "model.onnx", person.features)
    card: dict[str, Any] = dict(ModelCard.load(variant.name).raw)
    card["version"] = f"{card['version']}+without-{person.person.replace('/', '-')}"
    card["sha256"] = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    card["calibration"] = {
        "method": "temperature and shift (Platt 1999)",
        "fitted_on": "held-out logits of people outside this fold",
        "temperature": round(model.temperature, 4),
        "shift": round(model.shift, 4),
    }
    card["training"] = {
        "command": "python -m emostress_ros.training.physiology.folds --data DATA --out OUT",
        "seed": RECIPE.seed,
        "split": f"all subjects but {', '.join(fold)}",
    }
    card["figures"] = []
    views = {view: list(names) for view, names in variant.views.items()}
    card["extra"] = {"views": views, "onnx_difference": float(f"{difference:.1e}")}
    card["embedding_dim"] = sum(map(len, views.values()))
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=100)
    (folder / "model.yaml").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    raise SystemExit(main())
