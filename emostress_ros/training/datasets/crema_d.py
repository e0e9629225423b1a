"""CREMA-D: 91 actors, twelve sentences, six emotions, mostly of an intensity left to the actor.

Source: Cao et al., "CREMA-D: Crowd-Sourced Emotional Multimodal Actors Dataset", IEEE Transactions
on Affective Computing 5 (2014), Open Database License 1.0.  A file name is
``<actor>_<sentence>_<emotion>_<intensity>``; ``VideoDemographics.csv`` names the actors' sex.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.ravdess import LABELS as RAVDESS_LABELS
from emostress_ros.training.datasets.speech_clips import SpeechClip, number_range, sound_files

CODES: dict[str, str] = {
    "ANG": "angry",
    "DIS": "disgust",
    "FEA": "fearful",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
"""The RAVDESS label of each emotion's code."""
LABELS: tuple[str, ...] = tuple(CODES.values())
"""Emotions in the order of their codes."""
INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high", "XX": "", "X": ""}
"""Codes of the intensity; one official file has the code X."""

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})")
_FOLDER, _DEMOGRAPHICS = "AudioWAV", "VideoDemographics.csv"
_EXPECTED = f"{_FOLDER}/1001_DFA_ANG_XX.wav (or .flac), ... and {_DEMOGRAPHICS}"
_COLUMNS = ("ActorID", "Sex")


def load(folder: Path, split: str | None = None) -> list[SpeechClip]:
    """Return the clips of CREMA-D under ``folder``.

    Args:
        folder: holds ``AudioWAV`` and ``VideoDemographics.csv``; may be ``AudioWAV`` itself.
        split: ``1073-1091`` or ``1001`` takes these actors alone; None takes all.

    Raises:
        DatasetError: nothing there, or a name, split or table that is not in the official form.
    """
    wanted = number_range(split, "CREMA-D", "1073-1091")
    paths = sound_files(folder, "CREMA-D")
    sexes = _sexes(folder)
    clips = [clip for path in paths if (clip := _clip(path, sexes)) is not None]
    kept = [clip for clip in clips if wanted is None or int(clip.person[-4:]) in wanted]
    if not kept:
        which = f" of actors {split}" if split else ""
        raise DatasetError(f"CREMA-D: no clip{which} in {folder}; expected {_EXPECTED}")
    return kept


def _clip(path: Path, sexes: dict[str, str]) -> SpeechClip | None:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        if path.parent.name == _FOLDER:
            raise DatasetError(f"CREMA-D: {path} is not named as expected: {_EXPECTED}")
        return None
    actor, sentence, emotion, intensity = match.groups()
    if emotion not in CODES or intensity not in INTENSITIES:
        raise DatasetError(
            f"CREMA-D: {path} has emotion {emotion} and intensity {intensity}; "
            f"allowed are {', '.join(CODES)} and {', '.join(INTENSITIES)}"
        )
    if sexes and actor not in sexes:
        raise DatasetError(f"CREMA-D: {_DEMOGRAPHICS} does not name actor {actor} of {path}")
    return SpeechClip(
        path=path,
        label=CODES[emotion],
        person=f"crema-{actor}",
        intensity=INTENSITIES[intensity],
        sex=sexes.get(actor, ""),
        text=sentence,
    )


def _sexes(folder: Path) -> dict[str, str]:
    """Actor to ``female`` or ``male``; empty where the table is not at hand."""
    for place in (folder / _DEMOGRAPHICS, folder.parent / _DEMOGRAPHICS):
        if place.is_file():
            return _read_sexes(place)
    return {}


def _read_sexes(file: Path) -> dict[str, str]:
    with file.open(newline="", encoding="utf-8-sig") as stream:
        table = csv.DictReader(stream)
        if not set(_COLUMNS) <= set(table.fieldnames or ()):
            raise DatasetError(
                f"CREMA-D: {file} needs the columns {', '.join(_COLUMNS)}; "
                f"got {', '.join(table.fieldnames or ()) or 'none'}"
            )
        found = {row["ActorID"].strip(): (row["Sex"] or "").strip().lower() for row in table}
    odd = {actor: sex for actor, sex in found.items() if sex not in ("female", "male")}
    if odd:
        actor, sex = next(iter(odd.items()))
        raise DatasetError(
            f"CREMA-D: {file}: actor {actor} is '{sex}'; allowed are Female and Male"
        )
    return found


def from_ravdess(probabilities: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return (N, 6) probabilities of CREMA-D's labels from (N, 8) of RAVDESS's.

    CREMA-D has no calm, which counts as neutral, and no surprise: the rest shares what a model
    gives to it.
    """
    columns = [RAVDESS_LABELS.index(label) for label in LABELS]
    folded = probabilities[:, columns].astype(np.float64)
    folded[:, LABELS.index("neutral")] += probabilities[:, RAVDESS_LABELS.index("calm")]
    return np.asarray(folded / folded.sum(axis=1, keepdims=True))
