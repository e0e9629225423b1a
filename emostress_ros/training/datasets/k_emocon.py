"""K-EmoCon: 32 people in debates, with video, voice, an Empatica E4 and rated valence and arousal.

Park et al., "K-EmoCon, a multimodal sensor dataset for continuous emotion recognition in
naturalistic conversations", Scientific Data 7 (2020), on request.  Official layout:
``metadata/subjects.csv`` (``pid``, ``startTime``, ``endTime`` in ms),
``emotion_annotations/self_annotations/P<pid>.self.csv`` (a row every 5 s: ``seconds`` at its end,
``arousal`` and ``valence`` of 1 to 5), ``e4_data/<pid>/E4_<signal>.csv``
(``timestamp`` in ms, ``value``), ``debate_audios/p<a>.p<b>.wav``, ``debate_recordings/p<pid>_*``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.multimodal import Moment, folder_of, number, some, table

STEP_S = 5.0
SIGNALS = {
    "bvp": "E4_BVP.csv", "eda": "E4_EDA.csv", "skin_temperature": "E4_TEMP.csv",
    "acceleration": "E4_ACC.csv", "heart_rate": "E4_HR.csv", "ibi": "E4_IBI.csv",
}  # fmt: skip
_LEAST, _GREATEST = 1.0, 5.0


def load(path: Path | str) -> list[Moment]:
    """Return every rated stretch of 5 s of every participant, rated by themselves.

    ``start_s`` and ``end_s`` count from the begin of the debate, as in the annotations; the
    physiology's stamps are absolute: see :func:`debate_start_ms`.

    Raises:
        DatasetError: no annotation, or one that is not in the official form.
    """
    folder = folder_of(path, "K-EmoCon")
    found = (
        moment
        for file in sorted(folder.rglob("self_annotations/P*.self.csv"), key=_number)
        for moment in _participant(folder, file)
    )
    expected = "emotion_annotations/self_annotations/P1.self.csv, e4_data/1/E4_BVP.csv, ..."
    return some(found, "K-EmoCon", folder, expected)


def debate_start_ms(path: Path | str) -> dict[str, int]:
    """Return participant to the Unix time in ms at which the debate began.

    Raises:
        DatasetError: ``metadata/subjects.csv`` is missing or odd.
    """
    folder = folder_of(path, "K-EmoCon")
    file = next(iter(sorted(folder.rglob("subjects.csv"))), folder / "metadata" / "subjects.csv")
    rows = table(file, "K-EmoCon", ("pid", "startTime"))
    return {row["pid"].strip(): int(number(row["startTime"], str(file))) for row in rows}


def _participant(folder: Path, file: Path) -> Iterator[Moment]:
    pid = str(_number(file))
    e4 = next(iter(sorted(folder.rglob(f"e4_data/{pid}"))), None)
    signals = {
        name: e4 / name_of
        for name, name_of in SIGNALS.items()
        if e4 is not None and (e4 / name_of).is_file()
    }
    audio = _recording(folder, "debate_audios", pid, (".wav",))
    video = _recording(folder, "debate_recordings", pid, (".mp4", ".mov", ".avi", ".mkv"))
    for row in table(file, "K-EmoCon", ("seconds", "arousal", "valence")):
        end = number(row["seconds"], str(file))
        yield Moment(
            "k_emocon", f"kemocon-{pid}", valence=_scaled(row["valence"], file),
            arousal=_scaled(row["arousal"], file), audio=audio, video=video, physiology=signals,
            start_s=end - STEP_S, end_s=end,
        )  # fmt: skip


def _recording(folder: Path, name: str, pid: str, suffixes: tuple[str, ...]) -> Path | None:
    """Return the file of a participant: alone (``p1_...``), or of a pair (``p1.p2``)."""
    for file in sorted(folder.rglob(f"{name}/*")):
        people = file.stem.lower().split("_")[0].split(".")
        if file.suffix.lower() in suffixes and f"p{pid}" in people:
            return file
    return None


def _scaled(text: str, file: Path) -> float:
    """Map a rating of 1 to 5 to [-1, 1]."""
    rating = number(text, str(file))
    if not _LEAST <= rating <= _GREATEST:
        raise DatasetError(f"K-EmoCon: {file} has a rating of {rating:g}; allowed are 1 to 5")
    return (rating - 3.0) / 2.0


def _number(file: Path) -> int:
    digits = file.name.split(".")[0].lstrip("P")
    if not digits.isdecimal():
        raise DatasetError(f"K-EmoCon: {file} is not named P<number>.self.csv")
    return int(digits)
