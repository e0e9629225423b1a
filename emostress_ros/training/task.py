"""What a trainer is told: a task (what is learned, from what, judged how) and its options."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from emostress_ros.errors import ParameterError
from emostress_ros.training.devices import moved
from emostress_ros.training.schedule import SCHEDULES
from emostress_ros.training.weights import parameter_groups

PRECISIONS: Mapping[str, torch.dtype] = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}


@dataclass(frozen=True)
class TrainerOptions:
    """Options that every training has.

    Attributes:
        epochs: passes over the batches; 0 where ``minutes`` alone bounds the training.
        rate: highest learning rate, of :meth:`Task.optimiser` as it is given.
        weight_decay: of matrices, likewise.
        schedule: name of :data:`.schedule.SCHEDULES`.
        warmup: part of the training that warms up.
        floor: factor of the learning rate at the end.
        clip_norm: greatest norm of the gradient; 0: any.
        ema: decay of the weights' moving average, which is then judged and given back; 0: none.
        watch: figure of :meth:`Task.validate` that is to rise.
        patience: epochs without a better one until the training stops and gives the best weights
            back; 0: it never stops, and the last weights stay.
        minutes: the schedule ends when they are over, if it has not before; 0: no bound.
        stop_after: end after this epoch of the schedule; 0: never.
        precision: of products in :meth:`Step.autocast`; weights stay in float32.
        log_every: steps between two rows of the log; 0: a row an epoch.
        seed: of what several processes draw apart; see :func:`.common.seed_everything` for the
            rest.
        progress: show a bar.
    """

    epochs: int = 1
    rate: float = 1e-3
    weight_decay: float = 0.0
    schedule: str = "cosine"
    warmup: float = 0.05
    floor: float = 0.0
    clip_norm: float = 0.0
    ema: float = 0.0
    watch: str = "uar"
    patience: int = 0
    minutes: float = 0.0
    stop_after: int = 0
    precision: str = "float32"
    log_every: int = 0
    seed: int = 0
    progress: bool = False

    def __post_init__(self) -> None:
        """Check the values.

        Raises:
            ParameterError: names the option, what is allowed and what came.
        """
        _check("schedule", self.schedule, self.schedule in SCHEDULES, ", ".join(SCHEDULES))
        _check("precision", self.precision, self.precision in PRECISIONS, ", ".join(PRECISIONS))
        for name in ("warmup", "floor", "ema"):
            value = getattr(self, name)
            _check(name, value, 0.0 <= value < 1.0, "at least 0 and below 1")
        for name in ("epochs", "clip_norm", "patience", "minutes", "stop_after", "log_every"):
            value = getattr(self, name)
            _check(name, value, value >= 0, "at least 0")
        bounded = self.epochs > 0 or self.minutes > 0
        _check("epochs", self.epochs, bounded, "above 0 where minutes are not")


def _check(name: str, value: object, good: bool, allowed: str) -> None:
    if not good:
        raise ParameterError(f"{name} of a training must be {allowed}; got {value!r}")


@dataclass(frozen=True)
class Step:
    """Where a training is, as a task is told.

    Attributes:
        epoch: from 0.
        progress: part of the training done, [0, 1].
        rng: of augmentation and mixup.
        device: of the network.
        autocast: gives the context in which products are taken in the training's precision.
    """

    epoch: int
    progress: float
    rng: np.random.Generator
    device: torch.device
    autocast: Callable[[], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Loss:
    """The loss of a batch.

    Attributes:
        terms: name to term, weighted; their sum is what is minimised.  With more than one, each
            has a column of the log.
        watched: figures that are logged and not minimised.
        items: weight of the batch in the epoch's mean; where not given, batches count alike.
    """

    terms: Mapping[str, Tensor]
    watched: Mapping[str, Tensor | float] = field(default_factory=dict)
    items: int | None = None

    @property
    def total(self) -> Tensor:
        """Sum of the terms."""
        first, *rest = self.terms.values()
        return sum(rest, start=first)


class Task:
    """What is learned.  A subclass says at least :meth:`batches` and :meth:`loss`.

    Attributes:
        every_weight: whether each batch asks all weights; where one need not (several heads, of
            which a batch teaches some), several processes have to look for those that it asks.
    """

    every_weight: bool = True

    def to(self, device: torch.device) -> None:
        """Put tensors that the task holds, and tuples and mappings of them, where the net is."""
        for name, value in list(vars(self).items()):
            setattr(self, name, moved(value, device))

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Any]:
        """Return an epoch's batches, the same in every process.

        Rows are arrays, tuples or mappings of arrays, so that processes can share them; see
        :meth:`.workers.Workers.share`.  Those that are tensors are on :attr:`Step.device` when
        they come to :meth:`loss`.

        Args:
            epoch: from 0.
            rng: of the order.
        """
        raise NotImplementedError

    def apart(self, rng: np.random.Generator) -> None:
        """Get ready to draw otherwise than the other processes, after :meth:`batches`.

        Only a task with a generator of its own has to; ``step.rng`` and torch's own are set apart.

        Args:
            rng: of this process.
        """
        del rng

    def loss(self, net: nn.Module, batch: Any, step: Step) -> Loss:
        """Return the loss of a batch, or of a process's share of it.

        Args:
            net: in training mode.
            batch: one of :meth:`batches`.
            step: where the training is.
        """
        raise NotImplementedError

    def validate(self, net: nn.Module) -> Mapping[str, float]:
        """Judge a network after an epoch, on people it does not learn from.

        Args:
            net: the averaged one, where there is an average.
        """
        del net
        return {}

    def optimiser(self, net: nn.Module, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return the optimiser; a group's ``lr`` is its highest."""
        groups = parameter_groups(net, options.weight_decay)
        return torch.optim.AdamW(groups, lr=options.rate)

    def scheduler(
        self, optimiser: torch.optim.Optimizer
    ) -> torch.optim.lr_scheduler.LRScheduler | None:
        """Return a schedule of torch's to take after every step, in place of the options'."""
        del optimiser
        return None

    def begin(self, net: nn.Module) -> None:
        """Get a network ready for an epoch."""
        net.train()

    def clipped(self, net: nn.Module) -> Iterable[nn.Parameter]:
        """Return the weights whose gradient is clipped."""
        return net.parameters()

    def about(self, epoch: int) -> Mapping[str, Any]:
        """Return what else a checkpoint after ``epoch`` epochs is to hold."""
        del epoch
        return {}


class Judging(nn.Module):
    """A task's loss as a module, so that whatever it calls of the network is averaged."""

    def __init__(self, net: nn.Module, task: Task) -> None:
        super().__init__()
        self.net, self._task = net, task

    def forward(self, batch: Any, step: Step) -> Loss:
        """Return the loss of a batch."""
        return self._task.loss(self.net, moved(batch, step.device), step)
