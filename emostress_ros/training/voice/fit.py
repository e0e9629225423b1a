"""Training of the voice network: the head on the start weights' statistics, then everything."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.common import class_weights, parameter_groups, seed_everything
from emostress_ros.training.devices import device_of, moved
from emostress_ros.training.mixup import blend, shares_and_partners
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer
from emostress_ros.training.voice.data import Float32Array, variant_of
from emostress_ros.training.voice.net import HEARD, VoiceNet

IntArray = npt.NDArray[np.int64]
_GREATEST_NORM = 5.0


@dataclass(frozen=True)
class FitOptions:
    """Options of a training.

    Attributes:
        head_epochs: epochs of the head alone, the encoder as it is.
        head_batch: clips of such a step.
        head_rate: its learning rate.
        tuning_epochs: epochs of all weights together, stem and blocks too.
        tuning_batch: clips of such a step.
        encoder_rate: learning rate of stem and blocks then.
        tuning_head_rate: learning rate of the head then.
        weight_decay: of AdamW.
        mixup: parameter of mixup's Beta distribution (Zhang et al., ICLR 2018).
        seed: of everything.
    """

    head_epochs: int = 30
    head_batch: int = 64
    head_rate: float = 3e-3
    tuning_epochs: int = 2
    tuning_batch: int = 16
    encoder_rate: float = 1e-4
    tuning_head_rate: float = 3e-4
    weight_decay: float = 0.05
    mixup: float = 0.4
    seed: int = 0


@dataclass(frozen=True)
class Lessons:
    """What is learned from, and what of it is used.

    Attributes:
        speech: waveform of every one of N clips at 16 kHz.
        start: (V, N, inputs) statistics of every variant by the start weights.
        labels: (N,) class of every clip.
        importance: (N,) weight of every clip in the loss, [0, 1].
        index: clips to learn from.
    """

    speech: Sequence[Float32Array]
    start: Float32Array
    labels: IntArray
    importance: npt.NDArray[np.floating]
    index: IntArray


def fit(net: VoiceNet, lessons: Lessons, options: FitOptions) -> Iterator[tuple[float, VoiceNet]]:
    """Train a copy of a network; yields (loss, network) after every epoch.

    Args:
        net: stem and blocks hold the start weights.
        lessons: what to learn.
        options: of the training.
    """
    rng = seed_everything(options.seed)
    net = copy.deepcopy(net)
    classes = net.head.classify.shape[-1]
    net.head = type(net.head)(classes)
    plain = torch.from_numpy(lessons.start[0, lessons.index])
    net.head.mean.copy_(plain.mean(0))
    net.head.scale.copy_(plain.std(0) + 1e-3)
    target = functional.one_hot(torch.from_numpy(lessons.labels), classes).float()
    weighed = target * _column(lessons.importance)
    balance = class_weights(weighed[lessons.index], 1.0)
    wanted = TrainerOptions(
        epochs=options.head_epochs, rate=options.head_rate, weight_decay=options.weight_decay,
        clip_norm=_GREATEST_NORM, precision="bfloat16", seed=options.seed,
    )  # fmt: skip
    stages: list[tuple[nn.Module, Task, TrainerOptions]] = [
        (net.head, _Head(lessons, weighed * balance, options), wanted)
    ]
    if options.tuning_epochs:
        wanted = replace(wanted, epochs=options.tuning_epochs)
        stages.append((net, _Tuning(lessons, target * balance, options), wanted))
    for part, task, chosen in stages:
        for row in Trainer(part, task, chosen, rng).epochs():
            yield row["training_loss"], net


def predict(net: VoiceNet, lessons: Lessons, index: IntArray, *, tuned: bool) -> Float32Array:
    """Return the (n, classes) probabilities of clips as they are, not yet calibrated.

    Args:
        net: the network.
        lessons: hold the clips.
        index: which ones.
        tuned: stem and blocks are no longer those of the start weights.
    """
    net.eval()
    device = device_of(net.head)
    rows = torch.from_numpy(lessons.start[0, index]).to(device)
    with torch.no_grad():
        if tuned:
            waves = (torch.from_numpy(lessons.speech[i])[None].to(device) for i in index)
            heard = [net.heard(wave) for wave in waves]
            rows = torch.cat((torch.cat(heard), rows[:, HEARD:]), dim=1)
        found: Float32Array = net.head(rows)[1].exp().cpu().numpy()
    return found


class _Head(Task):
    """The class of clips, from the statistics of the start weights: the head alone learns."""

    def __init__(self, lessons: Lessons, target: Tensor, options: FitOptions) -> None:
        self.lessons, self.target, self.options = lessons, target, options
        self.start = torch.from_numpy(lessons.start)

    def batches(self, epoch: int, rng: np.random.Generator) -> list[IntArray]:
        """Return the clips of every step."""
        order = rng.permutation(self.lessons.index)
        return np.array_split(order, max(1, len(order) // self.options.head_batch))

    def loss(self, net: nn.Module, batch: IntArray, step: Step) -> Loss:
        """Return the loss of random variants of clips."""
        which = torch.from_numpy(step.rng.integers(len(self.start), size=len(batch)))
        clips = torch.from_numpy(batch).to(step.device)
        rows = self.start[which.to(step.device), clips]
        return _loss(net, rows, self.target[clips], self.options, step)


class _Tuning(Task):
    """The class of clips, from their waveform: everything learns."""

    def __init__(self, lessons: Lessons, target: Tensor, options: FitOptions) -> None:
        self.lessons, self.target, self.options = lessons, target, options

    def batches(self, epoch: int, rng: np.random.Generator) -> list[tuple[IntArray, IntArray]]:
        """Return (clips, variants) of every step."""
        # A clip of little importance is drawn seldom instead of weighing little: the same gradient
        # on the average at a fraction of the cost.
        index = self.lessons.index
        chance = self.lessons.importance[index]
        return _batches(self.lessons, index[rng.random(len(chance)) < chance], self.options, rng)

    def loss(self, net: Any, batch: tuple[IntArray, IntArray], step: Step) -> Loss:
        """Return the loss of clips, cut to one length."""
        clips, which = batch
        rows = _rows(net, self.lessons, clips, which, self.options.seed, step)
        target = self.target[torch.from_numpy(clips).to(step.device)]
        return _loss(net.head, rows, target, self.options, step)

    def optimiser(self, net: Any, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return AdamW with a higher rate for the head."""
        encoder, own = nn.ModuleList((net.stem, net.blocks)), self.options
        rates = (encoder, own.encoder_rate), (net.head, own.tuning_head_rate)
        return torch.optim.AdamW(
            [
                group | {"lr": rate}
                for module, rate in rates
                for group in parameter_groups(module, options.weight_decay)
            ]
        )


def _batches(
    lessons: Lessons, drawn: IntArray, options: FitOptions, rng: np.random.Generator
) -> list[tuple[IntArray, IntArray]]:
    """Return (clips, variants) of every step: clips of like length together, in random order."""
    length = np.array([len(lessons.speech[i]) for i in drawn]) * rng.uniform(0.9, 1.1, len(drawn))
    order = drawn[np.argsort(length)]
    parts = np.array_split(order, max(1, len(order) // options.tuning_batch))
    variants = len(lessons.start)
    return [(parts[i], rng.integers(variants, size=len(parts[i])))
            for i in rng.permutation(len(parts))]  # fmt: skip


def _rows(
    net: VoiceNet,
    lessons: Lessons,
    clips: IntArray,
    which: IntArray,
    seed: int,
    step: Step,
) -> Tensor:
    """Return the (n, inputs) statistics of clips, cut at random to the shortest one's length."""
    waves = [variant_of(lessons.speech[clip], int(variant), int(clip), seed)
             for clip, variant in zip(clips, which, strict=True)]  # fmt: skip
    shortest = min(len(wave) for wave in waves)
    begins = [int(step.rng.integers(len(wave) - shortest + 1)) for wave in waves]
    cut = [wave[begin : begin + shortest] for wave, begin in zip(waves, begins, strict=True)]
    # Products in bfloat16 halve the time; weights and their steps stay in single precision.
    with step.autocast():
        heard = net.heard(torch.from_numpy(np.stack(cut)).to(step.device)).float()
    acoustic = torch.from_numpy(lessons.start[which, clips][:, HEARD:]).to(step.device)
    return torch.cat((heard, acoustic), dim=1)


def _loss(net: Any, rows: Tensor, target: Tensor, options: FitOptions, step: Step) -> Loss:
    """Return the loss of a head; ``target`` (n, classes) is weighed by class and importance."""
    if options.mixup > 0:
        drawn = shares_and_partners(len(rows), options.mixup, step.rng)
        share, other = moved(drawn, step.device)
        rows, target = blend(rows, share, other), blend(target, share, other)
    _, logits = net.members(rows)
    members = len(logits)
    loss = -(logits.log_softmax(-1) * target).sum() / ((target.sum() + 1e-6) * members)
    return Loss({"loss": loss})


def _column(values: npt.NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[:, None]
