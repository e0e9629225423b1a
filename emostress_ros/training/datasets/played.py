"""Actors seen and heard at once: CREMA-D, RAVDESS and MELD, audio-visual.

Cao et al., "CREMA-D", IEEE Trans. Affective Computing 5 (2014); Livingstone and Russo, "RAVDESS",
PLoS ONE 13 (2018); Poria et al., "MELD", ACL 2019.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets import crema_d as crema_d_audio
from emostress_ros.training.datasets import meld as meld_text
from emostress_ros.training.datasets.labelled_text import EKMAN_TO_WIRE
from emostress_ros.training.datasets.multimodal import Moment, folder_of, some, table
from emostress_ros.training.datasets.ravdess import LABELS as RAVDESS_LABELS

WIRE = {
    "calm": "neutral", "fearful": "scared", "disgust": "disgusted", "fear": "scared",
    "surprise": "surprised",
}  # fmt: skip
"""Names of the sets to labels on the wire, where they differ."""
CREMA_SENTENCES = {
    "IEO": "It's eleven o'clock", "TIE": "That is exactly what happened",
    "IOM": "I'm on my way to the meeting", "IWW": "I wonder what this is about",
    "TAI": "The airplane is almost full", "MTI": "Maybe tomorrow it will be cold",
    "IWL": "I would like a new alarm clock", "ITH": "I think I have a doctor's appointment",
    "DFA": "Don't forget a jacket", "ITS": "I think I've seen this before",
    "TSI": "The surface is slick", "WSI": "We'll stop in a couple of minutes",
}  # fmt: skip
RAVDESS_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
_VIDEOS = (".flv", ".mp4", ".avi", ".mkv")
_RAVDESS = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_FULL, _SPEECH = "01", "01"
_MELD_FOLDERS = {
    "train": ("train_splits", "train"),
    "dev": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}


def crema_d(path: Path | str) -> list[Moment]:
    """Read CREMA-D: ``AudioWAV/1001_DFA_ANG_XX.wav`` with ``VideoFlash/1001_DFA_ANG_XX.flv``.

    A clip without its video keeps its voice alone.  The sentences are the same under every
    emotion: the text carries none.

    Raises:
        DatasetError: nothing there, or not the official layout.
    """
    folder = folder_of(path, "CREMA-D")
    videos = {file.stem: file for file in folder.rglob("*") if file.suffix.lower() in _VIDEOS}
    return [
        Moment(
            "crema_d", clip.person, WIRE.get(clip.label, clip.label), audio=clip.path,
            video=videos.get(clip.path.stem), text=CREMA_SENTENCES.get(clip.text, ""),
        )
        for clip in crema_d_audio.load(folder)
    ]  # fmt: skip


def ravdess(path: Path | str) -> list[Moment]:
    """Read RAVDESS with picture: ``Actor_NN/01-01-EE-II-SS-RR-AA.mp4`` (audio-visual speech).

    Raises:
        DatasetError: nothing there, or a name that is not in the official form.
    """
    folder = folder_of(path, "RAVDESS")
    found = (_ravdess(file) for file in sorted(folder.rglob("*.mp4")))
    expected = "Actor_NN/01-01-EE-II-SS-RR-AA.mp4, as in Video_Speech_Actor_NN.zip"
    return some((moment for moment in found if moment), "RAVDESS", folder, expected)


def _ravdess(file: Path) -> Moment | None:
    match = _RAVDESS.fullmatch(file.stem)
    if match is None:
        raise DatasetError(f"RAVDESS: {file} is not named 01-01-EE-II-SS-RR-AA")
    modality, channel, emotion, _, sentence, _, actor = match.groups()
    if (modality, channel) != (_FULL, _SPEECH):
        return None
    if not 1 <= int(emotion) <= len(RAVDESS_LABELS):
        raise DatasetError(f"RAVDESS: {file} has emotion {emotion}; allowed are 01 to 08")
    label = RAVDESS_LABELS[int(emotion) - 1]
    return Moment(
        "ravdess", f"ravdess-{actor}", WIRE.get(label, label), video=file, audio=file,
        text=RAVDESS_SENTENCES.get(sentence, ""),
    )  # fmt: skip


def meld(path: Path | str) -> list[Moment]:
    """Read MELD with picture: ``<split>_sent_emo.csv`` and ``<folder>/diaD_uttU.mp4``.

    Utterances whose video is missing (a few of the official ones are broken) keep their text.

    Raises:
        DatasetError: no split file, or one without the official columns.
    """
    folder = folder_of(path, "MELD")
    found = (moment for split in _MELD_FOLDERS for moment in _meld(folder, split))
    return some(found, "MELD", folder, "train_sent_emo.csv and train_splits/dia0_utt0.mp4")


def _meld(folder: Path, split: str) -> Iterator[Moment]:
    file = next(iter(sorted(folder.rglob(meld_text.SPLITS[split]))), None)
    if file is None:
        return
    columns = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")
    videos = {
        video.stem: video
        for name in _MELD_FOLDERS[split]
        for video in folder.rglob(f"{name}/dia*_utt*.mp4")
    }
    for row in table(file, "MELD", columns):
        emotion = row["Emotion"].strip().lower()
        if emotion not in EKMAN_TO_WIRE:
            continue
        video = videos.get(f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}")
        yield Moment(
            "meld", f"meld-{row['Speaker'].strip().lower()}", EKMAN_TO_WIRE[emotion],
            video=video, audio=video, text=row["Utterance"].strip(), split=split,
        )  # fmt: skip
