"""Training of the upper block and the head on cached frames."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.common import (
    cosine_warmup,
    parameter_groups,
    progress_bar,
    seed_everything,
)
from emostress_ros.training.voice_data import Material
from emostress_ros.training.voice_net import Block, VoiceHead, statistics

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FitOptions:
    """Options of a training.

    Attributes:
        head_epochs: epochs of the head alone, the block as it is.
        block_epochs: epochs of block and head together; 0 leaves the block as it is.
        batch: clips of a step.
        head_rate: learning rate of the head alone.
        block_rate: learning rate of the block.
        weight_decay: of AdamW.
        mixup: parameter of mixup's Beta distribution (Zhang et al., ICLR 2018).
        seed: of everything.
    """

    head_epochs: int = 30
    block_epochs: int = 0
    batch: int = 64
    head_rate: float = 3e-3
    block_rate: float = 1e-4
    weight_decay: float = 0.05
    mixup: float = 0.4
    seed: int = 0


class UpperPart(nn.Module):
    """The trained block and the head, on the lower part's output."""

    def __init__(self, block: Block, classes: int) -> None:
        super().__init__()
        self.block = copy.deepcopy(block)
        self.head = VoiceHead(classes)

    def pooled(self, lower: Tensor, frames: Tensor, mask: Tensor) -> Tensor:
        """Return (N, inputs) statistics of (N, L) lower ones and (N, T, 288) padded frames."""
        bias = (1.0 - mask)[:, None, None, :] * -1e4
        return torch.cat((lower, statistics(self.block(frames, bias), mask)), dim=1)


def batches_of(material: Material, index: IntArray) -> tuple[Tensor, Tensor, Tensor]:
    """Return (N, L) lower statistics, (N, T, 288) padded frames and their (N, T) mask."""
    frames = [torch.from_numpy(material.frames[i]).float() for i in index]
    padded = nn.utils.rnn.pad_sequence(frames, batch_first=True)
    lengths = torch.tensor([len(item) for item in frames])
    mask = (torch.arange(padded.shape[1])[None] < lengths[:, None]).float()
    return torch.from_numpy(material.lower[index]), padded, mask


def pooled_of(upper: UpperPart, material: Material, index: IntArray) -> Tensor:
    """Return the (N, inputs) statistics of clips, without gradients."""
    upper.eval()
    rows = []
    with torch.no_grad():
        for part in np.array_split(index, max(1, len(index) // 32)):
            rows.append(upper.pooled(*batches_of(material, part)))
    return torch.cat(rows)


def predict(upper: UpperPart, pooled: Tensor) -> npt.NDArray[np.float32]:
    """Return the (N, classes) probabilities of clips, not yet calibrated."""
    upper.eval()
    with torch.no_grad():
        return upper.head(pooled)[1].exp().numpy()


def pooled_at_start(block: Block, variants: Sequence[Material], *, progress: bool) -> Tensor:
    """Return the (V, N, inputs) statistics of every clip before the block is trained."""
    upper, rows = UpperPart(block, 2), []
    parts = [np.array_split(np.arange(len(item.frames)), 40) for item in variants]
    with progress_bar(40 * len(parts), "pooling", enabled=progress) as advance:
        for item, indices in zip(variants, parts, strict=True):
            for index in indices:
                rows.append(pooled_of(upper, item, index))
                advance("")
    return torch.cat(rows).view(len(variants), -1, rows[0].shape[1])


def fit(
    block: Block,
    pooled: Tensor,
    variants: Sequence[Material],
    labels: IntArray,
    index: IntArray,
    classes: int,
    options: FitOptions,
    importance: npt.NDArray[np.floating] | None = None,
) -> Iterator[tuple[float, UpperPart]]:
    """Train head, then block and head; yields (loss, network) after every epoch.

    Args:
        block: start weights of the trained block.
        pooled: (V, N, inputs) statistics by those start weights.
        variants: the same clips in several variants.
        labels: (N,) class of every clip.
        index: clips to learn from.
        classes: number of classes.
        options: of the training.
        importance: (N,) weight of every clip in the loss; 1 when not given.
    """
    rng = seed_everything(options.seed)
    upper = UpperPart(block, classes)
    pooled = pooled[:, torch.from_numpy(index)]
    upper.head.mean.copy_(pooled[0].mean(0))
    upper.head.scale.copy_(pooled[0].std(0) + 1e-3)
    target = functional.one_hot(torch.from_numpy(labels[index]), classes).float()
    if importance is not None:
        target = target * torch.from_numpy(importance[index]).float()[:, None]
    weight = _class_weights(target)
    yield from _fit_head(upper, pooled, target, weight, options, rng)
    yield from _fit_block(upper, variants, index, target, weight, options, rng)


def _class_weights(target: Tensor) -> Tensor:
    mass = target.sum(dim=0).clamp_min(1e-3)
    return mass.sum() / (target.shape[1] * mass)


def _fit_head(
    upper: UpperPart,
    pooled: Tensor,
    target: Tensor,
    weight: Tensor,
    options: FitOptions,
    rng: np.random.Generator,
) -> Iterator[tuple[float, UpperPart]]:
    groups = parameter_groups(upper.head, options.weight_decay)
    optimiser = torch.optim.AdamW(groups, options.head_rate)
    for epoch in range(options.head_epochs):
        upper.train()
        losses = []
        order = rng.permutation(len(target))
        steps = max(1, len(order) // options.batch)
        for step, part in enumerate(np.array_split(order, steps)):
            _set_rate(optimiser, options.head_rate, (epoch + step / steps) / options.head_epochs)
            which = torch.from_numpy(rng.integers(len(pooled), size=len(part)))
            rows = pooled[which, torch.from_numpy(part)]
            losses.append(_step(upper, optimiser, rows, target[part], weight, options, rng))
        yield float(np.mean(losses)), upper


def _fit_block(
    upper: UpperPart,
    variants: Sequence[Material],
    index: IntArray,
    target: Tensor,
    weight: Tensor,
    options: FitOptions,
    rng: np.random.Generator,
) -> Iterator[tuple[float, UpperPart]]:
    groups = parameter_groups(upper, options.weight_decay)
    optimiser = torch.optim.AdamW(groups, options.block_rate)
    for epoch in range(options.block_epochs):
        upper.train()
        losses = []
        order = rng.permutation(len(index))
        steps = max(1, len(order) * 4 // options.batch)
        for step, part in enumerate(np.array_split(order, steps)):
            _set_rate(optimiser, options.block_rate, (epoch + step / steps) / options.block_epochs)
            material = variants[int(rng.integers(len(variants)))]
            rows = upper.pooled(*batches_of(material, index[part]))
            losses.append(_step(upper, optimiser, rows, target[part], weight, options, rng))
        yield float(np.mean(losses)), upper


def _step(
    upper: UpperPart,
    optimiser: torch.optim.Optimizer,
    rows: Tensor,
    target: Tensor,
    weight: Tensor,
    options: FitOptions,
    rng: np.random.Generator,
) -> float:
    if options.mixup > 0:
        share = torch.from_numpy(rng.beta(options.mixup, options.mixup, (len(rows), 1))).float()
        other = torch.from_numpy(rng.permutation(len(rows)))
        rows = share * rows + (1.0 - share) * rows[other]
        target = share * target + (1.0 - share) * target[other]
    _, logits = upper.head.members(rows)
    mass = (target * weight).sum() + 1e-6
    loss = -(logits.log_softmax(-1) * (target * weight)).sum() / (mass * len(logits))
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(upper.parameters(), 5.0)
    optimiser.step()
    return float(loss.detach())


def _set_rate(optimiser: torch.optim.Optimizer, rate: float, progress: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = rate * cosine_warmup(progress)
