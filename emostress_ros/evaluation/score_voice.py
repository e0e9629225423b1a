"""``emostress score voice``: a shipped voice model on a labelled set in its official layout."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import DatasetError
from emostress_ros.metrics import Score, score_predictions
from emostress_ros.modalities.voice.encoder import SpeechFeatures, VoiceEncoder
from emostress_ros.modalities.voice.log_mel import LogMelStream
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.pitch import PitchStream
from emostress_ros.modalities.voice.utterance import speech_extent
from emostress_ros.modalities.voice.vad import SileroVad
from emostress_ros.training.common import progress_bar
from emostress_ros.training.datasets import ravdess
from emostress_ros.training.datasets.speech_clips import SpeechClip, read_mono_16k
from emostress_ros.training.datasets.speech_sets import speech_set

FloatArray = npt.NDArray[np.floating]


def score(
    dataset: str,
    path: Path,
    *,
    split: str | None = None,
    model: str | None = None,
    baseline: str = "rest",
    progress: bool = True,
) -> Score:
    """Score a voice model clip by clip: the speech of a clip is found, encoded and judged once.

    Args:
        dataset: ``ravdess``, ``tess`` or ``crema_d``.
        path: folder in the official layout.
        split: RAVDESS, CREMA-D: actors such as ``21-24``; TESS: ``OAF`` or ``YAF``; None: all.
        model: name or folder of the model; the default model when not given.
        baseline: not used by voice.
        progress: show a bar.

    Raises:
        DatasetError: an unknown set, or files that are missing or odd.
        ModelError: the model cannot be used, or answers in other labels.
    """
    chosen = speech_set(dataset)
    clips = chosen.load(Path(path), split)
    encoder = VoiceEncoder(VoiceConfig(model=model) if model else VoiceConfig())
    if encoder.labels != ravdess.LABELS:
        raise DatasetError(
            f"{encoder.card.identifier} answers in {', '.join(encoder.labels)}; "
            f"scoring needs {', '.join(ravdess.LABELS)}"
        )
    rows = chosen.fold(_probabilities(clips, encoder, progress=progress))
    truth = [chosen.labels.index(clip.label) for clip in clips]
    persons = [clip.person for clip in clips]
    extra = {"model": encoder.card.identifier, "split": split or "all"}
    return score_predictions(chosen.labels, truth, rows, persons, extra=extra)


def _probabilities(
    clips: Sequence[SpeechClip], encoder: VoiceEncoder, *, progress: bool
) -> FloatArray:
    vad, config, rows = SileroVad(), VoiceConfig(), []
    with progress_bar(len(clips), "scoring", enabled=progress) as advance:
        for clip in clips:
            waveform = read_mono_16k(clip.path)
            start, end = speech_extent(waveform, vad, config)
            features = _features(waveform[start:end], encoder.session.input_names)
            rows.append(encoder.perceive(features).probabilities)
            advance(clip.path.name)
    return np.stack(rows)


def _features(waveform: npt.NDArray[np.float32], inputs: Sequence[str]) -> SpeechFeatures:
    # What the model does not take is not computed.
    nothing = np.empty(0, dtype=np.float32)
    return SpeechFeatures(
        waveform=waveform,
        log_mel=LogMelStream().push(waveform if "log_mel" in inputs else nothing),
        prosody=PitchStream().push(waveform if "prosody" in inputs else nothing),
    )
