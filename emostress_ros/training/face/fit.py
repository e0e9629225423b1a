"""The training loop of the face networks."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from emostress_ros.errors import DatasetError
from emostress_ros.training import common
from emostress_ros.training.early_stopping import EarlyStopping
from emostress_ros.training.face import nets as face_nets
from emostress_ros.training.face.augment import Augmentation, augment, mixup
from emostress_ros.training.face.data import FaceSet
from emostress_ros.training.face.losses import accuracies, soft_cross_entropy
from emostress_ros.training.face.mobilenet import MobileNetV1, load_pretrained
from emostress_ros.training.face.recipe import chain_of, forerunners, run_folder

FERPLUS_WEIGHT = 0.7


@torch.no_grad()
def predict(net: nn.Module, faces: Tensor, batch: int = 32) -> tuple[Tensor, Tensor]:
    """Return the logits (N, 7) and (N, 8) of uint8 faces, float32, on the faces' device."""
    net.eval()
    outputs = [net(faces[start : start + batch].float()) for start in range(0, len(faces), batch)]
    emotion, ferplus = zip(*outputs, strict=True)
    return torch.cat(emotion).float(), torch.cat(ferplus).float()


def training_side(progress: float, full: int = 48) -> int:
    """Return the side of training faces: smaller ones first cost less (Tan and Le, ICML 2021)."""
    sixths = 4 if progress < 0.3 else 5 if progress < 0.7 else 6
    return 8 * round(full * sixths / 48)


def optimizer_of(net: face_nets.FaceNet, options: argparse.Namespace) -> torch.optim.Optimizer:
    """Return the optimizer; its groups carry the factor ``scale`` of their learning rate."""
    body = common.parameter_groups(net.body, options.weight_decay)
    heads = nn.ModuleList([net.project, net.emotion, net.ferplus])
    groups = [group | {"scale": options.body_lr} for group in body]
    groups += [
        group | {"scale": 1.0} for group in common.parameter_groups(heads, options.weight_decay)
    ]
    groups = [group for group in groups if group["params"]]
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
        theirs = common.load_checkpoint(options.initial)["ema"]
        mine = net.state_dict()
        net.load_state_dict(
            {k: theirs[k] if k in theirs and theirs[k].shape == v.shape else v
             for k, v in mine.items()}
        )  # fmt: skip


def _resized(faces: Tensor, side: int) -> Tensor:
    return nn.functional.interpolate(faces, (side, side), mode="bilinear", align_corners=False)


class Trainer:
    """One training: reads like its loop."""

    def __init__(
        self,
        options: argparse.Namespace,
        train: FaceSet,
        validation: FaceSet,
        workers: common.Workers,
        net: face_nets.FaceNet | None = None,
    ) -> None:
        """Get ready to train.

        Args:
            options: of :func:`emostress_ros.training.face.train.parser`.
            train: what is learned from.
            validation: what is watched.
            workers: the processes that train together.
            net: trained further; a new one of ``options.arch`` when not given.
        """
        self.options, self.workers = options, workers
        self.device = torch.device(options.device)
        self.train_set, self.validation = train.to(self.device), validation.to(self.device)
        if net is None:
            net = face_nets.build(options.arch)
            start(net, options, train.faces[:512].cpu())
        self.net = net.to(self.device).to(memory_format=torch.channels_last)
        self.ema = common.ModelEma(self.net, options.ema)
        self.stopping = EarlyStopping(options.patience)
        self.balance = common.class_weights(self.train_set.emotion, options.balance)
        self.grows = not (options.full_side or isinstance(net.body, face_nets.Flat))
        self.optimizer = optimizer_of(self.net, options)
        earlier = list(forerunners(options))
        self.pretrained = bool(options.pretrained) or any(s["pretrained"] for s in earlier)
        self.teachers = [load_net(path, self.device) for path in options.teachers]
        self.augmentation = Augmentation(mixup=options.mixup)
        self.epoch, self.elapsed_s = 0, 0.0
        self.half = options.precision == "bfloat16"
        self.folder = run_folder(options)
        self.checkpoint = self.folder / "checkpoint.pt"
        if options.resume and self.checkpoint.exists():
            self._restore()
        self.progress = self._progress(0.0)
        self.log = common.CsvLog(self.folder / "log.csv", resume=self.epoch > 0)

    def run(self) -> nn.Module:
        """Train until the last epoch and return the averaged network."""
        title, epochs = f"face {self.options.arch}", self.options.epochs
        shown = self.workers.leads and not self.options.quiet
        with common.progress_bar(epochs, title, enabled=shown) as advance:
            while not self._over():
                started = time.perf_counter()
                loss = self._train_epoch(started)
                self.workers.average(_float_buffers(self.net) + _float_buffers(self.ema.net))
                row = {"epoch": self.epoch, "training_loss": loss, **self._validate()}
                self.stopping.see(row["uar"], self.ema.net)
                row["seconds"] = self.workers.means(time.perf_counter() - started)[0]
                self.elapsed_s += row["seconds"]
                if self.workers.leads:
                    self._record(row)
                    advance(_summary(row))
        self.stopping.give_back(self.ema.net)
        return self.ema.net

    def _over(self) -> bool:
        stopped = 0 < self.options.stop_after <= self.epoch
        return stopped or self.stopping.over or self._progress(0.0) >= 1.0

    def _record(self, row: dict[str, float]) -> None:
        self.log.write(row)
        common.save_checkpoint(self.checkpoint, self._state())
        if self.options.quiet:
            print(f"face {self.options.arch} epoch {self.epoch} {_summary(row)}", flush=True)

    def _progress(self, epoch_part: float, started: float | None = None) -> float:
        """Return the part of the training done, by epochs or, with ``--minutes``, by time."""
        if self.options.minutes > 0:
            running = 0.0 if started is None else time.perf_counter() - started
            return (self.elapsed_s + running) / (60.0 * self.options.minutes)
        return (self.epoch + epoch_part) / self.options.epochs

    def _train_epoch(self, started: float) -> float:
        seed = self.options.seed * 10_007 + self.epoch
        shuffle = torch.Generator().manual_seed(seed)
        order = torch.randperm(len(self.train_set.faces), generator=shuffle).to(self.device)
        torch.manual_seed(seed + 1_000_003 * self.workers.rank)
        self.net.train()
        batches = order.split(self.options.batch)
        if len(batches) > 1:  # a short last batch makes poor batch statistics
            batches = batches[: len(order) // self.options.batch]
        total = torch.zeros((), device=self.device)
        for index, rows in enumerate(batches):
            for group in self.optimizer.param_groups:
                factor = group["scale"] * common.cosine_warmup(self.progress)
                group["lr"] = self.options.lr * factor
            side = training_side(self.progress, self.net.side) if self.grows else self.net.side
            self.progress = self._progress((index + 1) / len(batches), started)
            total += self._step(self.workers.share(rows), side)
        self.epoch += 1
        return float(total) / len(batches)

    def _step(self, rows: Tensor, side: int) -> Tensor:
        data = self.train_set
        faces = augment(data.faces[rows].float(), self.augmentation, side)
        faces, targets = mixup(faces, [data.emotion[rows], data.ferplus[rows]], self.options.mixup)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            heads = self.net(faces.contiguous(memory_format=torch.channels_last))
        loss = self._loss(heads, targets, self._teach(faces))
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [p.grad for p in self.net.parameters() if p.grad is not None]
        progress = torch.tensor([self.progress])
        self.workers.average([*gradients, progress])  # the clock too: all keep one learning rate
        self.progress = float(progress)
        nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.ema.update(self.net)
        return loss.detach()

    def _teach(self, faces: Tensor) -> list[Tensor]:
        """Return the teachers' mean probabilities for both heads, or nothing."""
        if not self.teachers:
            return []
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            answers = [teacher(faces) for teacher in self.teachers]
        heads = zip(*answers, strict=True)
        return [torch.stack([h.float().softmax(1) for h in head]).mean(0) for head in heads]

    def _loss(
        self, heads: tuple[Tensor, Tensor], targets: list[Tensor], taught: list[Tensor]
    ) -> Tensor:
        weights, smoothing = (1.0, FERPLUS_WEIGHT), self.options.smoothing
        targets = [targets[0] * self.balance, *targets[1:]]
        part = self.options.distil if taught else 0.0
        losses = [
            (1 - part) * weight * soft_cross_entropy(logits, target, smoothing)
            for weight, logits, target in zip(weights, heads, targets, strict=True)
        ]
        losses += [
            part * weight * soft_cross_entropy(logits, target)
            for weight, logits, target in zip(weights, heads, taught or [], strict=bool(taught))
        ]
        return torch.stack(losses).sum()

    def _validate(self) -> dict[str, float]:
        emotion, ferplus = predict(self.ema.net, self.validation.faces)
        accuracy, uar = accuracies(emotion, self.validation.emotion)
        loss = soft_cross_entropy(emotion, self.validation.emotion)
        row = {"validation_loss": float(loss), "accuracy": accuracy, "uar": uar}
        if self.validation.ferplus.sum() > 0:
            row["ferplus_accuracy"] = accuracies(ferplus, self.validation.ferplus)[0]
        return row

    def _state(self) -> dict[str, object]:
        return {
            "arch": self.options.arch,
            "seed": self.options.seed,
            "command": chain_of(self.options, self.epoch),
            "pretrained": self.pretrained,
            "epoch": self.epoch,
            "elapsed_s": self.elapsed_s,
            "net": self.net.state_dict(),
            "ema": self.ema.net.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "stopping": self.stopping.state_dict(),
        }

    def _restore(self) -> None:
        state = common.load_checkpoint(self.checkpoint, self.device)
        if state["arch"] != self.options.arch:
            raise DatasetError(f"{self.checkpoint} is of {state['arch']}, not {self.options.arch}")
        self.net.load_state_dict(state["net"])
        self.ema.net.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.elapsed_s = state["epoch"], state["elapsed_s"]
        self.ema.updates = state["ema_updates"]
        if "stopping" in state:
            self.stopping.load_state_dict(state["stopping"])


def load_net(path: Path, device: torch.device | str = "cpu") -> nn.Module:
    """Return the averaged network of a checkpoint, the best of it, in evaluation mode."""
    state = common.load_checkpoint(path, device)
    net = face_nets.build(state["arch"])
    net.load_state_dict(state.get("stopping", {}).get("weights") or state["ema"])
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


def _float_buffers(net: nn.Module) -> list[Tensor]:
    return [buffer for buffer in net.buffers() if buffer.dtype.is_floating_point]


def _summary(row: dict[str, float]) -> str:
    return (
        f"loss {row['training_loss']:.3f}  val acc {row['accuracy']:.3f}  uar {row['uar']:.3f}"
        f"  {row['seconds']:.1f} s"
    )
