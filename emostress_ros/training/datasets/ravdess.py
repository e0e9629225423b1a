"""RAVDESS speech: 24 actors, two sentences, eight emotions, two intensities.

Source: Livingstone and Russo, "The Ryerson Audio-Visual Database of Emotional Speech and Song",
PLoS ONE 13 (2018), CC BY-NC-SA 4.0.  A file name holds seven two-digit codes:
modality-channel-emotion-intensity-statement-repetition-actor.
"""

from __future__ import annotations

import re
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.speech_clips import SpeechClip, number_range, sound_files

LABELS: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)
"""Emotions in the order of their codes 01 to 08."""

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_AUDIO_ONLY, _SPEECH = "03", "01"
_EXPECTED = "Actor_NN/03-01-EE-II-SS-RR-AA.wav (or .flac), as in Audio_Speech_Actors_01-24.zip"


def load(folder: Path, split: str | None = None) -> list[SpeechClip]:
    """Return the speech clips of RAVDESS under ``folder``; song and video files are left out.

    Args:
        folder: holds the ``Actor_NN`` folders, at any depth.
        split: ``21-24`` or ``3`` takes these actors alone; None takes all.

    Raises:
        DatasetError: nothing there, or a name or split that is not in the official form.
    """
    wanted = number_range(split, "RAVDESS", "21-24")
    clips = [clip for path in sound_files(folder, "RAVDESS") if (clip := _clip(path))]
    kept = [clip for clip in clips if wanted is None or int(clip.person[-2:]) in wanted]
    if not kept:
        which = f" of actors {split}" if split else ""
        raise DatasetError(f"RAVDESS: no speech clip{which} in {folder}; expected {_EXPECTED}")
    return kept


def _clip(path: Path) -> SpeechClip | None:
    match = _NAME.fullmatch(path.stem)
    if match is None:
        if path.parent.name.startswith("Actor_"):
            raise DatasetError(f"RAVDESS: {path} is not named as expected: {_EXPECTED}")
        return None
    modality, channel, emotion, intensity, statement, _, actor = match.groups()
    if (modality, channel) != (_AUDIO_ONLY, _SPEECH):
        return None
    if not 1 <= int(emotion) <= len(LABELS) or intensity not in ("01", "02"):
        raise DatasetError(
            f"RAVDESS: {path} has emotion {emotion} and intensity {intensity}; "
            f"allowed are 01 to {len(LABELS):02d} and 01 to 02"
        )
    return SpeechClip(
        path=path,
        label=LABELS[int(emotion) - 1],
        person=f"ravdess-{actor}",
        intensity="normal" if intensity == "01" else "strong",
        sex="male" if int(actor) % 2 else "female",
        text=statement,
    )
