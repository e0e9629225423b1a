"""The card of the trained voice model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.inference.packaged import sha256_of
from emostress_ros.metrics import Score
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.voice_fit import FitOptions
from emostress_ros.training.voice_net import BANDS, EMBEDDING
from emostress_ros.training.voice_pretrained import SOURCE

NAME, VERSION = "voice_speech", "2.0.0"
LABEL_MAP = {"calm": "neutral", "fearful": "scared", "disgust": "disgusted"}
_COMMAND = "emostress train voice --data ../shared/data/voice"
_SPLITS = {
    "all": ("RAVDESS", "five folds by actor, 01-20; the voice was never heard"),
    "tess, other speaker": ("TESS", "learned from RAVDESS and one speaker, scored on the other"),
}


def write_card(
    folder: Path,
    scores: Mapping[str, Score],
    temperature: float,
    options: FitOptions,
    parity: float,
) -> None:
    """Write ``folder/model.yaml`` beside ``folder/model.onnx``."""
    chance = 1.0 / len(ravdess.LABELS)
    card: dict[str, Any] = {
        "name": NAME,
        "version": VERSION,
        "modality": "voice",
        "task": ["emotion"],
        "file": "model.onnx",
        "sha256": sha256_of(folder / "model.onnx"),
        "labels": list(ravdess.LABELS),
        "label_map": LABEL_MAP,
        "embedding_dim": EMBEDDING,
        "inputs": _inputs(),
        "outputs": _outputs(),
        "calibration": {
            "method": "temperature",
            "temperature": round(temperature, 4),
            "fitted_on": "held-out actors of the five folds; the ECE of the figures comes from "
            "a temperature fitted on the other folds",
        },
        "reliability": {
            "emotion": round((scores["all"].uar - chance) / (1.0 - chance), 4),
            "stress": None,
        },
        "threshold_unknown": 0.35,
        "licence": "CC-BY-NC-SA-4.0 (all weights were learned from non-commercial recordings); "
        "stem and blocks derive from Moonshine tiny-en, MIT, copyright Moonshine AI, whose notice "
        "is LICENSE.moonshine",
        "data": _data(),
        "training": {
            "command": _COMMAND,
            "seed": options.seed,
            "split": "the shipped weights learn from all of actors 01-20 and both speakers of "
            "TESS; the figures come from networks trained in the same way without the people "
            "they are scored on",
            "procedure": f"{options.head_epochs} epochs of the head on the start weights' "
            f"statistics, then {options.tuning_epochs} epochs of all weights "
            f"({options.encoder_rate:g} for stem and blocks, {options.tuning_head_rate:g} for the "
            "head)",
            "tried": "the head alone, stem and blocks as they start: UAR 0.763 without and 0.766 "
            "with log-mel and prosody, version 1.0.0 being the former",
            "onnx_parity": float(f"{parity:.1e}"),
        },
        "figures": [_figure(name, score) for name, score in scores.items()],
        "limits": _limits(),
    }
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=96)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def _inputs() -> list[dict[str, Any]]:
    inputs = {
        "waveform": (["N", "S"], "mono at 16 kHz, one stretch of speech of 0.3 to 30 s with 0.1 s "
                     "around it; mean and level are normalised inside the model"),
        "log_mel": (["N", "T", BANDS], "log-mel spectrogram of the same stretch in dB: 32 ms "
                    "frames every 10 ms, 50 Hz to 8 kHz; less its mean, then pooled inside"),
        "prosody": (["N", "P", len(PROSODY_COLUMNS)], "of the same stretch every 10 ms: F0 in Hz "
                    "(0 where unvoiced), periodicity, level in dBFS; pooled inside the model"),
    }  # fmt: skip
    return [
        {"name": name, "dtype": "float32", "shape": shape, "preprocessing": text}
        for name, (shape, text) in inputs.items()
    ]


def _outputs() -> list[dict[str, Any]]:
    return [
        {"name": "embedding", "dtype": "float32", "shape": ["N", EMBEDDING],
         "meaning": "hidden units of the four heads"},
        {"name": "probabilities", "dtype": "float32", "shape": ["N", len(ravdess.LABELS)],
         "meaning": "calibrated probability of each label"},
        {"name": "valence", "dtype": "float32", "shape": ["N"],
         "meaning": "expectation over the circumplex, [-1, 1]"},
        {"name": "arousal", "dtype": "float32", "shape": ["N"],
         "meaning": "expectation over the circumplex, [-1, 1]"},
    ]  # fmt: skip


def _data() -> list[dict[str, Any]]:
    return [
        {"name": "RAVDESS speech, actors 01-20", "licence": "CC BY-NC-SA 4.0", "persons": 20,
         "use": "training and person-disjoint validation"},
        {"name": "TESS, every fourth clip", "licence": "CC BY-NC-ND 4.0", "persons": 2,
         "use": "training"},
        {"name": f"Moonshine tiny-en encoder ({SOURCE['distribution']} 0.0.73)", "licence": "MIT",
         "persons": None,
         "use": "start weights of stem and blocks; all layers were then trained here"},
    ]  # fmt: skip


def _figure(name: str, score: Score) -> dict[str, Any]:
    dataset, split = _SPLITS.get(name, ("RAVDESS", f"five folds by actor, {name}"))
    command = f"{_COMMAND} --cv"
    if dataset == "TESS":
        command += " --tess"
    metrics = {key: round(float(getattr(score, key)), 4)
               for key in ("accuracy", "uar", "macro_f1", "ece")}  # fmt: skip
    interval = score.extra.get("ci95", {}).get("uar", (float("nan"),) * 2)
    return {
        "dataset": dataset,
        "split": split,
        "n": score.n,
        "persons": score.extra.get("persons"),
        "metrics": metrics,
        "ci95": {"uar": [round(float(bound), 4) for bound in interval]},
        "command": command,
    }


def _limits() -> list[str]:
    return [
        "acted emotion by North American actors who say a few fixed sentences; spontaneous "
        "speech, other languages and children were not tried",
        "RAVDESS actors 01-20 and TESS are training data: scoring the shipped weights on them "
        "flatters the model; the figures above do not",
        "both speakers of TESS are women; a voice of TESS that was not learned from is recognised "
        "less well than one of RAVDESS",
        "no recording here carries labels of stress: stress is not estimated",
        "men are recognised less well than women, and normal intensity less well than strong: "
        "see the figures by sex and intensity",
        "the level is normalised: how loud somebody speaks is not used",
    ]
