"""Training of the networks over raw windows: the loop, its augmentation, early stopping."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.metrics import confusion_matrix, uar
from emostress_ros.training import common
from emostress_ros.training.physiology.fit import Array, Windows, sample_weights
from emostress_ros.training.physiology.nets import NETS
from emostress_ros.training.physiology.raw import SENSOR_SLICES, Floats, Scaling


@dataclass(frozen=True)
class NetOptions:
    """Options of a training.

    Attributes:
        epochs: at most.
        batch: windows of a step.
        rate: highest learning rate of AdamW.
        weight_decay: of matrices.
        jitter: spread of the noise added to scaled samples.
        scaling: spread of the factor that each sensor is multiplied by.
        hidden: how often a sensor is hidden.
        patience: epochs without a better validation UAR until the training stops.
        seed: of everything.
    """

    epochs: int = 12
    batch: int = 64
    rate: float = 2e-3
    weight_decay: float = 0.02
    jitter: float = 0.1
    scaling: float = 0.15
    hidden: float = 0.15
    patience: int = 3
    seed: int = 0


@dataclass(frozen=True)
class RawWindows:
    """Windows with their labels.

    Attributes:
        frames: shape (n, frames, 42), unscaled, NaN where missing.
        stress: shape (n,), 0 or 1.
        persons: n names.
    """

    frames: Floats
    stress: npt.NDArray[np.int64]
    persons: tuple[str, ...]


@dataclass(frozen=True)
class FittedNet:
    """A trained network with what it needs.

    Attributes:
        net: averaged weights of the best epoch, in evaluation mode.
        scaling: of its inputs.
        curves: columns of the log.
    """

    net: nn.Module
    scaling: Scaling
    curves: dict[str, list[float]]

    @torch.no_grad()
    def logit(self, frames: Floats) -> Array:
        """Logits of windows (n, frames, 42), shape (n,)."""
        parts = [
            self.net(torch.from_numpy(self.scaling.apply(frames[i : i + 256]))).numpy()
            for i in range(0, len(frames), 256)
        ]
        return np.concatenate(parts).astype(np.float64)

    @property
    def parameters(self) -> int:
        """Numbers learned."""
        return sum(p.numel() for p in self.net.parameters())


def augment(frames: Tensor, options: NetOptions, generator: torch.Generator) -> Tensor:
    """Noise on every sample, a factor for every sensor, now and then a sensor hidden.

    Um et al., "Data augmentation of wearable sensor data", ICMI 2017.

    Args:
        frames: (N, T, 42) scaled.
        options: how much.
        generator: of the randomness.
    """
    found = frames + options.jitter * torch.randn(frames.shape, generator=generator)
    for columns in SENSOR_SLICES.values():
        factor = 1.0 + options.scaling * torch.randn(len(frames), 1, 1, generator=generator)
        seen = torch.rand(len(frames), 1, 1, generator=generator) >= options.hidden
        found[..., columns] = found[..., columns] * factor * seen
    return found


class Trainer:
    """One training: reads like its loop.

    Args:
        name: of the network, from `NETS`.
        training: windows to learn from.
        validation: windows of other people, whose UAR decides when to stop.
        options: see `NetOptions`.
        folder: for checkpoint and log; a checkpoint there is gone on from.
    """

    def __init__(
        self, name: str, training: RawWindows, validation: RawWindows, options: NetOptions,
        folder: Path,
    ) -> None:  # fmt: skip
        self.name, self.options = name, options
        self.scaling = Scaling.fitted(training.frames)
        self.inputs = torch.from_numpy(self.scaling.apply(training.frames))
        self.stress = torch.from_numpy(training.stress).float()
        self.weights = torch.from_numpy(_weights(training)).float()
        self.validation = validation
        common.seed_everything(options.seed)
        self.net = NETS[name]()
        self.ema = common.ModelEma(self.net, 0.99)
        groups = common.parameter_groups(self.net, options.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=options.rate)
        self.epoch, self.best_epoch, self.best_uar = 0, 0, -1.0
        self.best = {key: value.clone() for key, value in self.ema.net.state_dict().items()}
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            self._restore()
        self.log = common.CsvLog(folder / "log.csv", resume=self.epoch > 0)

    def run(self) -> FittedNet:
        """Train until the last epoch or until nothing gets better."""
        while self.epoch < self.options.epochs and not self._stale():
            started = time.perf_counter()
            loss = self._train_epoch()
            row = {"epoch": float(self.epoch), "training_loss": loss, "uar": self._validate()}
            self.log.write({**row, "seconds": time.perf_counter() - started})
            common.save_checkpoint(self.checkpoint, self._state())
        net = NETS[self.name]()
        net.load_state_dict(self.best)
        return FittedNet(net.eval(), self.scaling, self.log.read())

    def _stale(self) -> bool:
        return self.epoch - self.best_epoch >= self.options.patience

    def _train_epoch(self) -> float:
        generator = torch.Generator().manual_seed(self.options.seed * 10_007 + self.epoch)
        order = torch.randperm(len(self.inputs), generator=generator)
        batches = order.split(self.options.batch)
        self.net.train()
        total = 0.0
        for index, rows in enumerate(batches):
            progress = (self.epoch + index / len(batches)) / self.options.epochs
            for group in self.optimizer.param_groups:
                group["lr"] = self.options.rate * common.cosine_warmup(progress)
            total += self._step(rows, generator) * len(rows)
        self.epoch += 1
        return total / len(self.inputs)

    def _step(self, rows: Tensor, generator: torch.Generator) -> float:
        logits = self.net(augment(self.inputs[rows], self.options, generator))
        loss = functional.binary_cross_entropy_with_logits(
            logits, self.stress[rows], weight=self.weights[rows]
        )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update(self.net)
        return float(loss.detach())

    def _validate(self) -> float:
        logits = FittedNet(self.ema.net, self.scaling, {}).logit(self.validation.frames)
        reached = uar(confusion_matrix(self.validation.stress, (logits > 0).astype(np.int64), 2))
        if reached > self.best_uar:
            self.best_uar, self.best_epoch = reached, self.epoch
            self.best = {key: value.clone() for key, value in self.ema.net.state_dict().items()}
        return reached

    def _state(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "epoch": self.epoch,
            "best_epoch": self.best_epoch,
            "best_uar": self.best_uar,
            "net": self.net.state_dict(),
            "ema": self.ema.net.state_dict(),
            "ema_updates": self.ema.updates,
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
        }

    def _restore(self) -> None:
        state = common.load_checkpoint(self.checkpoint)
        self.net.load_state_dict(state["net"])
        self.ema.net.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.epoch, self.best_epoch = state["epoch"], state["best_epoch"]
        self.best_uar, self.best = state["best_uar"], state["best"]


def _weights(windows: RawWindows) -> Array:
    """People count alike, and both classes weigh the same; mean 1."""
    names = np.array(windows.persons)
    people = list(dict.fromkeys(windows.persons))
    rows = [np.flatnonzero(names == person) for person in people]
    grouped = [
        Windows(person, np.zeros((len(index), 0)), windows.stress[index])
        for person, index in zip(people, rows, strict=True)
    ]
    weights = np.empty(len(names))
    weights[np.concatenate(rows)] = sample_weights(grouped)
    return weights
