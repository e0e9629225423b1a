"""Third stage of the fusion's training: a face network learns through the fusion.

The encoders of the first two stages are frozen.  Here the gradient of the fused state runs through
the fusion's tokens into a face network of ``emostress train face`` (its checkpoint), while voice,
physiology and text stay as they are.  One fold of people is held out; what is gained is said, or
that nothing is.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from emostress_ros import metrics
from emostress_ros.affect import EMOTIONS, MODALITIES
from emostress_ros.errors import DatasetError
from emostress_ros.fusion.evidence import COLUMNS, OPINION, Layout
from emostress_ros.training.common import CsvLog, parameter_groups, seed_everything
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.face.fit import load_net
from emostress_ros.training.fusion.encode import FACE_TO_WIRE, held_out_faces
from emostress_ros.training.fusion.evaluate import fold_tables, predictor
from emostress_ros.training.fusion.fit import FitOptions, fit
from emostress_ros.training.fusion.pairs import Moments, Pairs, layout_of
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.tokens import Said
from emostress_ros.training.fusion.trials import trial_moments
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer

logger = logging.getLogger("emostress.train.fusion")
FACE = MODALITIES.index("face")
_CERTAINTY = COLUMNS.index("certainty")
_TO_WIRE = [EMOTIONS.index(FACE_TO_WIRE.get(label, label)) for label in fer2013.LABELS]
Images = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class TuneOptions:
    """Options of the third stage.

    Attributes:
        steps: of the optimiser.
        batch: moments of a step.
        face_rate: learning rate of the face network.
        fusion_rate: learning rate of the fusion.
        seed: of everything.
    """

    steps: int = 60
    batch: int = 48
    face_rate: float = 2e-5
    fusion_rate: float = 3e-4
    seed: int = 0


def finetune(options: argparse.Namespace, joined: Mapping[str, Table], layout: Layout) -> int:
    """Run stages 2 and 3 on one fold, and print what the third gained.

    Raises:
        DatasetError: the faces do not fit the table.
    """
    images = held_out_faces(options.data / "face").images
    if len(images) != len(joined["face"]):
        raise DatasetError(f"{len(images)} faces for {len(joined['face'])} rows of the table")
    face = load_net(options.finetune)
    person = np.array([int(name.split("/")[1]) for name in joined["face"].person])
    tables = {**joined, "face": face_rows(face, images[person], joined["face"])}
    fold = fold_tables(tables, 0, options.seed)
    layout = layout_of(tables)
    fusion = fit("attention", Pairs(fold[0], layout), FitOptions(steps=options.steps))
    before = report(face, fusion, images, fold[1], layout)
    log = CsvLog(options.cache / "finetune.csv")
    tune(face, fusion, images, Pairs(fold[0], layout), TuneOptions(seed=options.seed), log)
    after = report(face, fusion, images, fold[1], layout)
    gained = {name: round(after[name] - before[name], 4) for name in before}
    print(json.dumps({"before": before, "after": after, "gained": gained}, indent=1))
    return 0


def face_rows(face: nn.Module, images: Images, like: Table) -> Table:
    """Return the table of another face network: each kind but the clean one as noise drawn anew."""
    rng = np.random.default_rng(0)
    kinds = (images, rng.integers(0, 256, images.shape, dtype=np.uint8))
    vectors, opinions = [], []
    with torch.no_grad():
        for kind in kinds:
            said = [perceive(face, kind[i : i + 128]) for i in range(0, len(kind), 128)]
            vectors.append(torch.cat([part[0] for part in said]).numpy())
            opinions.append(torch.cat([part[1] for part in said]).softmax(1).numpy())
    first_and_last = [0, len(like.kinds) - 1]
    return replace(
        like, model="face_in_training@0", kinds=tuple(like.kinds[i] for i in first_and_last),
        vectors=np.stack(vectors), probabilities=np.stack(opinions),
        stress=like.stress[first_and_last], quality=like.quality[first_and_last],
    )  # fmt: skip


def perceive(face: nn.Module, images: Images) -> tuple[Tensor, Tensor]:
    """Return the (N, D) embeddings and the (N, 7) logits in the order of ``EMOTIONS``."""
    levels = torch.from_numpy(images[:, None].astype(np.float32))
    vectors = face.embed(levels)
    logits = face.emotion(vectors)
    order = [_TO_WIRE.index(label) for label in range(len(EMOTIONS))]
    return vectors, logits[:, order]


class _Through(Task):
    """The emotion of people, by the fusion and by the face network that feeds it."""

    def __init__(self, images: Images, pairs: Pairs, options: TuneOptions) -> None:
        self.images, self.pairs, self.options = images, pairs, options
        self.person = np.array([int(name.split("/")[1]) for name in pairs.tables[FACE].person])

    def batches(self, epoch: int, rng: np.random.Generator) -> range:
        """Return the steps; each draws its own moments."""
        return range(self.options.steps)

    def begin(self, net: Any) -> None:
        """Keep the face network's batch statistics as they are: the batches are small."""
        net["face"].eval()

    def loss(self, net: Any, batch: int, step: Step) -> Loss:
        """Return the cross-entropy of what is said together and by the face alone."""
        moments = _of_emotion(self.pairs.draw(2 * self.options.batch, step.rng))
        images = self.images[self.person[moments.items[:, FACE]]]
        said, alone = through(net["face"], net["fusion"], images, self.pairs, moments)
        emotion = torch.from_numpy(moments.emotion)
        return Loss(
            {
                "fused": nn.functional.cross_entropy(said.emotion, emotion),
                "face": 0.3 * nn.functional.cross_entropy(alone, emotion),
            }
        )

    def optimiser(self, net: Any, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return AdamW with a rate for each network."""
        face = [p for group in parameter_groups(net["face"], 0.0) for p in group["params"]]
        return torch.optim.AdamW(
            [
                {"params": face, "lr": self.options.face_rate},
                {"params": list(net["fusion"].parameters()), "lr": self.options.fusion_rate},
            ]
        )

    def clipped(self, net: Any) -> Iterable[nn.Parameter]:
        """Return the weights of the face network: its gradient comes through the fusion."""
        return net["face"].parameters()


def tune(
    face: nn.Module,
    fusion: nn.Module,
    images: Images,
    pairs: Pairs,
    options: TuneOptions,
    log: CsvLog,
) -> None:
    """Train both networks on the moments of emotion, in place."""
    rng = seed_everything(options.seed)
    nets = nn.ModuleDict({"face": face, "fusion": fusion})
    wanted = TrainerOptions(schedule="constant", warmup=0.0, clip_norm=1.0, log_every=10)
    Trainer(
        nets.requires_grad_(True), _Through(images, pairs, options), wanted, rng, log=log,
        say=logger.info, title="finetune",
    ).run()  # fmt: skip


def _of_emotion(moments: Moments) -> Moments:
    """Keep the moments of emotion, their faces clean: a spoilt face is not seen by the network."""
    rows = np.flatnonzero(moments.emotion >= 0)
    kept = Moments(*(getattr(moments, name)[rows] for name in Moments.__dataclass_fields__))
    kinds, noise = kept.kinds.copy(), kept.noise.copy()
    kinds[:, FACE], noise[:, FACE] = 0, 0.0
    return replace(kept, kinds=kinds, noise=noise)


def through(
    face: nn.Module, fusion: nn.Module, images: Images, pairs: Pairs, moments: Moments
) -> tuple[Said, Tensor]:
    """Return what the fusion says with the face network's own output in place of the table's."""
    vectors, logits = perceive(face, images)
    embeddings, evidence = (torch.from_numpy(array) for array in pairs.assemble(moments))
    logs = logits.log_softmax(1).clamp_min(float(np.log(1e-4)))
    row = evidence[:, FACE].clone()
    row[:, OPINION] = logs - logs.mean(1, keepdim=True)
    row[:, _CERTAINTY] = logs.exp().amax(1)
    part = pairs.layout.part(FACE)
    joined = torch.cat((embeddings[:, : part.start], vectors, embeddings[:, part.stop :]), dim=1)
    tokens = torch.cat((evidence[:, :FACE], row[:, None], evidence[:, FACE + 1 :]), dim=1)
    said: Said = fusion(joined, tokens)
    return said, logits


def report(
    face: nn.Module, fusion: nn.Module, images: Images, test: Mapping[str, Table], layout: Layout
) -> dict[str, float]:
    """Return the UAR on people held out: the face by itself, in the fusion alone, with all."""
    person = np.array([int(name.split("/")[1]) for name in test["face"].person])
    rows = face_rows(face, images[person], test["face"])
    pairs = Pairs({**test, "face": rows}, layout)
    moments = trial_moments({**test, "face": rows}, np.random.default_rng(0), 2)[0]
    predict = predictor(fusion)
    whole, alone = np.ones(4, bool), np.arange(4) == FACE
    said = {
        "face network": rows.probabilities[0, moments.items[:, FACE]],
        "fused, face alone": predict(pairs, moments, alone)[0],
        "fused, everything": predict(pairs, moments, whole)[0],
    }
    return {
        name: round(
            metrics.uar(metrics.confusion_matrix(moments.emotion, p.argmax(1), len(EMOTIONS))), 4
        )
        for name, p in said.items()
    }
