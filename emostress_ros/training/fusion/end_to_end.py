"""Stage 3 on real faces: the end of a face network learns through the fusion, in five folds.

The body of the network (a checkpoint of ``emostress train face``) is run once over the faces and
over noise; its last block, its embedding and its answer learn together with the fusion.  The people
who are judged are in neither; before and after are asked about the same moments.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from emostress_ros.errors import DatasetError
from emostress_ros.files import whole_file
from emostress_ros.training.common import CsvLog, plot_curves
from emostress_ros.training.face.fit import load_net
from emostress_ros.training.face.nets import standardise
from emostress_ros.training.fusion.encode import held_out_faces
from emostress_ros.training.fusion.evaluate import (
    ALONE,
    EVERYTHING,
    FOLDS,
    Answers,
    alone,
    fold_tables,
    judge,
    name_of,
    predictor,
)
from emostress_ros.training.fusion.figures import difference, figures_of
from emostress_ros.training.fusion.fit import FitOptions
from emostress_ros.training.fusion.pairs import Pairs, layout_of
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.trials import trial_moments
from emostress_ros.training.fusion.tune import TuneOptions, face_rows, tune
from emostress_ros.training.fusion.validate import kept_fit

logger = logging.getLogger("emostress.train.fusion")
LEARNING_UNITS = 2
"""Units of the body that learn: the depthwise and the pointwise one of its last block."""
BEFORE, AFTER = "before", "after"
_FACE = ("face",)
Features = npt.NDArray[np.float16]


class UpperFace(nn.Module):
    """The end of a face network, from the features that its frozen part gives.

    Args:
        net: of ``emostress train face``, with a body of units.
        units: of the body that belong to the end.
    """

    def __init__(self, net: nn.Module, units: int = LEARNING_UNITS) -> None:
        super().__init__()
        self.units = net.body.units[len(net.body.units) - units :]
        self.project, self.emotion = net.project, net.emotion

    def embed(self, features: Tensor) -> Tensor:
        """(N, C, h, w) features to (N, D) embeddings."""
        embedding: Tensor = self.project(self.units(features).mean((2, 3)))
        return embedding


def lower_features(net: nn.Module, faces: npt.NDArray[np.uint8], units: int) -> Features:
    """Return (N, C, h, w): what the frozen part of a face network makes of (N, 48, 48) faces."""
    body = copy.deepcopy(net.body).eval()
    body.units = body.units[: len(body.units) - units]
    rows = []
    with torch.no_grad():
        for start in range(0, len(faces), 64):
            levels = torch.from_numpy(faces[start : start + 64, None].astype(np.float32))
            rows.append(body(standardise(levels)).numpy().astype(np.float16))
    return np.concatenate(rows)


def kept_features(checkpoint: Path, net: nn.Module, data: Path, cache: Path) -> list[Features]:
    """Return the features of the held-out faces and of as much noise, kept in the cache."""
    key = hashlib.sha256(checkpoint.read_bytes()).hexdigest()[:12]
    file = cache / f"lower-{key}-{LEARNING_UNITS}.npz"
    if not file.is_file():
        faces = held_out_faces(data).images
        noise = np.random.default_rng(0).integers(0, 256, faces.shape, dtype=np.uint8)
        made = [lower_features(net, kind, LEARNING_UNITS) for kind in (faces, noise)]
        with whole_file(file) as draft:
            np.savez(draft, clean=made[0], noise=made[1])
    with np.load(file) as held:
        return [held["clean"], held["noise"]]


def end_to_end(options: Namespace, joined: Mapping[str, Table]) -> dict[str, Any]:
    """Run stage 3 in all folds, and return the UAR before and after with the paired difference.

    Args:
        options: of the command: ``finetune`` (the checkpoint), ``data``, ``cache``, ``steps``,
            ``study`` and ``seed``.
        joined: the four modalities' tables of everybody.

    Raises:
        DatasetError: the faces do not fit the table, or the network has no body of units.
    """
    net = load_net(options.finetune)
    if not hasattr(getattr(net, "body", None), "units"):
        raise DatasetError(f"{options.finetune}: only a MobileNet's last block can learn here")
    inputs = kept_features(options.finetune, net, options.data / "face", options.cache)
    if len(inputs[0]) != len(joined["face"]):
        raise DatasetError(f"{len(inputs[0])} faces for {len(joined['face'])} rows of the table")
    upper = UpperFace(net).eval()
    tables = {**joined, "face": face_rows(upper, inputs, joined["face"])}
    emotion, stress = Answers(), Answers()
    for fold in range(FOLDS):
        _fold(fold, upper, inputs, tables, (emotion, stress), options)
    log = options.cache / "stage3" / "fold0.csv"
    _draw(log, options.study / "fusion_stage3.png")
    (options.study / "fusion_stage3.csv").write_bytes(log.read_bytes())
    found = compared(emotion)
    print(json.dumps(found, indent=1))
    return found


def _fold(
    fold: int,
    upper: UpperFace,
    inputs: list[Features],
    tables: Mapping[str, Table],
    answers: tuple[Answers, Answers],
    options: Namespace,
) -> None:
    layout = layout_of(tables)
    train, test = fold_tables(tables, fold, options.seed)
    fitting = FitOptions(steps=options.steps, seed=options.seed + fold)
    fusion = kept_fit("attention", Pairs(train, layout), fitting, options.cache)
    moments = trial_moments(test, np.random.default_rng((options.seed, fold)), options.draws)
    for said, asked, truth in zip(
        answers, moments, (moments[0].emotion, moments[1].stressed), strict=True
    ):
        said.truth.append(truth)
        said.person.append(asked.person)
    both = tuple(zip(moments, answers, strict=True))
    held = Pairs(test, layout)
    _alone(held, both, BEFORE)
    judge(BEFORE, predictor(fusion), held, *both)
    face, tuned = copy.deepcopy(upper), copy.deepcopy(fusion)
    log = CsvLog(options.cache / "stage3" / f"fold{fold}.csv")
    learned = Pairs(train, layout)
    tune(face, tuned, inputs[0][_rows(train)], learned, TuneOptions(seed=fold), log)
    rows = face_rows(face, [kind[_rows(test)] for kind in inputs], test["face"])
    after = Pairs({**test, "face": rows}, layout)
    _alone(after, both, AFTER)
    judge(AFTER, predictor(tuned.eval()), after, *both)
    logger.info("stage 3, fold %d of %d", fold + 1, FOLDS)


def _rows(tables: Mapping[str, Table]) -> npt.NDArray[np.int64]:
    """Return which of all faces the table holds: a face's person is its number."""
    return np.array([int(name.split("/")[1]) for name in tables["face"].person], np.int64)


def _alone(pairs: Pairs, both: Any, name: str) -> None:
    """Keep what the face network says by itself."""
    kept = Answers(), Answers()
    alone(pairs, *((moments, own) for (moments, _), own in zip(both, kept, strict=True)))
    both[0][1].add(name, ALONE, kept[0].of(ALONE, "face"))


def compared(emotion: Answers) -> dict[str, Any]:
    """Return condition to UAR before, after, and the paired difference with its interval."""
    table = figures_of(emotion, "emotion")
    found = {}
    for condition in (ALONE, name_of(_FACE), name_of(("face", "voice")), name_of(EVERYTHING)):
        gap = difference(emotion, "emotion", (AFTER, condition), (BEFORE, condition))
        label = "face network" if condition == ALONE else f"fused: {condition}"
        found[label] = {
            BEFORE: table[BEFORE][condition]["uar"], AFTER: table[AFTER][condition]["uar"], **gap
        }  # fmt: skip
    return found


def lines(found: Mapping[str, Any]) -> list[str]:
    """Return the comparison as a Markdown table."""
    rows = ["| what | before | after | difference in points of UAR |", "|---|---|---|---|"]
    for label, item in found.items():
        low, high = item["ci95"]
        rows.append(
            f"| {label} | {100 * item[BEFORE]:.1f} | {100 * item[AFTER]:.1f} | "
            f"{100 * item['difference']:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}] |"
        )
    return rows


def _draw(log: Path, path: Path) -> None:
    columns = CsvLog(log, resume=True).read()
    panels = {
        "classification": ["classification", "face"],
        "consistency": ["consistency"],
        "regularisation": ["regularisation"],
        "accuracy, everything there": ["accuracy"],
    }
    plot_curves(columns, panels, "stage 3, first fold: terms of the loss as weighted", path)
