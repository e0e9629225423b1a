"""Training of the face networks: what a batch costs, and what is watched."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.errors import DatasetError
from emostress_ros.training import common
from emostress_ros.training.devices import device_of
from emostress_ros.training.face import nets as face_nets
from emostress_ros.training.face.augment import Augmentation, augment, mixup
from emostress_ros.training.face.data import FaceSet
from emostress_ros.training.face.losses import accuracies, soft_cross_entropy
from emostress_ros.training.face.mobilenet import MobileNetV1, load_pretrained
from emostress_ros.training.face.recipe import chain_of, forerunners, run_folder
from emostress_ros.training.face.refine import refined
from emostress_ros.training.keep import Keep
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer

_HEADS = {"emotion": 1.0, "ferplus": 0.7}
"""Head to its weight in the loss."""


@torch.no_grad()
def predict(net: nn.Module, faces: Tensor, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Return the logits (N, 7) and (N, 8) of uint8 faces, float32, on the faces' device."""
    net.eval()
    place, device = faces.device, device_of(net)
    starts = range(0, len(faces), batch)
    outputs = [net(faces[start : start + batch].to(device).float()) for start in starts]
    emotion, ferplus = zip(*outputs, strict=True)
    return torch.cat(emotion).float().to(place), torch.cat(ferplus).float().to(place)


def training_side(progress: float, full: int = 48) -> int:
    """Return the side of training faces: smaller ones first cost less (Tan and Le, ICML 2021)."""
    sixths = 4 if progress < 0.3 else 5 if progress < 0.7 else 6
    return 8 * round(full * sixths / 48)


def optimizer_of(net: face_nets.FaceNet, options: argparse.Namespace) -> torch.optim.Optimizer:
    """Return the optimizer; the body learns at ``body_lr`` times the rate of the heads."""
    heads = nn.ModuleList([net.project, net.emotion, net.ferplus])
    groups = [
        group | {"lr": options.lr * scale}
        for part, scale in ((net.body, options.body_lr), (heads, 1.0))
        for group in common.parameter_groups(part, options.weight_decay)
        if group["params"]
    ]
    if options.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=options.lr)
    return torch.optim.SGD(groups, lr=options.lr, momentum=0.9, nesterov=True)


def start(net: face_nets.FaceNet, options: argparse.Namespace, faces: Tensor) -> None:
    """Give a network the weights it starts from, where the options name some.

    Args:
        net: changed in place.
        options: ``pretrained`` (folder) and ``initial`` (checkpoint).
        faces: (N, 1, 48, 48) uint8, to set batch statistics from.
    """
    if options.pretrained:
        if not isinstance(net.body, MobileNetV1):
            raise DatasetError(f"--pretrained is for mobilenet and its kin, not {options.arch}")
        side = training_side(0.0, net.side)
        load_pretrained(
            net.body, options.pretrained, _resized(face_nets.standardise(faces.float()), side)
        )
    if options.initial:
        theirs = _weights(common.load_checkpoint(options.initial))
        mine = net.state_dict()
        net.load_state_dict(
            {k: theirs[k] if k in theirs and theirs[k].shape == v.shape else v
             for k, v in mine.items()}
        )  # fmt: skip


def _resized(faces: Tensor, side: int) -> Tensor:
    return nn.functional.interpolate(faces, (side, side), mode="bilinear", align_corners=False)


class _Faces(Task):
    """Both heads' label distributions of augmented faces; judged on faces held out.

    Args:
        options: of :func:`emostress_ros.training.face.train.parser`.
        train: what is learned from.
        validation: what is watched.
        net: the network, for its side and body.
    """

    def __init__(
        self,
        options: argparse.Namespace,
        train: FaceSet,
        validation: FaceSet,
        net: face_nets.FaceNet,
        device: torch.device,
    ) -> None:
        self.options, self.side = options, net.side
        self.train_set, self.validation = train.to(device), validation.to(device)
        if options.refine:
            teacher = load_average(options.refine).to(device)
            self.train_set = refined(self.train_set, [teacher], options.own_label)
        self.balance = common.class_weights(self.train_set.emotion, options.balance)
        self.grows = not (options.full_side or isinstance(net.body, face_nets.Flat))
        earlier = list(forerunners(options))
        self.pretrained = bool(options.pretrained) or any(s["pretrained"] for s in earlier)
        self.teachers = [load_net(path, device) for path in options.teachers]
        self.augmentation = Augmentation(mixup=options.mixup)

    def batches(self, epoch: int, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Return row numbers; a short last batch, which makes poor statistics, is left out."""
        seed, size = self.options.seed * 10_007 + epoch, self.options.batch
        shuffle = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train_set.faces), generator=shuffle)
        torch.manual_seed(seed)
        batches = order.to(self.train_set.faces.device).split(size)
        return batches[: len(order) // size] if len(batches) > 1 else batches

    def loss(self, net: nn.Module, batch: Tensor, step: Step) -> Loss:
        """Return a term for each head, and for what teachers say of it."""
        data, side = self.train_set, self.side
        side = training_side(step.progress, side) if self.grows else side
        faces = augment(data.faces[batch].float(), self.augmentation, side)
        targets = [data.emotion[batch], data.ferplus[batch]]
        faces, targets = mixup(faces, targets, self.options.mixup)
        with step.autocast():
            heads = net(faces.contiguous(memory_format=torch.channels_last))
        return Loss(self._terms(heads, targets, self._teach(faces, step)))

    def _teach(self, faces: Tensor, step: Step) -> list[Tensor]:
        """Return the teachers' mean probabilities for both heads, or nothing."""
        if not self.teachers:
            return []
        with torch.no_grad(), step.autocast():
            answers = [teacher(faces) for teacher in self.teachers]
        heads = zip(*answers, strict=True)
        return [torch.stack([h.float().softmax(1) for h in head]).mean(0) for head in heads]

    def _terms(
        self, heads: tuple[Tensor, Tensor], targets: list[Tensor], taught: list[Tensor]
    ) -> dict[str, Tensor]:
        smoothing = self.options.smoothing
        targets = [targets[0] * self.balance, *targets[1:]]
        part = self.options.distil if taught else 0.0
        terms = {
            name: (1 - part) * weight * soft_cross_entropy(logits, target, smoothing)
            for (name, weight), logits, target in zip(_HEADS.items(), heads, targets, strict=True)
        }
        for (name, weight), logits, target in zip(_HEADS.items(), heads, taught, strict=False):
            terms[f"{name}_taught"] = part * weight * soft_cross_entropy(logits, target)
        return terms

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Return loss, accuracy and UAR on the faces held out."""
        emotion, ferplus = predict(net, self.validation.faces)
        accuracy, uar = accuracies(emotion, self.validation.emotion)
        loss = soft_cross_entropy(emotion, self.validation.emotion)
        row = {"validation_loss": float(loss), "accuracy": accuracy, "uar": uar}
        if self.validation.ferplus.sum() > 0:
            row["ferplus_accuracy"] = accuracies(ferplus, self.validation.ferplus)[0]
        return row

    def optimiser(self, net: Any, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return what the options ask for."""
        return optimizer_of(net, self.options)

    def about(self, epoch: int) -> dict[str, Any]:
        """Return what the card says of the training."""
        return {
            "arch": self.options.arch,
            "seed": self.options.seed,
            "command": chain_of(self.options, epoch),
            "pretrained": self.pretrained,
        }


def trainer_of(
    options: argparse.Namespace,
    train: FaceSet,
    validation: FaceSet,
    workers: common.Workers | None = None,
    net: face_nets.FaceNet | None = None,
) -> Trainer:
    """Get ready to train.

    Args:
        options: of :func:`emostress_ros.training.face.train.parser`.
        train: what is learned from.
        validation: what is watched.
        workers: the processes that train together; those of the command when not given.
        net: trained further; a new one of ``options.arch`` when not given.
    """
    workers = workers or common.Workers()
    if net is None:
        net = face_nets.build(options.arch)
        start(net, options, train.faces[:512].cpu())
    net = net.to(workers.device).to(memory_format=torch.channels_last)
    wanted = TrainerOptions(
        epochs=0 if options.minutes > 0 else options.epochs, minutes=options.minutes,
        clip_norm=5.0, ema=options.ema, patience=options.patience, stop_after=options.stop_after,
        precision=options.precision, seed=options.seed, progress=not options.quiet,
    )  # fmt: skip
    task = _Faces(options, train, validation, net, workers.device)
    keep = Keep(run_folder(options), options.resume, {"arch": options.arch})
    say = partial(print, flush=True) if options.quiet else None
    return Trainer(
        net, task, wanted, np.random.default_rng(options.seed), keep=keep, workers=workers,
        say=say, title=f"face {options.arch}",
    )  # fmt: skip


def _weights(state: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a checkpoint's averaged weights; those of the network itself without an average."""
    held: dict[str, Tensor] = state.get("ema") or state["net"]
    return held


def load_net(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Return the averaged network of a checkpoint, the best of it, in evaluation mode."""
    state = common.load_checkpoint(path, device)
    net = face_nets.build(state["arch"])
    net.load_state_dict(state.get("stopping", {}).get("weights") or _weights(state))
    return net.to(device).to(memory_format=torch.channels_last).eval()


def load_average(paths: Sequence[Path]) -> nn.Module:
    """Return the mean of several checkpoints' averaged networks, in evaluation mode.

    Wortsman et al., "Model soups", ICML 2022: networks that come from one start may be averaged.
    """
    net = load_net(paths[0])
    states = [load_net(path).state_dict() for path in paths]
    mean = {
        name: torch.stack([state[name].float() for state in states]).mean(0).to(value.dtype)
        for name, value in states[0].items()
    }
    net.load_state_dict(mean)
    return net
