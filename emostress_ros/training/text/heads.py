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
from emostress_ros.training.text.data import length_buckets
from emostress_ros.training.text.encoder import Bert
from emostress_ros.training.text.export import Linear

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
) -> HeadNet:
    """Train the heads that the given sets can teach.

    Args:
        embeddings: set to (N, D).
        targets: set to (N, K) label indicators.
        options: settings.
        watch: called after every epoch with its number from 1, its mean loss and the network.
    """
    generator = seed_everything(options.seed)
    names = tuple(n for n, sources in LEARNT_FROM.items() if set(sources) & set(embeddings))
    net = HeadNet(next(iter(embeddings.values())).shape[1], names, options)
    optimiser = torch.optim.AdamW(
        net.parameters(), options.learning_rate, weight_decay=options.weight_decay
    )
    plan = _plan(embeddings, options, generator)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, options.learning_rate * 2, total_steps=len(plan), pct_start=0.1
    )
    losses, each = [], len(plan) // options.epochs
    for step, (name, index) in enumerate(plan, 1):
        net.train()
        outputs = net(torch.from_numpy(embeddings[name][index]))
        loss = _loss(outputs, name, torch.from_numpy(targets[name][index].astype(np.float32)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if watch and step % each == 0:
            watch(step // each, float(np.mean(losses[-each:])), net)
    return net.eval()


def head_logits(
    net: HeadNet, embedding: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the logits of every head for (N, D) embeddings."""
    with torch.inference_mode():
        return {n: value.numpy() for n, value in net(torch.from_numpy(embedding)).items()}


def pooled(
    bert: Bert, sequences: list[list[int]], batch: int = 32, halved: bool = False
) -> npt.NDArray[np.float32]:
    """(N, D) sentence embeddings of an encoder in torch."""
    rows = np.zeros((len(sequences), bert.shape.width), np.float32)
    # bfloat16 halves the time where the processor knows it; embeddings move by less than 1 %.
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=halved):
        for index in length_buckets(np.array([len(ids) for ids in sequences]), batch):
            ids, mask = (torch.from_numpy(part) for part in pad([sequences[i] for i in index]))
            rows[index] = bert(ids, mask).float().numpy()
    return rows


def as_linear(layer: nn.Module) -> Linear:
    """Read a torch layer for the export."""
    return Linear(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())


def _plan(
    embeddings: dict[str, npt.NDArray[np.float32]],
    options: HeadOptions,
    generator: np.random.Generator,
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """All batches of all epochs, each of one set, mixed within the epoch."""
    plan: list[tuple[str, npt.NDArray[np.int64]]] = []
    for _ in range(options.epochs):
        epoch = []
        for name, rows in embeddings.items():
            order = generator.permutation(len(rows))
            epoch += [
                (name, order[i : i + options.batch]) for i in range(0, len(order), options.batch)
            ]
        plan += [epoch[i] for i in generator.permutation(len(epoch))]
    return plan


def _loss(outputs: dict[str, torch.Tensor], name: str, targets: torch.Tensor) -> torch.Tensor:
    if name == "dreaddit":
        stress: torch.Tensor = nn.functional.binary_cross_entropy_with_logits(
            outputs["stress"][:, 0], targets[:, 1]
        )
        return stress
    shares = targets / targets.sum(dim=1, keepdim=True)
    loss = nn.functional.cross_entropy(outputs[name], shares)
    loss = loss + nn.functional.cross_entropy(outputs["general"], shares)
    if name == "goemotions":
        loss = (
            loss
            + nn.functional.binary_cross_entropy_with_logits(
                outputs["multilabel"], targets, reduction="none"
            )
            .sum(dim=1)
            .mean()
        )
    return loss
