"""Trainings that several processes share: what ``test_several_processes.py`` has torchrun run.

``python -m torch.distributed.run --nproc-per-node 2 shared_trainings.py FOLDER CASE...``
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
from test_fusion_training import WIDTHS, table
from test_text_training import TINY, _toy
from test_trainer import Toy, net_of
from test_voice import lessons
from test_voice_nets import bank

from emostress_ros.training.common import seed_everything
from emostress_ros.training.datasets.labelled_text import Row, assemble
from emostress_ros.training.fusion import fit as fusion
from emostress_ros.training.fusion.pairs import Pairs, joined_text, layout_of
from emostress_ros.training.keep import Keep
from emostress_ros.training.logs import CsvLog
from emostress_ros.training.physiology import net_fit as physiology
from emostress_ros.training.physiology.raw import WIDTH
from emostress_ros.training.task import Loss, TrainerOptions
from emostress_ros.training.text import finetune as text
from emostress_ros.training.text.data import Corpora
from emostress_ros.training.text.encoder import Bert
from emostress_ros.training.text.heads import HeadOptions, train_heads
from emostress_ros.training.together import together
from emostress_ros.training.trainer import Trainer
from emostress_ros.training.voice import fit as voice
from emostress_ros.training.voice import nets_fit as voices
from emostress_ros.training.voice.net import VoiceNet
from emostress_ros.training.voice.nets import architecture

Done = tuple[list[float], torch.nn.Module]
"""The course of the loss, and the network."""


def toy(folder: Path, task: Toy | None = None) -> Done:
    """Noise, dropout, batch statistics, an average, early stopping, a checkpoint."""
    rng = seed_everything(3)
    options = TrainerOptions(epochs=6, rate=0.05, clip_norm=1.0, ema=0.9, patience=9)
    trainer = Trainer(net_of(rng), task or Toy(), options, rng, keep=Keep(folder, resume=True))
    return [row["training_loss"] for row in trainer.epochs()], trainer.averaged


def odd_corpora() -> tuple[Corpora, dict[str, list[list[int]]]]:
    """Two sets, whose last batches are of odd sizes and of one text."""
    go, tokens = _toy("goemotions", 7, 90)
    go, tokens = go.take(np.arange(96) < 39), tokens[:39]
    rows = [Row("", (int(row.argmax()),), "", "train") for row in go.targets]
    stress, posts = _toy("dreaddit", 2, 90)
    original = assemble("o", [str(i) for i in range(28)], rows, {})
    stress = stress.take(np.arange(96) < 25)
    corpora = Corpora({"original": original, "goemotions": go, "dreaddit": stress}, {})
    return corpora, {"goemotions": tokens, "dreaddit": posts[:25]}


def finetuned(folder: Path) -> Done:
    """Text: batches of 8 and of 7, and of 1, over heads of which each batch teaches some."""
    corpora, tokens = odd_corpora()
    options = text.FinetuneOptions(
        epochs=2, batch=8, long_batch=8, frozen_layers=1, bfloat16=False, learning_rate=1e-3
    )
    rng = seed_everything(0)
    net = text.TextNet(Bert(replace(TINY), dropout=0.0))
    net.dropout.p = 0.0
    text.train(net, corpora, tokens, folder, options, rng)
    return text.read_log(folder)["training_loss"], net


def heads(folder: Path) -> Done:
    """Text: heads over embeddings, one cycle of the rate."""
    del folder
    rng = np.random.default_rng(3)
    sets = {"goemotions": 7, "dreaddit": 2}
    rows = {name: rng.normal(size=(49, 16)).astype(np.float32) for name in sets}
    targets = {n: np.eye(k, dtype=bool)[rows[n][:, :k].argmax(1)] for n, k in sets.items()}
    losses: list[float] = []
    options = HeadOptions(hidden=8, epochs=3, batch=16, dropout=0.0)
    return losses, train_heads(rows, targets, options, lambda _, loss, net: losses.append(loss))


def wearable(folder: Path) -> Done:
    """Physiology: raw windows with nothing changed of them."""
    rng = np.random.default_rng(0)
    stress = np.arange(45) % 3 == 0
    frames = rng.normal(size=(45, 40, WIDTH)).astype(np.float32) + stress[:, None, None]
    windows = physiology.RawWindows(
        frames, stress.astype(np.int64), tuple(f"p{i % 5}" for i in range(45))
    )
    options = physiology.NetOptions(epochs=3, batch=14, jitter=0.0, scaling=0.0, hidden=0.0)
    physiology.NETS["still"] = _Still
    fitted = physiology.fit_net("still", windows, windows, options, folder)
    return fitted.curves["training_loss"], fitted.net


class _Still(physiology.NETS["lstm"]):  # type: ignore[misc,name-defined]
    """The LSTM without dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.head[0].p = 0.0


def shipped_voice(folder: Path) -> Done:
    """Voice: the head alone, then everything, on variants that are the same."""
    del folder
    known = lessons(np.tile(np.arange(8), 5))
    known.start[1] = known.start[0]
    options = voice.FitOptions(
        head_epochs=2, head_batch=9, tuning_epochs=1, tuning_batch=6, mixup=0.0
    )
    torch.manual_seed(0)
    *_, (_, net) = rows = list(voice.fit(VoiceNet(8), known, options))
    return [loss for loss, _ in rows], net


def other_voice(folder: Path) -> Done:
    """Voice: a network by name, which hears masked and mixed frames."""
    trainer = voices.trainer_of(
        architecture("cnn1d"), bank(), np.arange(40), 4, voices.NetOptions(batch=8, share=0.2),
        held=np.arange(40, 48), keep=Keep(folder),
    )  # fmt: skip
    return [row["training_loss"] for row in trainer.epochs()], trainer.averaged


def fused(folder: Path) -> Done:
    """Fusion: moments that each process draws."""
    joined = joined_text({name: table(name) for name in WIDTHS})
    pairs = Pairs(joined, layout_of(joined))
    log = CsvLog(folder / "training.csv")
    net = fusion.fit("attention", pairs, fusion.FitOptions(steps=60, batch=64, log_every=10), log)
    return log.read()["training_loss"], net


class Poisoned(Toy):
    """A loss that is no number in the second process alone."""

    def loss(self, net: Any, batch: Any, step: Any) -> Loss:
        found = super().loss(net, batch, step)
        bad = torch.distributed.is_initialized() and torch.distributed.get_rank() == 1
        return replace(found, terms={"sum": found.total * float("nan")}) if bad else found


def poisoned(folder: Path) -> Done:
    """What comes of a loss that is no number."""
    return toy(folder, Poisoned())


CASES: dict[str, Callable[[Path], Done]] = {
    case.__name__: case
    for case in (toy, finetuned, heads, wearable, shipped_voice, other_voice, fused, poisoned)
}


def lead(folder: Path, names: list[str]) -> int:
    """Run every case with all processes, then alone, and keep what came out."""
    torch.set_num_threads(1)
    for name in names:
        shared = CASES[name](folder / name / "shared")
        count = os.environ.pop("WORLD_SIZE")
        alone = CASES[name](folder / name / "alone")
        os.environ["WORLD_SIZE"] = count
        kept = [(losses, net.state_dict()) for losses, net in (shared, alone)]
        torch.save(kept, folder / f"{name}.pt")
    return 0


if __name__ == "__main__":
    sys.exit(together(lambda: lead(Path(sys.argv[1]), sys.argv[2:])))
