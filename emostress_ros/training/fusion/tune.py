"""Third stage of the fusion's training: a face network learns through the fusion.

The encoders of the first two stages are frozen.  Here the gradient of the fused state runs through
the fusion's tokens into a face network, while voice, physiology and text stay as they are.  Loss =
classification (everything, a random subset, the face alone) + modality consistency +
regularisation (the corrections of opinions, and how far the face network moved).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from emostress_ros.affect import EMOTIONS, MODALITIES
from emostress_ros.fusion.evidence import COLUMNS, OPINION, Layout
from emostress_ros.training.common import CsvLog, parameter_groups, seed_everything
from emostress_ros.training.datasets import fer2013
from emostress_ros.training.devices import device_of
from emostress_ros.training.fusion.encode import FACE_TO_WIRE
from emostress_ros.training.fusion.fit import MASKS
from emostress_ros.training.fusion.pairs import IntArray, Moments, Pairs
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.tokens import Said
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer

logger = logging.getLogger("emostress.train.fusion")
FACE = MODALITIES.index("face")
_CERTAINTY = COLUMNS.index("certainty")
_TO_WIRE = [EMOTIONS.index(FACE_TO_WIRE.get(label, label)) for label in fer2013.LABELS]
Inputs = npt.NDArray[Any]


@dataclass(frozen=True)
class TuneOptions:
    """Options of the third stage.

    Attributes:
        steps: of the optimiser.
        batch: moments of a step.
        face_rate: learning rate of the face network.
        fusion_rate: learning rate of the fusion.
        consistency: weight of the divergence of a subset's answer from everything's.
        regularisation: weight of the squared corrections.
        anchor: weight of the squared distance of the face network's weights from their start.
        seed: of everything.
    """

    steps: int = 200
    batch: int = 48
    face_rate: float = 1e-4
    fusion_rate: float = 3e-4
    consistency: float = 0.3
    regularisation: float = 0.02
    anchor: float = 0.01
    seed: int = 0


def face_rows(face: nn.Module, kinds: Sequence[Inputs], like: Table) -> Table:
    """Return the table of another face network, its kinds the signal as it is and noise.

    Args:
        face: gives embeddings (``embed``) and from them FER2013's logits (``emotion``).
        kinds: (N, ...) what the network takes in, an item a row of the table; then as much noise.
        like: the table whose labels, persons and quality hold.
    """
    vectors, opinions = [], []
    with torch.no_grad():
        for kind in kinds:
            said = [perceive(face, kind[i : i + 128]) for i in range(0, len(kind), 128)]
            vectors.append(torch.cat([part[0] for part in said]).cpu().numpy())
            opinions.append(torch.cat([part[1] for part in said]).softmax(1).cpu().numpy())
    first_and_last = [0, len(like.kinds) - 1]
    return replace(
        like, model="face_in_training@0", kinds=tuple(like.kinds[i] for i in first_and_last),
        vectors=np.stack(vectors), probabilities=np.stack(opinions),
        stress=like.stress[first_and_last], quality=like.quality[first_and_last],
    )  # fmt: skip


def perceive(face: nn.Module, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Return the (N, D) embeddings and the (N, 7) logits in the order of ``EMOTIONS``."""
    vectors = face.embed(torch.from_numpy(inputs.astype(np.float32)).to(device_of(face)))
    logits = face.emotion(vectors)
    order = [_TO_WIRE.index(label) for label in range(len(EMOTIONS))]
    return vectors, logits[:, order]


class _Through(Task):
    """The emotion of people, by the fusion and by the face network that feeds it."""

    def __init__(
        self, inputs: Inputs, pairs: Pairs, options: TuneOptions, start: Sequence[Tensor]
    ) -> None:
        self.inputs, self.pairs, self.options, self.start = inputs, pairs, options, start

    def batches(self, epoch: int, rng: np.random.Generator) -> list[IntArray]:
        """Return the steps: as many rows as each draws moments, half of which speak of emotion."""
        return [np.arange(2 * self.options.batch)] * self.options.steps

    def begin(self, net: Any) -> None:
        """Keep the face network's batch statistics as they are: the batches are small."""
        net["face"].eval()

    def loss(self, net: Any, batch: IntArray, step: Step) -> Loss:
        """Return the terms: what is said together, by a subset and by the face alone."""
        options = self.options
        moments = _of_emotion(self.pairs.draw(len(batch), step.rng))
        embeddings, evidence, alone = perceived(net["face"], self.inputs, self.pairs, moments)
        chosen = MASKS[step.rng.integers(len(MASKS), size=len(moments.emotion))]
        there = torch.from_numpy(chosen).to(step.device)
        part = masked(self.pairs.layout, embeddings, evidence, there)
        whole, some = net["fusion"](embeddings, evidence), net["fusion"](*part)
        emotion = torch.from_numpy(moments.emotion).to(step.device)
        asked = there[:, [0, 1, 3]].any(1)
        named = nn.functional.cross_entropy
        moved = sum(
            (now - before).square().sum()
            for now, before in zip(net["face"].parameters(), self.start, strict=True)
        )
        return Loss(
            {
                "classification": named(whole.emotion, emotion)
                + 0.5 * named(some.emotion[asked], emotion[asked]),
                "face": 0.3 * named(alone, emotion),
                "consistency": options.consistency * divergence(some, whole, asked),
                "regularisation": options.regularisation * (whole.corrections + some.corrections)
                + options.anchor * moved,
            },
            {"accuracy": (whole.emotion.argmax(1) == emotion).float().mean()},
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
    inputs: Inputs,
    pairs: Pairs,
    options: TuneOptions,
    log: CsvLog,
) -> None:
    """Train both networks on the moments of emotion, in place; they come back on the CPU.

    Args:
        face: see :func:`face_rows`.
        fusion: of ``NETS``.
        inputs: (N, ...) what the face network takes in, a row an item of the table.
        pairs: of the people to learn from.
        options: of the training.
        log: takes a row with every term of the loss every ten steps.
    """
    rng = seed_everything(options.seed)
    nets = nn.ModuleDict({"face": face, "fusion": fusion})
    start = tuple(weight.detach().clone() for weight in face.parameters())
    wanted = TrainerOptions(schedule="constant", warmup=0.0, clip_norm=1.0, log_every=10)
    Trainer(
        nets.requires_grad_(True), _Through(inputs, pairs, options, start), wanted, rng, log=log,
        say=logger.info, title="finetune",
    ).run()  # fmt: skip
    nets.cpu()


def _of_emotion(moments: Moments) -> Moments:
    """Keep the moments of emotion, their faces clean: a spoilt face is not seen by the network."""
    rows = np.flatnonzero(moments.emotion >= 0)
    kept = Moments(*(getattr(moments, name)[rows] for name in Moments.__dataclass_fields__))
    kinds, noise = kept.kinds.copy(), kept.noise.copy()
    kinds[:, FACE], noise[:, FACE] = 0, 0.0
    return replace(kept, kinds=kinds, noise=noise)


def perceived(
    face: nn.Module, inputs: Inputs, pairs: Pairs, moments: Moments
) -> tuple[Tensor, Tensor, Tensor]:
    """Return a fusion's inputs with the face network's own output in place of the table's.

    Returns:
        embeddings, evidence, and the (P, 7) logits of the face network.
    """
    vectors, logits = perceive(face, inputs[moments.items[:, FACE]])
    assembled = (torch.from_numpy(array) for array in pairs.assemble(moments))
    embeddings, evidence = (tensor.to(vectors.device) for tensor in assembled)
    logs = logits.log_softmax(1).clamp_min(float(np.log(1e-4)))
    row = evidence[:, FACE].clone()
    row[:, OPINION] = logs - logs.mean(1, keepdim=True)
    row[:, _CERTAINTY] = logs.exp().amax(1)
    part = pairs.layout.part(FACE)
    joined = torch.cat((embeddings[:, : part.start], vectors, embeddings[:, part.stop :]), dim=1)
    tokens = torch.cat((evidence[:, :FACE], row[:, None], evidence[:, FACE + 1 :]), dim=1)
    return joined, tokens, logits


def masked(
    layout: Layout, embeddings: Tensor, evidence: Tensor, there: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the inputs without the modalities that are not there, (P, 4)."""
    widths = torch.tensor([item.width for item in layout.known], device=there.device)
    wide = there.repeat_interleave(widths, dim=1, output_size=layout.width)
    return embeddings * wide, evidence * there[..., None]


def divergence(some: Said, whole: Said, asked: Tensor) -> Tensor:
    """Return how far a subset's answer is from everything's, where the subset can answer."""
    return nn.functional.kl_div(
        some.emotion.log_softmax(-1)[asked],
        whole.emotion.detach().softmax(-1)[asked],
        reduction="batchmean",
    )
