"""The card of the trained voice model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from emostress_ros.errors import ModelError
from emostress_ros.inference.packaged import sha256_of
from emostress_ros.metrics import Score
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS
from emostress_ros.training.calibrate import threshold_of
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.voice.export import INPUTS
from emostress_ros.training.voice.fit import FitOptions
from emostress_ros.training.voice.net import BANDS, EMBEDDING
from emostress_ros.training.voice.pretrained import SOURCE

NAME, VERSION = "voice_speech", "2.0.0"
LABEL_MAP = {"calm": "neutral", "fearful": "scared", "disgust": "disgusted"}
# Of one stretch: 0.25 s, 3.5 s and 31 s of samples, and of frames every 10 ms.
_SIZES = {"N": (1, 1, 1), "S": (4000, 56000, 500000), "T": (24, 350, 3140), "P": (24, 350, 3140)}
_COMMAND = "emostress train voice --data ../shared/data/voice"
_SCORE = "emostress score voice {0} DATA/voice/{0} --protocol {1}"
_SPLITS = {
    "all": ("RAVDESS", "five folds by actor, 01-20; the voice was never heard", "folds"),
    "tess, other speaker": (
        "TESS",
        "learned from RAVDESS and one speaker, scored on the other",
        "folds",
    ),
    "ravdess, random": (
        "RAVDESS",
        "random: five random fifths in turn; voices are on both sides",
        "random",
    ),
    "tess, random": (
        "TESS",
        "random: five random fifths of every fourth clip; voices are on both sides",
        "random",
    ),
}
_FITTED_ON = (
    "held-out actors of the five folds of RAVDESS; the ECE of the figures by actor comes from a "
    "temperature fitted on the other folds, that of the others from this one"
)
_TRIED_CALIBRATION = (
    "calibration for an unheard speaker of TESS: no temperature brings the ECE under 0.13 (0.137 "
    "at 0.8, 0.143 at 1.0, 0.214 at 1.5), for the mean confidence is about right and single "
    "emotions are wrong with certainty; isotonic regression fitted on RAVDESS and the other "
    "speaker gives 0.056 for YAF and 0.193 for OAF, and 0.05 to 0.07 on RAVDESS; a share of the "
    "uniform distribution mixed in after a temperature gives 0.124 (share 0.05, temperature 0.7: "
    "0.021 on RAVDESS) or 0.048 (0.25 at 0.5: 0.103 on RAVDESS); the mean with a network whose "
    "encoder stays as it starts gives 0.159, that network alone 0.152; so the temperature stays"
)


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
        "axes": {name: list(sizes) for name, sizes in _SIZES.items()},
        "inputs": inputs_of(INPUTS),
        "outputs": outputs_of(EMBEDDING),
        "calibration": {
            "method": "temperature",
            "temperature": round(temperature, 4),
            "fitted_on": _FITTED_ON,
        },
        "reliability": {
            "emotion": round((scores["all"].uar - chance) / (1.0 - chance), 4),
            "stress": None,
        },
        "threshold_unknown": round(threshold_of([scores["all"]]), 3),
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
            f"with log-mel and prosody, version 1.0.0 being the former; {_TRIED_CALIBRATION}",
            "onnx_parity": float(f"{parity:.1e}"),
        },
        "figures": [_figure(name, score) for name, score in scores.items()],
        "limits": _limits(),
    }
    save_card(folder, card)


def update_figures(folder: Path, scores: Mapping[str, Score], temperature: float) -> None:
    """Write new figures into the card that is there; the weights and their calibration stay.

    Args:
        folder: of the model.
        scores: as for :func:`write_card`.
        temperature: found from the same networks as the figures.

    Raises:
        ModelError: the card's temperature is another, so the figures are not of its recipe.
    """
    card = yaml.safe_load((folder / "model.yaml").read_text(encoding="utf-8"))
    calibration = card["calibration"]
    if abs(float(calibration["temperature"]) - temperature) > _TEMPERATURE_SLACK:
        raise ModelError(
            f"{folder}: the card's temperature is {calibration['temperature']}, that of the "
            f"figures {temperature:.4f}: train the model anew"
        )
    calibration["fitted_on"] = _FITTED_ON
    before = str(card["training"]["tried"]).split("; calibration for")[0]
    card["training"]["tried"] = f"{before}; {_TRIED_CALIBRATION}"
    card["figures"] = [_figure(name, score) for name, score in scores.items()]
    card["limits"] = _limits()
    save_card(folder, card)


_TEMPERATURE_SLACK = 0.02


def save_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write ``folder/model.yaml``."""
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=96)
    (folder / "model.yaml").write_text(text, encoding="utf-8")


def inputs_of(names: Sequence[str]) -> list[dict[str, Any]]:
    """Return a card's inputs, those of ``names`` alone."""
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
        if name in names
    ]


def outputs_of(width: int) -> list[dict[str, Any]]:
    """Return a card's outputs; the embedding has ``width`` numbers."""
    return [
        {"name": "embedding", "dtype": "float32", "shape": ["N", width],
         "meaning": "hidden units under the labels"},
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
    own = ("RAVDESS", f"five folds by actor, {name}", "folds")
    dataset, split, protocol = _SPLITS.get(name, own)
    metrics = {key: round(float(getattr(score, key)), 4)
               for key in ("accuracy", "uar", "macro_f1", "ece")}  # fmt: skip
    interval = score.extra.get("ci95", {}).get("uar", (float("nan"),) * 2)
    figure = {
        "dataset": dataset,
        "split": split,
        "n": score.n,
        "persons": score.extra.get("persons"),
        "metrics": metrics,
        "ci95": {"uar": [round(float(bound), 4) for bound in interval]},
        "command": _SCORE.format(dataset.lower(), protocol),
    }
    return figure if name in _SPLITS else {**figure, "part": ["slices", name]}


def _limits() -> list[str]:
    return [
        "acted emotion by North American actors who say a few fixed sentences; spontaneous "
        "speech, other languages and children were not tried",
        "RAVDESS actors 01-20 and TESS are training data: scoring the shipped weights on them "
        "flatters the model; the figures above do not",
        "both speakers of TESS are women; a voice of TESS that was not learned from is recognised "
        "less well than one of RAVDESS, and the stated probability is off by 0.14 on the mean: it "
        "takes every happy clip of OAF for surprise and most sad ones of YAF for neutral, with "
        "certainty, which no temperature mends",
        "a random split flatters by 9 points on RAVDESS and 25 on TESS: only the figures on voices "
        "never heard say what a stranger can expect",
        "TESS weighs a fifth here, that two voices do not outweigh twenty: a head on the same "
        "encoder that learns from all of TESS alone has 1.0 at random and 0.75 on the other "
        "speaker (emostress study voice --models voice_speech_frozen)",
        "no recording here carries labels of stress: stress is not estimated",
        "men are recognised less well than women, and normal intensity less well than strong: "
        "see the figures by sex and intensity",
        "the level is normalised: how loud somebody speaks is not used",
    ]
