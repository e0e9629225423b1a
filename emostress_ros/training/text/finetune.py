"""Fine-tuning of MiniLM on GoEmotions, MELD and Dreaddit at once, one head for each question."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from emostress_ros.modalities.text.tokenizer import pad
from emostress_ros.training.checkpoint import load_checkpoint as read_checkpoint
from emostress_ros.training.common import CsvLog, parameter_groups, seed_everything
from emostress_ros.training.devices import device_of
from emostress_ros.training.keep import Keep
from emostress_ros.training.task import Loss, Step, Task, TrainerOptions
from emostress_ros.training.text.data import Corpora, length_buckets
from emostress_ros.training.text.encoder import Bert
from emostress_ros.training.trainer import Trainer

logger = logging.getLogger(__name__)

HEADS: dict[str, int] = {
    "original": 28,
    "multilabel": 7,
    "goemotions": 7,
    "meld": 7,
    "general": 7,
    "stress": 1,
}
"""Outputs of each head. ``original`` only helps the encoder while training."""


_TAUGHT_BY = {
    "original": ("goemotions",),
    "multilabel": ("goemotions",),
    "goemotions": ("goemotions",),
    "meld": ("meld",),
    "general": ("goemotions", "meld"),
    "stress": ("dreaddit",),
}


def heads_taught(sets: tuple[str, ...]) -> tuple[str, ...]:
    """Return the heads that these training sets say anything about."""
    return tuple(name for name in HEADS if set(_TAUGHT_BY[name]) & set(sets))


@dataclass(frozen=True)
class FinetuneOptions:
    """Settings of one fine-tuning run.

    ``max_minutes`` bounds the time: the learning rate then reaches zero when the time is up.
    """

    epochs: int = 3
    batch: int = 64
    long_batch: int = 24
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-3
    weight_decay: float = 0.01
    warmup: float = 0.06
    frozen_layers: int = 2
    max_minutes: float = 600.0
    max_tokens: int = 128
    clip_norm: float = 1.0
    seed: int = 0
    bfloat16: bool = True


class TextNet(nn.Module):
    """A BERT and linear heads on its mean-pooled embedding."""

    def __init__(self, encoder: Bert) -> None:
        super().__init__()
        self.encoder = encoder
        self.dropout = nn.Dropout(0.1)
        width = encoder.shape.width
        self.heads = nn.ModuleDict({name: nn.Linear(width, size) for name, size in HEADS.items()})

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Map (N, T) ids and mask to the logits of every head and the (N, D) ``embedding``."""
        embedding = self.encoder(ids, mask)
        dropped = self.dropout(embedding)
        outputs = {name: head(dropped) for name, head in self.heads.items()}
        outputs["embedding"] = embedding
        return outputs


Tokens = dict[str, list[list[int]]]


def finetune(
    encoder: Bert, corpora: Corpora, tokens: Tokens, out: Path, options: FinetuneOptions,
    *, resume: bool = False,
) -> TextNet:  # fmt: skip
    """Train from a pretrained encoder; see :func:`train`.

    Args:
        encoder: the pretrained encoder, which is changed.
        corpora: training parts, with ``original`` and ``goemotions`` in the same order.
        tokens: token ids of every training text, by set.
        out: folder of the checkpoint.
        options: settings.
        resume: go on after the last whole epoch of the checkpoint in ``out``.
    """
    generator = seed_everything(options.seed)
    return train(TextNet(encoder), corpora, tokens, out, options, generator, resume=resume)


def train(
    net: TextNet,
    corpora: Corpora,
    tokens: Tokens,
    out: Path,
    options: FinetuneOptions,
    generator: np.random.Generator,
    *,
    resume: bool = False,
) -> TextNet:
    """Train a network on, from the weights that it has; write ``net.pt`` and ``log.csv``."""
    if options.frozen_layers:
        net.encoder.freeze(options.frozen_layers)
    wanted = TrainerOptions(
        epochs=options.epochs, schedule="linear", warmup=options.warmup,
        clip_norm=options.clip_norm, minutes=options.max_minutes, log_every=50, seed=options.seed,
        precision="bfloat16" if options.bfloat16 else "float32",
    )  # fmt: skip
    # The optimiser's state is twice the size of the weights, and only to go on with.
    keep = Keep(out, resume=resume, recipe=asdict(options), file="net.pt", last=False)
    task = _Questions(corpora, tokens, options)
    Trainer(net, task, wanted, generator, keep=keep, say=logger.info, title="fine-tuning").run()
    return net


def read_log(run: Path) -> dict[str, list[float]]:
    """Return a run's losses over its epochs, as columns ``epoch`` and ``training_loss``."""
    held = CsvLog(run / "log.csv", resume=True).read()
    return {name: held[name] for name in ("epoch", "training_loss") if held}


def steps_and_seconds(run: Path) -> tuple[int, float]:
    """Return how many steps a run took, and how long, by its log; 0 where there is none."""
    held = CsvLog(run / "log.csv", resume=True).read()
    return (int(held["step"][-1]), sum(held["seconds"])) if held else (0, 0.0)


def predict(
    net: TextNet, sequences: list[list[int]], batch: int = 64
) -> dict[str, npt.NDArray[np.float32]]:
    """Return every head's logits and the embeddings of tokenised texts, in their order."""
    lengths = np.array([len(sequence) for sequence in sequences])
    rows: dict[str, list[npt.NDArray[np.float32]]] = {}
    order: list[npt.NDArray[np.int64]] = []
    device = device_of(net)
    with torch.inference_mode():
        for index in length_buckets(lengths, batch):
            ids, mask = pad([sequences[i] for i in index])
            outputs = net(torch.from_numpy(ids).to(device), torch.from_numpy(mask).to(device))
            order.append(index)
            for name, value in outputs.items():
                rows.setdefault(name, []).append(value.float().cpu().numpy())
    back = np.argsort(np.concatenate(order))
    return {name: np.concatenate(parts)[back] for name, parts in rows.items()}


def _plan(
    corpora: Corpora, tokens: Tokens, options: FinetuneOptions, generator: np.random.Generator
) -> list[tuple[str, npt.NDArray[np.int64]]]:
    """Lay out one epoch: batches of every set, each of one set, in random order."""
    plan = []
    for name in corpora.train:
        if name == "original":
            continue
        lengths = np.array([len(sequence) for sequence in tokens[name]])
        size = options.long_batch if name == "dreaddit" else options.batch
        plan += [(name, index) for index in length_buckets(lengths, size, generator)]
    return [plan[i] for i in generator.permutation(len(plan))]


class _Questions(Task):
    """What each set's labels say, one question a head."""

    every_weight = False

    def __init__(self, corpora: Corpora, tokens: Tokens, options: FinetuneOptions) -> None:
        self.corpora, self.tokens, self.options = corpora, tokens, options

    def batches(
        self, epoch: int, rng: np.random.Generator
    ) -> list[tuple[str, npt.NDArray[np.int64]]]:
        """Return batches of every set, each of one set, in random order."""
        return _plan(self.corpora, self.tokens, self.options, rng)

    def loss(self, net: nn.Module, batch: tuple[str, npt.NDArray[np.int64]], step: Step) -> Loss:
        """Return the losses of the heads that a set's labels speak about."""
        name, index = batch
        ids, mask = (torch.from_numpy(part) for part in pad([self.tokens[name][i] for i in index]))
        with step.autocast():
            outputs = net(ids.to(step.device), mask.to(step.device))
        outputs = {key: value.float() for key, value in outputs.items()}
        return Loss(_terms(outputs, self.corpora, name, index))

    def optimiser(self, net: Any, options: TrainerOptions) -> torch.optim.Optimizer:
        """Return AdamW with a higher rate for the fresh heads, no decay of norms and biases."""
        own = self.options
        rates = (net.encoder, own.learning_rate), (net.heads, own.head_learning_rate)
        return torch.optim.AdamW(
            [
                group | {"lr": rate}
                for module, rate in rates
                for group in parameter_groups(module, own.weight_decay)
            ],
            fused=True,
        )


def _terms(
    outputs: dict[str, torch.Tensor], corpora: Corpora, name: str, index: npt.NDArray[np.int64]
) -> dict[str, torch.Tensor]:
    """Return the loss of each head that this set's labels speak about."""
    device = outputs["embedding"].device
    targets = torch.from_numpy(corpora.train[name].targets[index].astype(np.float32)).to(device)
    if name == "dreaddit":
        return {
            "stress": nn.functional.binary_cross_entropy_with_logits(
                outputs["stress"][:, 0], targets[:, 1]
            )
        }
    shares = targets / targets.sum(dim=1, keepdim=True)
    terms = {
        name: nn.functional.cross_entropy(outputs[name], shares),
        "general": 0.5 * nn.functional.cross_entropy(outputs["general"], shares),
    }
    if name == "goemotions":
        original = corpora.train["original"].targets[index].astype(np.float32)
        for head, wanted in (("multilabel", targets), ("original", torch.from_numpy(original))):
            bce = nn.functional.binary_cross_entropy_with_logits(
                outputs[head], wanted.to(device), reduction="none"
            )
            terms[head] = 0.5 * bce.sum(dim=1).mean()
    return terms


def load_checkpoint(encoder: Bert, run: Path) -> TextNet:
    """Rebuild the network of a finished run.

    Args:
        encoder: an encoder of the same shape, whose weights are replaced.
        run: folder with ``net.pt``.
    """
    net = TextNet(encoder)
    net.load_state_dict(read_checkpoint(run / "net.pt")["net"])
    return net.eval()
