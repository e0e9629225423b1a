"""Log-mel, cepstral coefficients and functionals of speech against librosa and openSMILE."""

from __future__ import annotations

import numpy as np

from benchmarks import material
from benchmarks.result import Check, Row, duel
from benchmarks.timing import interleave
from emostress_ros.modalities.voice.functionals import loudness, pitch_track, voice_functionals
from emostress_ros.modalities.voice.log_mel import LogMelOptions, LogMelStream, log_mel, mfcc
from emostress_ros.modalities.voice.ring_buffer import RowBuffer

GROUP = "voice"
OPTIONS = LogMelOptions(n_mels=40)
WINDOW = 3 * material.RATE_HZ
STEP = material.RATE_HZ // 4
_COEFFICIENTS = 13


def rows(seconds: float) -> list[Row]:
    """Return the voice's rows."""
    return [*_spectra(seconds), _functionals(seconds)]


def librosa_spectra(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return librosa's (frames, 40) dB and (frames, 13), the second computed from the first."""
    import librosa

    power = librosa.feature.melspectrogram(
        y=waveform, sr=OPTIONS.sample_rate_hz, n_fft=OPTIONS.n_fft, hop_length=OPTIONS.hop,
        n_mels=OPTIONS.n_mels, fmin=OPTIONS.low_hz, fmax=OPTIONS.high_hz, center=False,
    )  # fmt: skip
    levels = librosa.power_to_db(power, top_db=None)
    return levels.T, librosa.feature.mfcc(S=levels, n_mfcc=_COEFFICIENTS).T


def our_spectra(waveform: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the same of ours."""
    levels = log_mel(waveform, OPTIONS)
    return levels, mfcc(levels, _COEFFICIENTS)


class Streaming:
    """The newest 3 s of both, kept up to date a quarter of a second at a time."""

    def __init__(self, waveform: np.ndarray) -> None:
        self.frames = frames = (WINDOW - OPTIONS.n_fft) // OPTIONS.hop + 1
        self.stream = LogMelStream(OPTIONS)
        self.levels = RowBuffer(frames, OPTIONS.n_mels)
        self.coefficients = RowBuffer(frames, _COEFFICIENTS)
        self.push(waveform)

    def push(self, samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Take new samples and return both of the newest 3 s."""
        new = self.stream.push(samples)
        self.levels.push(new)
        self.coefficients.push(mfcc(new, _COEFFICIENTS))
        return self.levels.newest(self.frames), self.coefficients.newest(self.frames)


def _spectra(seconds: float) -> list[Row]:
    clips, what = material.speech()
    waveform = clips[0][:WINDOW]
    streaming = Streaming(waveform)
    newest = waveform[:STEP]
    times = interleave(
        {
            "whole": lambda: our_spectra(waveform),
            "newest": lambda: streaming.push(newest),
            "librosa": lambda: librosa_spectra(waveform),
        },
        seconds / 2,
    )
    error_db = max(
        float(np.abs(own - theirs).max())
        for clip in clips
        for own, theirs in zip(our_spectra(clip), librosa_spectra(clip), strict=True)
    )
    same = Check("largest difference [dB]", error_db, 1e-3, at_most=True)
    note = f"512-point frames every 10 ms; librosa's own best way; compared on {what}"
    return [
        duel(GROUP, "log-mel 40 + MFCC 13, 3 s at 16 kHz", "librosa", times["whole"],
             times["librosa"], 10.0, (same,), note),
        duel(GROUP, "the same, newest 0.25 s of 3 s", "librosa", times["newest"],
             times["librosa"], 35.0, (same,), note),
    ]  # fmt: skip


def _functionals(seconds: float) -> Row:
    import opensmile

    level = opensmile.FeatureLevel
    smile, frames = (
        opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, kind)
        for kind in (level.Functionals, level.LowLevelDescriptors)
    )
    clips, what = material.speech()
    waveform = clips[0][:WINDOW]
    times = interleave(
        {
            "ours": lambda: voice_functionals(waveform),
            "peer": lambda: smile.process_signal(waveform, material.RATE_HZ),
        },
        seconds / 2,
    )
    found = _agreement(clips, smile, frames)
    checks = [
        Check(f"r of {name}", found[name], 0.95)
        for name in ("F0, clips", "loudness, clips", "F0, frames", "loudness, frames")
    ]
    note = f"openSMILE computes 88 figures, ours 8; compared on {what}"
    return duel(GROUP, "functionals of 3 s: F0, loudness, jitter", "openSMILE eGeMAPSv02",
                times["ours"], times["peer"], 10.0, checks, note, agreement=found)  # fmt: skip


def _agreement(clips: list[np.ndarray], smile: object, frames: object) -> dict[str, float]:
    """Correlations over clips, and over frames that both call voiced."""
    clip_rows, pitch, loud = [], [], []
    for clip in clips:
        ours = voice_functionals(clip)
        theirs = smile.process_signal(clip, material.RATE_HZ).iloc[0]  # type: ignore[attr-defined]
        clip_rows.append(
            (ours.f0_semitones, theirs["F0semitoneFrom27.5Hz_sma3nz_amean"],
             ours.loudness, theirs["loudness_sma3_amean"],
             ours.jitter, theirs["jitterLocal_sma3nz_amean"])
        )  # fmt: skip
        low = frames.process_signal(clip, material.RATE_HZ)  # type: ignore[attr-defined]
        f0, their_f0 = _shortest(
            # Our frame's middle lies 24 ms after its stamp, theirs 10 ms: about one hop and a half.
            pitch_track(clip)[2:],
            low["F0semitoneFrom27.5Hz_sma3nz"].to_numpy(),
        )
        both = (f0 > 0) & (their_f0 > 0)
        pitch.append((12 * np.log2(f0[both] / 27.5), their_f0[both]))
        loud.append(_shortest(loudness(clip), low["Loudness_sma3"].to_numpy()))
    table = np.array(clip_rows)
    table = table[np.isfinite(table).all(axis=1)]
    return {
        "F0, clips": _r(table[:, 0], table[:, 1]),
        "loudness, clips": _r(table[:, 2], table[:, 3]),
        "jitter, clips": _r(table[:, 4], table[:, 5]),
        "F0, frames": _r(*(np.concatenate(part) for part in zip(*pitch, strict=True))),
        "loudness, frames": _r(*(np.concatenate(part) for part in zip(*loud, strict=True))),
    }


def _shortest(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    length = min(len(first), len(second))
    return first[:length], second[:length]


def _r(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first, second)[0, 1])
