"""Training of the networks over frames of speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from emostress_ros.metrics import confusion_matrix, uar
from emostress_ros.training.common import CsvLog, class_weights, seed_everything
from emostress_ros.training.devices import device_of, moved
from emostress_ros.training.keep import Keep
from emostress_ros.training.mixup import blend, shares_and_partners
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer
from emostress_ros.training.voice.augment import mask
from emostress_ros.training.voice.data import Float32Array
from emostress_ros.training.voice.frames import BANDS, FrameBank, IntArray
from emostress_ros.training.voice.functionals import Functionals, fit_logistic
from emostress_ros.training.voice.nets import Architecture, FrameNet

_GREATEST_NORM = 5.0
_LEAST = 3  # epochs of a training by steps
NOBODY: IntArray = np.empty(0, dtype=np.int64)


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
        return max(min(_LEAST, chosen.epochs), round(self.share * chosen.epochs))


class _Speech(Task):
    """The class of clips, from their frames; judged on clips held out, where there are some."""

    def __init__(
        self,
        bank: FrameBank,
        index: IntArray,
        held: IntArray,
        balance: Tensor,
        recipe: tuple[float, NetOptions],
    ) -> None:
        self.bank, self.index, self.held, self.balance = bank, index, held, balance
        self.mixup, self.options = recipe

    def batches(self, epoch: int, rng: np.random.Generator) -> list[tuple[IntArray, IntArray]]:
        """Return (variants, clips) of every step: of like length together, in random order."""
        bank, index = self.bank, self.index
        variants = rng.integers(len(bank.frames), size=len(index))
        variants[rng.random(len(index)) < self.options.plain] = 0
        order = np.argsort(bank.lengths[variants, index] * rng.uniform(0.85, 1.15, len(index)))
        parts = np.array_split(order, max(1, len(order) // self.options.batch))
        return [(variants[parts[i]], index[parts[i]]) for i in rng.permutation(len(parts))]

    def loss(self, net: Any, batch: tuple[IntArray, IntArray], step: Step) -> Loss:
        """Return the cross-entropy of one batch, masked, mixed and balanced over classes."""
        variants, clips = batch
        frames, lengths = moved(self.bank.batch(variants, clips), step.device)
        standard = net.standardise(frames, lengths).cpu().numpy()
        rows = torch.from_numpy(mask(standard, BANDS, step.rng)).to(step.device)
        labels = torch.from_numpy(self.bank.labels[clips]).to(step.device)
        smoothing, classes = self.options.smoothing, len(self.balance)
        target = functional.one_hot(labels, classes).float()
        target = (1 - smoothing) * target + smoothing / classes
        target = target * self.balance[labels][:, None]
        if self.mixup > 0:
            drawn = shares_and_partners(len(rows), self.mixup, step.rng)
            share, other = moved(drawn, step.device)
            rows, target = blend(rows, share, other), blend(target, share, other)
            lengths = torch.maximum(lengths, lengths[other])
        # Products in bfloat16 take two thirds of the time; weights stay in single precision.
        with step.autocast():
            logits = net.logits(rows, lengths)[1].float()
        return Loss({"loss": -(logits.log_softmax(-1) * target).sum() / target.sum()})

    def validate(self, net: Any) -> dict[str, float]:
        """Return the UAR on the clips held out."""
        if not len(self.held):
            return {}
        said = predict_net(net, self.bank, self.held).argmax(axis=1)
        return {"uar": uar(confusion_matrix(self.bank.labels[self.held], said, len(self.balance)))}


def trainer_of(
    chosen: Architecture,
    bank: FrameBank,
    index: IntArray,
    classes: int,
    options: NetOptions,
    *,
    held: IntArray = NOBODY,
    patience: int = 0,
    keep: Keep | None = None,
    log: CsvLog | None = None,
    title: str = "",
) -> Trainer:
    """Return what trains a network; its averaged weights are judged on the clips held out.

    Args:
        chosen: an architecture that is trained by steps.
        bank: frames of all clips.
        index: clips to learn from.
        classes: number of labels.
        options: of the training.
        held: clips to judge by.
        patience: epochs without a better UAR until it stops; 0: it never does.
        keep: checkpoint.
        log: takes a row an epoch.
        title: of the progress bar; none is shown without.
    """
    rng = seed_everything(options.seed)
    net = _standardised(chosen, bank, index, classes)
    labels = torch.from_numpy(bank.labels[index])
    balance = class_weights(functional.one_hot(labels, classes), 1.0)
    wanted = TrainerOptions(
        epochs=options.epochs(chosen), rate=chosen.rate, weight_decay=options.weight_decay,
        clip_norm=_GREATEST_NORM, ema=options.ema, patience=patience, precision="bfloat16",
        seed=options.seed, progress=bool(title),
    )  # fmt: skip
    task = _Speech(bank, index, held, balance, (chosen.mixup, options))
    return Trainer(net, task, wanted, rng, keep=keep, log=log, title=title)


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
    seed_everything(options.seed)
    net = _standardised(chosen, bank, index, classes)
    if isinstance(net.body, Functionals):
        frames, lengths = bank.batch(np.zeros_like(index), index)
        standard = (net.standardise(frames, lengths), lengths)
        yield fit_logistic(net.body, net.classify, standard, (bank, index),
                           mixed=options.mixed), net  # fmt: skip
        return
    trainer = trainer_of(chosen, bank, index, classes, options)
    for row in trainer.epochs():
        averaged = trainer.averaged
        assert isinstance(averaged, FrameNet)
        yield row["training_loss"], averaged


def is_closed(chosen: Architecture) -> bool:
    """Whether an architecture is fitted at once, not by steps."""
    return isinstance(chosen.build(2).body, Functionals)


def _standardised(chosen: Architecture, bank: FrameBank, index: IntArray, classes: int) -> FrameNet:
    """Return a fresh network that knows the moments of its inputs."""
    net = chosen.build(classes)
    mean, scale = bank.moments(index)
    net.mean.copy_(mean)
    net.scale.copy_(scale)
    return net


def predict_net(net: FrameNet, bank: FrameBank, index: IntArray, size: int = 64) -> Float32Array:
    """Return the (n, classes) probabilities of plain clips, not yet calibrated."""
    net.eval()
    device = device_of(net)
    order = np.argsort(bank.lengths[0, index])
    found: npt.NDArray[np.float32] | None = None
    with torch.no_grad():
        for part in np.array_split(order, max(1, len(order) // size)):
            frames, lengths = moved(bank.batch(np.zeros_like(part), index[part]), device)
            said = net.logits(net.standardise(frames, lengths), lengths)[1].softmax(-1)
            rows = said.cpu().numpy()
            if found is None:
                found = np.empty((len(index), rows.shape[1]), dtype=np.float32)
            found[part] = rows
    assert found is not None
    return found
