"""``emostress train voice --arch NAME``: one network over frames, trained, calibrated, exported.

A part of the set's people is held out: the epoch that serves them best is kept, training stops
where they gain no more, and the temperature is theirs.  Their figure is therefore a validation
figure, and the card says so; ``emostress study voice`` judges all networks without such a choice.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from emostress_ros.errors import DatasetError
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.metrics import Score, confusion_matrix, score_predictions, uar
from emostress_ros.training.common import CsvLog, plot_curves, save_checkpoint
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.datasets.speech_sets import SETS, SpeechSet
from emostress_ros.training.datasets.splits import Split, leave_out
from emostress_ros.training.devices import use
from emostress_ros.training.keep import Keep
from emostress_ros.training.options import add_device, kept, number, share, whole
from emostress_ros.training.voice.card import LABEL_MAP, inputs_of, outputs_of, save_card
from emostress_ros.training.voice.data import Float32Array
from emostress_ros.training.voice.export import DeployedVoiceNet, export
from emostress_ros.training.voice.frames import FrameBank, frame_bank
from emostress_ros.training.voice.nets import ARCHITECTURES, FrameNet, architecture
from emostress_ros.training.voice.nets_fit import (
    NetOptions,
    fit_net,
    is_closed,
    predict_net,
    trainer_of,
)
from emostress_ros.training.voice.train import circumplex_labels, fit_temperature, soften

_INPUTS = ("log_mel", "prosody")
_RECURRENT = ("lstm", "gru", "cnn_bilstm_attention")


@dataclass(frozen=True)
class _Best:
    net: FrameNet
    epoch: int
    rows: Float32Array


def main(argv: Sequence[str]) -> int:
    """Run the command; returns its exit status."""
    torch.set_num_threads(1)
    options = _parser().parse_args(argv)
    use(options.device)
    if options.resume:
        kept(_work(options) / "checkpoint.pt")
    chosen = SETS[options.dataset]
    folder = options.data / options.dataset
    clips = chosen.load(folder if folder.is_dir() else options.data, None)
    missing = set(chosen.labels) - {clip.label for clip in clips}
    if missing:
        raise DatasetError(f"{options.dataset}: no clip says {', '.join(sorted(missing))}")
    names = [chosen.ravdess_of[clip.label] for clip in clips]
    labels = np.array([ravdess.LABELS.index(name) for name in names], dtype=np.int64)
    bank = frame_bank(clips, labels, options.cache, changed=options.variants, seed=options.seed,
                      progress=not options.no_progress)  # fmt: skip
    split = leave_out(bank.persons, _held(bank.persons, options.hold))
    log = CsvLog(options.output / "training.csv", resume=options.resume)
    best = _fit(bank, split, log, options)
    temperature = fit_temperature(labels[split.test], best.rows)
    score = score_predictions(ravdess.LABELS, labels[split.test], soften(best.rows, temperature),
                              split.test_persons)  # fmt: skip
    columns = {"loss": ["training_loss"], "UAR, people held out": ["uar"]}
    plot_curves(log.read(), columns, f"voice: {options.arch}", options.output / "training.png")
    save_checkpoint(options.output / "model.pt", {"net": best.net.state_dict()})
    file = options.output / "model.onnx"
    deployed = DeployedVoiceNet(best.net.eval(), circumplex_labels(), temperature)
    parity = export(deployed, file, _INPUTS, batch="1" if options.arch in _RECURRENT else "N")
    save_card(options.output, _card(options, chosen, best, score, temperature, parity,
                                       len(set(bank.persons))))  # fmt: skip
    print(
        f"wrote {file} ({file.stat().st_size / 1e6:.2f} MB, parity {parity:.1e}): UAR "
        f"{score.uar:.3f}, ECE {score.ece:.3f} on {score.extra['persons']} people held out"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emostress train voice --arch NAME", description=__doc__)
    parser.add_argument("--arch", choices=list(ARCHITECTURES), required=True)
    parser.add_argument("--data", type=Path, required=True, help="folder with the set's folder")
    parser.add_argument("--dataset", choices=list(SETS), default="ravdess")
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/emostress/voice")
    parser.add_argument("--hold", type=share, default=0.2, help="share of the people held out")
    parser.add_argument("--variants", type=whole(), default=4, help="augmented copies of a clip")
    parser.add_argument(
        "--share", type=number(above=0.0), default=1.0, help="part of the usual epochs"
    )
    parser.add_argument(
        "--patience", type=whole(), default=12, help="epochs without a gain; 0: never"
    )
    parser.add_argument("--work", type=Path, help="checkpoint (default: runs/voice_ARCH_SET_sSEED)")
    parser.add_argument("--resume", action="store_true", help="go on after the last checkpoint")
    parser.add_argument("--seed", type=whole(), default=0)
    add_device(parser)
    parser.add_argument("--no-progress", action="store_true")
    return parser


def _held(persons: Sequence[str], share: float) -> list[str]:
    people = sorted(set(persons))
    return people[len(people) - max(1, round(share * len(people))) :]


def _fit(bank: FrameBank, split: Split, log: CsvLog, options: argparse.Namespace) -> _Best:
    """Train until the people held out gain no more; returns what served them best."""
    chosen = architecture(options.arch)
    fitting = NetOptions(share=options.share, seed=options.seed)
    classes = len(ravdess.LABELS)
    if is_closed(chosen):
        ((loss, net),) = fit_net(chosen, bank, split.train, classes, fitting)
        rows, truth = predict_net(net, bank, split.test), bank.labels[split.test]
        found = uar(confusion_matrix(truth, rows.argmax(axis=1), classes))
        log.write({"epoch": 1, "training_loss": loss, "uar": found})
        return _Best(net, 1, rows)
    recipe = {name: getattr(options, name) for name in ("arch", "dataset", "hold", "seed")}
    trainer = trainer_of(
        chosen, bank, split.train, classes, fitting, held=split.test, log=log,
        patience=options.patience, keep=Keep(_work(options), options.resume, recipe),
        title="" if options.no_progress else options.arch,
    )  # fmt: skip
    net = trainer.run()
    assert isinstance(net, FrameNet)
    epoch = trainer.stopping.best_epoch if options.patience else trainer.epoch
    rows = predict_net(net, bank, split.test)
    return _Best(net.cpu(), epoch, rows)


def _work(options: argparse.Namespace) -> Path:
    return options.work or Path("runs") / f"voice_{options.arch}_{options.dataset}_s{options.seed}"


def _card(
    options: argparse.Namespace,
    chosen: SpeechSet,
    best: _Best,
    score: Score,
    temperature: float,
    parity: float,
    people: int,
) -> dict[str, Any]:
    chance = 1.0 / len(ravdess.LABELS)
    command = (f"emostress train voice --arch {options.arch} --dataset {options.dataset} "
               f"--data DATA/voice --seed {options.seed}")  # fmt: skip
    interval = score.extra["ci95"].get("uar")
    return {
        "name": options.output.name,
        "version": "1.0.0",
        "modality": "voice",
        "task": ["emotion"],
        "file": "model.onnx",
        "sha256": sha256_of(options.output / "model.onnx"),
        "labels": list(ravdess.LABELS),
        "label_map": LABEL_MAP,
        "embedding_dim": int(best.net.classify.in_features),
        "inputs": inputs_of(_INPUTS),
        "outputs": outputs_of(int(best.net.classify.in_features)),
        "calibration": {"method": "temperature", "temperature": round(temperature, 4),
                        "fitted_on": "the people held out"},
        "reliability": {"emotion": round(max(0.0, (score.uar - chance) / (1 - chance)), 4),
                        "stress": None},
        "threshold_unknown": 0.35,
        "licence": f"research use: learned from {options.dataset} ({chosen.licence})",
        "data": [{"name": options.dataset, "licence": chosen.licence,
                  "persons": people, "use": "training and validation"}],
        "training": {"command": command, "seed": options.seed, "epochs": best.epoch,
                     "onnx_parity": float(f"{parity:.1e}")},
        "figures": [{
            "dataset": options.dataset,
            "split": "validation: people not learned from, who chose the epoch and the temperature",
            "n": score.n,
            "persons": score.extra["persons"],
            "metrics": {name: round(float(getattr(score, name)), 4)
                        for name in ("accuracy", "uar", "macro_f1", "ece")},
            **({"ci95": {"uar": [round(float(b), 4) for b in interval]}} if interval else {}),
            "command": command,
        }],
        "limits": ["acted emotion of one set; the figure is that of a validation, so it flatters",
                   "no recording here carries labels of stress: stress is not estimated"],
    }  # fmt: skip
