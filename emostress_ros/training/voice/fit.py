"""Training of the voice network: the head on the start weights' statistics, then everything."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.common import cosine_warmup, parameter_groups, seed_everything
from emostress_ros.training.voice.data import Float32Array, variant_of
from emostress_ros.training.voice.net import HEARD, VoiceNet

IntArray = npt.NDArray[np.int64]


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
    weighed = target[lessons.index] * _column(lessons.importance[lessons.index])
    mass = weighed.sum(dim=0).clamp_min(1e-3)
    balance = mass.sum() / (classes * mass)
    yield from _fit_head(net, lessons, weighed * balance, options, rng)
    yield from _tune(net, lessons, target * balance, options, rng)


def predict(net: VoiceNet, lessons: Lessons, index: IntArray, *, tuned: bool) -> Float32Array:
    """Return the (n, classes) probabilities of clips as they are, not yet calibrated.

    Args:
        net: the network.
        lessons: hold the clips.
        index: which ones.
        tuned: stem and blocks are no longer those of the start weights.
    """
    net.eval()
    rows = torch.from_numpy(lessons.start[0, index])
    with torch.no_grad():
        if tuned:
            heard = [net.heard(torch.from_numpy(lessons.speech[i])[None]) for i in index]
            rows = torch.cat((torch.cat(heard), rows[:, HEARD:]), dim=1)
        found: Float32Array = net.head(rows)[1].exp().numpy()
    return found


def _fit_head(
    net: VoiceNet, lessons: Lessons, target: Tensor, options: FitOptions, rng: np.random.Generator
) -> Iterator[tuple[float, VoiceNet]]:
    start = torch.from_numpy(lessons.start[:, lessons.index])
    optimiser = torch.optim.AdamW(
        parameter_groups(net.head, options.weight_decay), options.head_rate
    )
    for epoch in range(options.head_epochs):
        net.train()
        losses = []
        order = rng.permutation(len(target))
        parts = np.array_split(order, max(1, len(order) // options.head_batch))
        for step, part in enumerate(parts):
            _set_rate(optimiser, (epoch + step / len(parts)) / options.head_epochs)
            which = torch.from_numpy(rng.integers(len(start), size=len(part)))
            rows = start[which, torch.from_numpy(part)]
            losses.append(_step(net, optimiser, rows, target[part], options, rng))
        yield float(np.mean(losses)), net


def _tune(
    net: VoiceNet, lessons: Lessons, target: Tensor, options: FitOptions, rng: np.random.Generator
) -> Iterator[tuple[float, VoiceNet]]:
    # A clip of little importance is drawn seldom instead of weighing little: the same gradient
    # on the average at a fraction of the cost.
    encoder = nn.ModuleList((net.stem, net.blocks))
    groups = parameter_groups(encoder, options.weight_decay)
    rates = [options.encoder_rate] * len(groups)
    groups += parameter_groups(net.head, options.weight_decay)
    rates += [options.tuning_head_rate] * (len(groups) - len(rates))
    optimiser = torch.optim.AdamW(
        [{**group, "lr": rate} for group, rate in zip(groups, rates, strict=True)]
    )
    for epoch in range(options.tuning_epochs):
        net.train()
        losses = []
        chance = lessons.importance[lessons.index]
        drawn = lessons.index[rng.random(len(chance)) < chance]
        batches = _batches(lessons, drawn, options, rng)
        for step, (clips, which) in enumerate(batches):
            _set_rate(optimiser, (epoch + step / len(batches)) / options.tuning_epochs)
            rows = _rows(net, lessons, clips, which, options.seed, rng)
            losses.append(_step(net, optimiser, rows, target[clips], options, rng))
        yield float(np.mean(losses)), net


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
    rng: np.random.Generator,
) -> Tensor:
    """Return the (n, inputs) statistics of clips, cut at random to the shortest one's length."""
    waves = [variant_of(lessons.speech[clip], int(variant), int(clip), seed)
             for clip, variant in zip(clips, which, strict=True)]  # fmt: skip
    shortest = min(len(wave) for wave in waves)
    begins = [int(rng.integers(len(wave) - shortest + 1)) for wave in waves]
    cut = [wave[begin : begin + shortest] for wave, begin in zip(waves, begins, strict=True)]
    # Products in bfloat16 halve the time; weights and their steps stay in single precision.
    with torch.autocast("cpu", torch.bfloat16):
        heard = net.heard(torch.from_numpy(np.stack(cut))).float()
    acoustic = torch.from_numpy(lessons.start[which, clips][:, HEARD:])
    return torch.cat((heard, acoustic), dim=1)


def _step(
    net: VoiceNet,
    optimiser: torch.optim.Optimizer,
    rows: Tensor,
    target: Tensor,
    options: FitOptions,
    rng: np.random.Generator,
) -> float:
    """Take one step; ``target`` (n, classes) is weighed by class and importance."""
    if options.mixup > 0:
        share = _column(rng.beta(options.mixup, options.mixup, len(rows)))
        other = torch.from_numpy(rng.permutation(len(rows)))
        rows = share * rows + (1.0 - share) * rows[other]
        target = share * target + (1.0 - share) * target[other]
    _, logits = net.head.members(rows)
    loss = -(logits.log_softmax(-1) * target).sum() / ((target.sum() + 1e-6) * len(logits))
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def _column(values: npt.NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))[:, None]


def _set_rate(optimiser: torch.optim.Optimizer, progress: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = group.setdefault("highest", group["lr"]) * cosine_warmup(progress)
