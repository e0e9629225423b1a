"""Heads over the embeddings of an encoder that stays as its package brings it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from emostress_ros.modalities.text.tokenizer import pad
from emostress_ros.training.common import seed_everything
from emostress_ros.training.devices import device_of
from emostress_ros.training.keep import Keep
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.text.data import length_buckets
from emostress_ros.training.text.encoder import Bert
from emostress_ros.training.text.export import Linear
from emostress_ros.training.trainer import Trainer

SIZES = {"general": 7, "goemotions": 7, "meld": 7, "multilabel": 7, "stress": 1}
LEARNT_FROM = {
    "general": ("goemotions", "meld"),
    "goemotions": ("goemotions",),
    "meld": ("meld",),
    "multilabel": ("goemotions",),
    "stress": ("dreaddit",),
}
"""Head to the sets whose labels it learns."""


@dataclass(frozen=True)
class HeadOptions:
    """Settings of one training of heads."""

    hidden: int = 320
    epochs: int = 12
    batch: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    dropout: float = 0.3
    seed: int = 0


class HeadNet(nn.Module):
    """One ReLU layer that all heads share."""

    def __init__(self, width: int, names: tuple[str, ...], options: HeadOptions) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, options.hidden)
        self.dropout = nn.Dropout(options.dropout)
        self.heads = nn.ModuleDict({n: nn.Linear(options.hidden, SIZES[n]) for n in names})

    def forward(self, embedding: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, D) embeddings to the logits of every head."""
        features = self.dropout(torch.relu(self.hidden(embedding)))
        return {name: head(features) for name, head in self.heads.items()}


def train_heads(
    embeddings: dict[str, npt.NDArray[np.float32]],
    targets: dict[str, npt.NDArray[np.bool_]],
    options: HeadOptions,
    watch: Callable[[int, float, HeadNet], None] | None = None,
    keep: Keep | None = None,
) -> HeadNet:
    """Train the heads that the given sets can teach.

    Args:
        embeddings: set to (N, D).
        targets: set to (N, K) label indicators.
        options: settings.
        watch: called after every epoch with its number from 1, its mean loss and the network.
        keep: checkpoint and log.
    """
    rng = seed_everything(options.seed)
    names = tuple(n for n, sources in LEARNT_FROM.items() if set(sources) & set(embeddings))
    net = HeadNet(next(iter(embeddings.values())).shape[1], names, options)
    wanted = TrainerOptions(
        epochs=options.epochs, rate=options.learning_rate, weight_decay=options.weight_decay,
        seed=options.seed,
    )  # fmt: skip
    task = _Embedded(embeddings, targets, options)
    trainer = Trainer(net, task, wanted, rng, keep=keep, title="heads")
    for row in trainer.epochs():
        if watch:
            watch(trainer.epoch, row["training_loss"], net)
    return net.eval()


class _Embedded(Task):
    """What each set's labels say of sentence embeddings."""

    every_weight = False

    def __init__(
        self,
        embeddings: dict[str, npt.NDArray[np.float32]],
        targets: dict[str, npt.NDArray[np.bool_]],
        options: HeadOptions,
    ) -> None:
        self.embeddings, self.targets, self.options = embeddings, targets, options

    def batches(
        self, epoch: int, rng: np.random.Generator
    ) -> list[tuple[str, npt.NDArray[np.int64]]]:
        """Return the batches of an epoch, each of one set, mixed."""
        size, found = self.options.batch, []
        for name, rows in self.embeddings.items():
            order = rng.permutation(len(rows))
            found += [(name, order[i : i + size]) for i in range(0, len(order), size)]
        return [found[i] for i in rng.permutation(len(found))]

    def loss(self, net: nn.Module, batch: tuple[str, npt.NDArray[np.int64]], step: Step) -> Loss:
        """Return the losses of the heads that a set's labels speak about."""
        name, index = batch
        outputs = net(torch.from_numpy(self.embeddings[name][index]).to(step.device))
        targets = torch.from_numpy(self.targets[name][index].astype(np.float32))
        targets = targets.to(step.device)
        return Loss(_terms(outputs, name, targets))

    def optimiser(self, net: nn.Module, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return AdamW that decays biases, too."""
        return torch.optim.AdamW(net.parameters(), options.rate, weight_decay=options.weight_decay)

    def scheduler(self, optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """Return one cycle of rate and momentum (Smith and Topin, "Super-convergence", 2019)."""
        steps = sum(-(-len(rows) // self.options.batch) for rows in self.embeddings.values())
        return torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            2 * self.options.learning_rate,
            total_steps=steps * self.options.epochs,
            pct_start=0.1,
        )


def head_logits(
    net: HeadNet, embedding: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the logits of every head for (N, D) embeddings."""
    with torch.inference_mode():
        said = net(torch.from_numpy(embedding).to(device_of(net)))
        return {n: value.cpu().numpy() for n, value in said.items()}


def pooled(
    bert: Bert, sequences: list[list[int]], batch: int = 32, halved: bool = False
) -> npt.NDArray[np.float32]:
    """(N, D) sentence embeddings of an encoder in torch."""
    rows = np.zeros((len(sequences), bert.shape.width), np.float32)
    device = device_of(bert)
    # bfloat16 halves the time where the processor knows it; embeddings move by less than 1 %.
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, enabled=halved):
        for index in length_buckets(np.array([len(ids) for ids in sequences]), batch):
            parts = pad([sequences[i] for i in index])
            ids, mask = (torch.from_numpy(part).to(device) for part in parts)
            rows[index] = bert(ids, mask).float().cpu().numpy()
    return rows


def as_linear(layer: nn.Module) -> Linear:
    """Read a torch layer for the export."""
    weight, bias = layer.weight.detach().cpu(), layer.bias.detach().cpu()
    return Linear(weight.numpy().T.copy(), bias.numpy().copy())


def _terms(
    outputs: dict[str, torch.Tensor], name: str, targets: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Return the loss of each head that a set's labels speak about."""
    if name == "dreaddit":
        bce = nn.functional.binary_cross_entropy_with_logits
        return {"stress": bce(outputs["stress"][:, 0], targets[:, 1])}
    shares = targets / targets.sum(dim=1, keepdim=True)
    terms = {
        name: nn.functional.cross_entropy(outputs[name], shares),
        "general": nn.functional.cross_entropy(outputs["general"], shares),
    }
    if name == "goemotions":
        several = nn.functional.binary_cross_entropy_with_logits(
            outputs["multilabel"], targets, reduction="none"
        )
        terms["multilabel"] = several.sum(dim=1).mean()
    return terms
