"""Fine-tuning of MiniLM on GoEmotions, MELD and Dreaddit at once, one head for each question."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from emostress_ros.modalities.text.tokenizer import pad
from emostress_ros.training.common import go_on, save_checkpoint, seed_everything
from emostress_ros.training.common import load_checkpoint as read_checkpoint
from emostress_ros.training.text.data import Corpora, length_buckets
from emostress_ros.training.text.encoder import Bert
from emostress_ros.training.text.export import Linear

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
    """Train a network on, from the weights that it has; write ``net.pt`` and ``log.jsonl``."""
    if options.frozen_layers:
        net.encoder.freeze(options.frozen_layers)
    optimiser = _optimiser(net, options)
    plans = [_plan(corpora, tokens, options, generator) for _ in range(options.epochs)]
    first = go_on(out / "net.pt", net, optimiser, asdict(options)) if resume else 0
    total, step = sum(map(len, plans)), sum(map(len, plans[:first]))
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    for epoch, plan in list(enumerate(plans))[first:]:
        running: dict[str, list[float]] = {}
        for name, index in plan:
            spent = (time.monotonic() - started) / (60.0 * options.max_minutes)
            if spent >= 1.0:
                break
            _set_rate(optimiser, max(step / total, spent), options)
            loss = _train_step(net, optimiser, corpora, tokens, name, index, options)
            running.setdefault(name, []).append(loss)
            step += 1
            if step % 50 == 0 or step == total:
                seconds = round(time.monotonic() - started)
                _log(out, {"step": step, "of": total, "epoch": epoch, "seconds": seconds}, running)
        state = {"net": net.state_dict(), "options": asdict(options), "epoch": epoch}
        if epoch + 1 < options.epochs:  # three times the size, and only to go on with
            state["optimiser"] = optimiser.state_dict()
        save_checkpoint(out / "net.pt", state)
    return net.eval()


def _log(out: Path, line: dict[str, Any], running: dict[str, list[float]]) -> None:
    """Append how far the training is, with the losses of the last batches of every set."""
    line["loss"] = {key: round(float(np.mean(v[-60:])), 4) for key, v in running.items()}
    with (out / "log.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line) + "\n")
    logger.info("%s", line)


def read_log(run: Path) -> dict[str, list[float]]:
    """Return a run's losses over its epochs, as columns ``epoch`` and ``training_loss``."""
    file = run / "log.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    held = [json.loads(line) for line in lines]
    if not held:
        return {}
    epochs = 1 + max(line["epoch"] for line in held)
    return {
        "epoch": [epochs * line["step"] / line["of"] for line in held],
        "training_loss": [float(np.mean(list(line["loss"].values()))) for line in held],
    }


def seconds_spent(run: Path) -> float:
    """Return how long a run took, by its log; 0 where there is none."""
    file = run / "log.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
    return float(json.loads(lines[-1])["seconds"]) if lines else 0.0


def predict(
    net: TextNet, sequences: list[list[int]], batch: int = 64
) -> dict[str, npt.NDArray[np.float32]]:
    """Return every head's logits and the embeddings of tokenised texts, in their order."""
    lengths = np.array([len(sequence) for sequence in sequences])
    rows: dict[str, list[npt.NDArray[np.float32]]] = {}
    order: list[npt.NDArray[np.int64]] = []
    with torch.inference_mode():
        for index in length_buckets(lengths, batch):
            ids, mask = pad([sequences[i] for i in index])
            outputs = net(torch.from_numpy(ids), torch.from_numpy(mask))
            order.append(index)
            for name, value in outputs.items():
                rows.setdefault(name, []).append(value.float().numpy())
    back = np.argsort(np.concatenate(order))
    return {name: np.concatenate(parts)[back] for name, parts in rows.items()}


def _optimiser(net: TextNet, options: FinetuneOptions) -> torch.optim.AdamW:
    """AdamW with a higher rate for the fresh heads, and no decay of norms and biases."""
    groups = []
    for module, rate in (
        (net.encoder, options.learning_rate),
        (net.heads, options.head_learning_rate),
    ):
        for decayed in (True, False):
            chosen = [p for p in module.parameters() if p.requires_grad and (p.ndim > 1) == decayed]
            decay = options.weight_decay if decayed else 0.0
            groups.append({"params": chosen, "lr": rate, "peak": rate, "weight_decay": decay})
    return torch.optim.AdamW(groups, fused=True)


def _set_rate(optimiser: torch.optim.AdamW, progress: float, options: FinetuneOptions) -> None:
    """Linear warm-up, then linear decay to zero (Devlin et al. 2019)."""
    factor = min(progress / options.warmup, (1.0 - progress) / (1.0 - options.warmup))
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * max(factor, 0.0)


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


def _train_step(
    net: TextNet,
    optimiser: torch.optim.AdamW,
    corpora: Corpora,
    tokens: Tokens,
    name: str,
    index: npt.NDArray[np.int64],
    options: FinetuneOptions,
) -> float:
    net.train()
    ids, mask = pad([tokens[name][i] for i in index])
    with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
        outputs = net(torch.from_numpy(ids), torch.from_numpy(mask))
    loss = _loss({key: value.float() for key, value in outputs.items()}, corpora, name, index)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), options.clip_norm)
    optimiser.step()
    return float(loss.detach())


def _loss(
    outputs: dict[str, torch.Tensor], corpora: Corpora, name: str, index: npt.NDArray[np.int64]
) -> torch.Tensor:
    """Sum the losses of the heads that this set's labels speak about."""
    targets = torch.from_numpy(corpora.train[name].targets[index].astype(np.float32))
    if name == "dreaddit":
        stress: torch.Tensor = nn.functional.binary_cross_entropy_with_logits(
            outputs["stress"][:, 0], targets[:, 1]
        )
        return stress
    shares = targets / targets.sum(dim=1, keepdim=True)
    loss = nn.functional.cross_entropy(outputs[name], shares)
    loss = loss + 0.5 * nn.functional.cross_entropy(outputs["general"], shares)
    if name == "goemotions":
        original = torch.from_numpy(corpora.train["original"].targets[index].astype(np.float32))
        for head, wanted in (("multilabel", targets), ("original", original)):
            bce = nn.functional.binary_cross_entropy_with_logits(
                outputs[head], wanted, reduction="none"
            )
            loss = loss + 0.5 * bce.sum(dim=1).mean()
    return loss


def load_checkpoint(encoder: Bert, run: Path) -> TextNet:
    """Rebuild the network of a finished run.

    Args:
        encoder: an encoder of the same shape, whose weights are replaced.
        run: folder with ``net.pt``.
    """
    net = TextNet(encoder)
    net.load_state_dict(read_checkpoint(run / "net.pt")["net"])
    return net.eval()


def as_linear(layer: nn.Module) -> Linear:
    """Read a torch layer for the export."""
    return Linear(layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy())
