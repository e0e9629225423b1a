"""Training of the networks over frames of speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.common import (
    ModelEma,
    cosine_warmup,
    parameter_groups,
    seed_everything,
)
from emostress_ros.training.voice.augment import mask
from emostress_ros.training.voice.data import Float32Array
from emostress_ros.training.voice.frames import BANDS, FrameBank, IntArray
from emostress_ros.training.voice.functionals import Functionals, fit_logistic
from emostress_ros.training.voice.nets import Architecture, FrameNet

_GREATEST_NORM = 5.0


@dataclass(frozen=True)
class NetOptions:
    """Options of a training; an architecture brings its epochs and its learning rate.

    Attributes:
        batch: clips of a step.
        weight_decay: of AdamW.
        smoothing: share of the target that goes to all classes alike.
        ema: decay of the weights' moving average, which is what is judged.
        share: part of the architecture's epochs, (0, 1].
        plain: share of the clips that are taken as they are, not augmented.
        mixed: what is learned from and what is judged may share people, as at random; then so may
            the folds inside the training part.
        seed: of everything.
    """

    batch: int = 32
    weight_decay: float = 0.02
    smoothing: float = 0.05
    ema: float = 0.98
    share: float = 1.0
    plain: float = 0.5
    mixed: bool = False
    seed: int = 0

    def epochs(self, chosen: Architecture) -> int:
        """Return the passes over the clips of an architecture."""
        return max(1, round(self.share * chosen.epochs))


def fit_net(
    chosen: Architecture, bank: FrameBank, index: IntArray, classes: int, options: NetOptions
) -> Iterator[tuple[float, FrameNet]]:
    """Train a network; yields (loss, averaged network) after every epoch.

    Args:
        chosen: the architecture.
        bank: frames of all clips.
        index: clips to learn from.
        classes: number of labels.
        options: of the training.
    """
    rng = seed_everything(options.seed)
    net = chosen.build(classes)
    mean, scale = bank.moments(index)
    net.mean.copy_(mean)
    net.scale.copy_(scale)
    if isinstance(net.body, Functionals):
        frames, lengths = bank.batch(np.zeros_like(index), index)
        standard = (net.standardise(frames, lengths), lengths)
        yield fit_logistic(net.body, net.classify, standard, (bank, index),
                           mixed=options.mixed), net  # fmt: skip
        return
    ema = ModelEma(net, options.ema)
    optimiser = torch.optim.AdamW(parameter_groups(net, options.weight_decay), chosen.rate)
    count = np.bincount(bank.labels[index], minlength=classes)
    balance = torch.from_numpy(len(index) / (classes * np.maximum(count, 1))).float()
    epochs = options.epochs(chosen)
    for epoch in range(epochs):
        net.train()
        losses = []
        batches = _batches(bank, index, options, rng)
        for step, (variants, clips) in enumerate(batches):
            factor = cosine_warmup((epoch + step / len(batches)) / epochs)
            for group in optimiser.param_groups:
                group["lr"] = chosen.rate * factor
            loss = _loss(net, bank, variants, clips, balance, (chosen.mixup, options), rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), _GREATEST_NORM)
            optimiser.step()
            ema.update(net)
            losses.append(float(loss.detach()))
        yield float(np.mean(losses)), ema.net


def _batches(
    bank: FrameBank, index: IntArray, options: NetOptions, rng: np.random.Generator
) -> list[tuple[IntArray, IntArray]]:
    """Return (variants, clips) of every step: clips of like length together, in random order."""
    variants = rng.integers(len(bank.frames), size=len(index))
    variants[rng.random(len(index)) < options.plain] = 0
    order = np.argsort(bank.lengths[variants, index] * rng.uniform(0.85, 1.15, len(index)))
    parts = np.array_split(order, max(1, len(order) // options.batch))
    return [(variants[parts[i]], index[parts[i]]) for i in rng.permutation(len(parts))]


def _loss(
    net: FrameNet,
    bank: FrameBank,
    variants: IntArray,
    clips: IntArray,
    balance: Tensor,
    recipe: tuple[float, NetOptions],
    rng: np.random.Generator,
) -> Tensor:
    """Cross-entropy of one batch, masked, mixed and balanced over classes."""
    mixup, options = recipe
    frames, lengths = bank.batch(variants, clips)
    rows = torch.from_numpy(mask(net.standardise(frames, lengths).numpy(), BANDS, rng))
    labels = torch.from_numpy(bank.labels[clips])
    target = functional.one_hot(labels, len(balance)).float()
    target = (1 - options.smoothing) * target + options.smoothing / len(balance)
    target = target * balance[labels][:, None]
    if mixup > 0:
        part = torch.from_numpy(rng.beta(mixup, mixup, len(rows)).astype(np.float32))[:, None]
        other = torch.from_numpy(rng.permutation(len(rows)))
        rows = part[..., None] * rows + (1 - part[..., None]) * rows[other]
        target = part * target + (1 - part) * target[other]
        lengths = torch.maximum(lengths, lengths[other])
    # Products in bfloat16 take two thirds of the time; weights stay in single precision.
    with torch.autocast("cpu", torch.bfloat16):
        logits = net.logits(rows, lengths)[1].float()
    return -(logits.log_softmax(-1) * target).sum() / target.sum()


def predict_net(net: FrameNet, bank: FrameBank, index: IntArray, size: int = 64) -> Float32Array:
    """Return the (n, classes) probabilities of plain clips, not yet calibrated."""
    net.eval()
    order = np.argsort(bank.lengths[0, index])
    found: npt.NDArray[np.float32] | None = None
    with torch.no_grad():
        for part in np.array_split(order, max(1, len(order) // size)):
            frames, lengths = bank.batch(np.zeros_like(part), index[part])
            rows = net.logits(net.standardise(frames, lengths), lengths)[1].softmax(-1).numpy()
            if found is None:
                found = np.empty((len(index), rows.shape[1]), dtype=np.float32)
            found[part] = rows
    assert found is not None
    return found
