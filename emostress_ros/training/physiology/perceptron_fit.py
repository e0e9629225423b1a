"""Training of the small perceptrons; apart, because judging with them needs no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from emostress_ros.training.common import seed_everything
from emostress_ros.training.devices import CPU
from emostress_ros.training.physiology.perceptron import Array, Layer, PerceptronSettings
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.trainer import Trainer
from emostress_ros.training.workers import Workers


class _Noisy(Task):
    """Stress or not, from standardised features with noise."""

    def __init__(
        self, rows: Tensor, truth: Tensor, weight: Tensor, settings: PerceptronSettings
    ) -> None:
        self.rows, self.truth, self.weight, self.settings = rows, truth, weight, settings

    def batches(self, epoch: int, rng: np.random.Generator) -> Sequence[Tensor]:
        """Return row numbers, shuffled anew."""
        return torch.randperm(len(self.rows)).split(self.settings.batch)

    def loss(self, net: nn.Module, batch: Tensor, step: Step) -> Loss:
        """Return the weighted cross-entropy."""
        noisy = self.rows[batch] + self.settings.noise * torch.randn(len(batch), self.rows.shape[1])
        loss = functional.binary_cross_entropy_with_logits(
            net(noisy)[:, 0], self.truth[batch], weight=self.weight[batch]
        )
        return Loss({"loss": loss}, items=len(batch))

    def optimiser(self, net: nn.Module, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return AdamW that decays biases, too."""
        return torch.optim.AdamW(net.parameters(), options.rate, weight_decay=options.weight_decay)


def fit_layers(
    inputs: Array, stress: Array, weights: Array, settings: PerceptronSettings, seed: int
) -> tuple[Layer, ...]:
    """Fit one perceptron; see :func:`.perceptron.fit_perceptrons`.

    Returns:
        matrix (outputs, inputs) and bias (outputs,) of each layer.
    """
    rows, truth, weight = (
        torch.from_numpy(array.astype(np.float32)) for array in (inputs, stress, weights)
    )
    rng = seed_everything(seed)
    first, second = settings.hidden
    net = nn.Sequential(
        nn.Dropout(settings.hidden_inputs),
        nn.Linear(rows.shape[1], first), nn.ReLU(), nn.Dropout(settings.dropout),
        nn.Linear(first, second), nn.ReLU(), nn.Dropout(settings.dropout),
        nn.Linear(second, 1),
    )  # fmt: skip
    options = TrainerOptions(
        epochs=settings.epochs, rate=settings.rate, weight_decay=settings.weight_decay,
        clip_norm=1.0, seed=seed,
    )  # fmt: skip
    task = _Noisy(rows, truth, weight, settings)
    # A step takes less than an exchange with another process, or with a GPU, would.
    Trainer(net, task, options, rng, workers=Workers(CPU, alone=True)).run()
    linear = [layer for layer in net if isinstance(layer, nn.Linear)]
    return tuple((i.weight.detach().numpy(), i.bias.detach().numpy()) for i in linear)
