"""Training of the networks over raw windows, with its augmentation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.metrics import confusion_matrix, uar
from emostress_ros.training.common import seed_everything
from emostress_ros.training.devices import device_of
from emostress_ros.training.keep import Keep
from emostress_ros.training.physiology.fit import Array, Windows, sample_weights
from emostress_ros.training.physiology.nets import NETS
from emostress_ros.training.physiology.raw import SENSOR_SLICES, Floats, Scaling
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer
from emostress_ros.training.weights import parameter_count


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
        device = device_of(self.net)
        parts = [
            self.net(torch.from_numpy(self.scaling.apply(frames[i : i + 256])).to(device))
            .cpu()
            .numpy()
            for i in range(0, len(frames), 256)
        ]
        return np.concatenate(parts).astype(np.float64)

    @property
    def parameters(self) -> int:
        """Numbers learned."""
        return parameter_count(self.net)


def augment(frames: Tensor, options: NetOptions, generator: torch.Generator) -> Tensor:
    """Noise on every sample, a factor for every sensor, now and then a sensor hidden.

    Um et al., "Data augmentation of wearable sensor data", ICMI 2017.

    Args:
        frames: (N, T, 42) scaled.
        options: how much.
        generator: of the randomness, on the CPU, so that every device is given the same.
    """
    device = frames.device
    noise = torch.randn(frames.shape, generator=generator).to(device)
    found = frames + options.jitter * noise
    for columns in SENSOR_SLICES.values():
        factor = 1.0 + options.scaling * torch.randn(len(frames), 1, 1, generator=generator)
        seen = torch.rand(len(frames), 1, 1, generator=generator) >= options.hidden
        found[..., columns] = found[..., columns] * factor.to(device) * seen.to(device)
    return found


class _Stress(Task):
    """Stress or not, from raw windows; judged on other people."""

    def __init__(self, training: RawWindows, validation: RawWindows, options: NetOptions) -> None:
        self.options, self.validation = options, validation
        self.scaling = Scaling.fitted(training.frames)
        self.inputs = torch.from_numpy(self.scaling.apply(training.frames))
        self.stress = torch.from_numpy(training.stress).float()
        self.weights = torch.from_numpy(_weights(training)).float()

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Tensor]:
        """Return row numbers, shuffled anew."""
        self.generator = torch.Generator().manual_seed(self.options.seed * 10_007 + epoch)
        order = torch.randperm(len(self.inputs), generator=self.generator)
        return order.split(self.options.batch)

    def apart(self, rng: np.random.Generator) -> None:
        """Let each process change its windows in its own way."""
        self.generator.manual_seed(int(rng.integers(2**62)))

    def loss(self, net: nn.Module, batch: Tensor, step: Step) -> Loss:
        """Return the weighted cross-entropy of changed windows."""
        logits = net(augment(self.inputs[batch], self.options, self.generator))
        loss = functional.binary_cross_entropy_with_logits(
            logits, self.stress[batch], weight=self.weights[batch]
        )
        return Loss({"loss": loss}, items=len(batch))

    def validate(self, net: nn.Module) -> dict[str, float]:
        """Return the UAR on the people held out."""
        logits = FittedNet(net, self.scaling, {}).logit(self.validation.frames)
        truth, said = self.validation.stress, (logits > 0).astype(np.int64)
        return {"uar": uar(confusion_matrix(truth, said, 2))}


def fit_net(
    name: str, training: RawWindows, validation: RawWindows, options: NetOptions, folder: Path
) -> FittedNet:
    """Train a network until the last epoch, or until nothing gets better.

    Args:
        name: of the network, from `NETS`.
        training: windows to learn from.
        validation: windows of other people, whose UAR decides when to stop.
        options: see `NetOptions`.
        folder: for checkpoint and log; a checkpoint there is gone on from.
    """
    task = _Stress(training, validation, options)
    rng = seed_everything(options.seed)
    wanted = TrainerOptions(
        epochs=options.epochs, rate=options.rate, weight_decay=options.weight_decay, clip_norm=1.0,
        ema=0.99, patience=options.patience, seed=options.seed,
    )  # fmt: skip
    keep = Keep(folder, resume=True, recipe={"name": name})
    trainer = Trainer(NETS[name](), task, wanted, rng, keep=keep)
    net, log = trainer.run(), trainer.curves()
    curves = {column: log[column] for column in ("epoch", "training_loss", "uar", "seconds")}
    return FittedNet(net, task.scaling, curves)


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
