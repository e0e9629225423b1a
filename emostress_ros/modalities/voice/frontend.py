"""The voice pipeline: chunks of sound in, what is perceived of each stretch of speech out.

Every sample's work is done once: resampling, voice activity, pitch and energy, and the log-mel
spectrogram where the model takes it, run on the stream as it comes and lie in ring buffers; a
window is cut out of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import Embedding
from emostress_ros.errors import SignalError
from emostress_ros.inference.session import Session
from emostress_ros.modalities.voice.clock import StreamClock
from emostress_ros.modalities.voice.encoder import SpeechFeatures, VoiceEncoder
from emostress_ros.modalities.voice.log_mel import LogMelOptions, LogMelStream
from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.pitch import PROSODY_COLUMNS, PitchOptions, PitchStream
from emostress_ros.modalities.voice.quality import NoiseFloor, VoiceQuality, voice_quality
from emostress_ros.modalities.voice.resample import SAMPLE_RATE_HZ, StreamResampler, check_rate
from emostress_ros.modalities.voice.ring_buffer import RowBuffer
from emostress_ros.modalities.voice.segmenter import Segmenter, SpeechWindow
from emostress_ros.modalities.voice.vad import VAD_FRAME, SileroVad

Samples = npt.NDArray[np.generic]
_MARGIN_S = 2.0  # kept beyond the longest window: padding, hangover and one chunk


@dataclass(frozen=True)
class VoiceObservation:
    """One window of speech and what was perceived in it.

    Attributes:
        embedding: of the window; its stamp is the window's end.
        start_ns: first sample of the window, sensor clock.
        end_ns: end of the last sample of the window, sensor clock.
        is_final: the window ends where the speech ends; False while speech goes on.
        quality: what the embedding's quality comes from.
    """

    embedding: Embedding
    start_ns: int
    end_ns: int
    is_final: bool
    quality: VoiceQuality


class VoicePipeline:
    """Streaming front end and encoder of the voice modality.

    Args:
        config: parameters; the default ones when not given.
        encoder: shared between pipelines; made from ``config`` when not given.

    Attributes:
        clock: counts lost stretches (``gaps``) and jumps back (``rewinds``).
        windows: windows encoded so far.

    Raises:
        ModelNotFoundError, ModelCorruptError, CardError: a model cannot be used.
    """

    def __init__(
        self, config: VoiceConfig | None = None, encoder: VoiceEncoder | None = None
    ) -> None:
        self.config = config or VoiceConfig()
        self.encoder = encoder or VoiceEncoder(self.config)
        self.clock = StreamClock(round(self.config.gap_tolerance_s * 1e9))
        self.windows = 0
        self._vad = SileroVad()
        self._segmenter = Segmenter(self.config.segmenter_options())
        self._noise = NoiseFloor(VAD_FRAME / SAMPLE_RATE_HZ)
        self._mel, self._pitch = LogMelStream(), PitchStream()
        kept = round((self.config.window_s + self.config.hangover_s + _MARGIN_S) * SAMPLE_RATE_HZ)
        self._wave = RowBuffer(kept, 1)
        self._mel_rows = RowBuffer(kept // LogMelOptions().hop, LogMelOptions().n_mels)
        self._prosody_rows = RowBuffer(kept // PitchOptions().hop, len(PROSODY_COLUMNS))
        self._resampler = StreamResampler(SAMPLE_RATE_HZ)
        self._uses_mel = "log_mel" in self.encoder.session.input_names
        self._judged = 0

    @property
    def sessions(self) -> tuple[Session, ...]:
        """Sessions of the models in use: voice activity, then the encoder."""
        return self._vad.session, self.encoder.session

    @property
    def speaking(self) -> bool:
        """Whether somebody speaks at the newest sample."""
        return self._segmenter.speaking

    def process(
        self, samples: Samples, sample_rate_hz: float, stamp_ns: int
    ) -> list[VoiceObservation]:
        """Take a chunk of sound of any length.

        Args:
            samples: (n,) or (n, channels) of int16 or int32 full scale, or of floats in [-1, 1].
            sample_rate_hz: 8 to 192 kHz, a whole number.
            stamp_ns: of the first sample, sensor clock.

        Returns:
            the windows of speech that the chunk completes; nothing while nobody speaks.

        Raises:
            SignalError: a dtype, shape or rate that is not allowed, or NaN; nothing was taken.
            StampError: a negative stamp.
        """
        rate = check_rate(sample_rate_hz)
        mono = to_mono(samples)
        if len(mono) == 0:
            return []
        found = []
        if not self.clock.continues(stamp_ns, rate):
            found += self.flush()  # what was said before the samples were lost
            self._restart(rate)
        self.clock.accept(stamp_ns, len(mono), rate)
        # Second by second, so that a long chunk never outruns the ring buffers.
        for begin in range(0, len(mono), rate):
            found += self._advance(mono[begin : begin + rate])
        return found

    def flush(self) -> list[VoiceObservation]:
        """End the stretch of speech that is open, as at the end of a recording."""
        window = self._segmenter.flush()
        return [] if window is None else [self._observe(window)]

    def reset(self) -> None:
        """Forget the stream; models and counters stay."""
        self._restart(SAMPLE_RATE_HZ)

    def _restart(self, rate: int) -> None:
        if self._resampler.sample_rate_hz != rate:
            self._resampler = StreamResampler(rate)
        parts = (self._resampler, self._vad, self._segmenter, self._noise, self._mel, self._pitch)
        for part in (*parts, self._wave, self._mel_rows, self._prosody_rows):
            part.reset()
        self.clock.reset()
        self._judged = 0

    def _advance(self, mono: npt.NDArray[np.float64]) -> list[VoiceObservation]:
        heard = self._resampler.push(mono)
        self._wave.push(heard[:, None])
        if self._uses_mel:
            self._mel_rows.push(self._mel.push(heard))
        self._prosody_rows.push(self._pitch.push(heard))
        found = []
        for probability in self._vad.push(heard):
            window = self._segmenter.push(float(probability))
            if self._segmenter.speaking or probability >= self.config.offset:
                self._noise.interrupt()
            else:
                self._noise.push(self._wave.between(self._judged, self._judged + VAD_FRAME))
            self._judged += VAD_FRAME
            if window is not None:
                found.append(self._observe(window))
        return found

    def _observe(self, window: SpeechWindow) -> VoiceObservation:
        features = self._features(window)
        quality = voice_quality(features.waveform, features.prosody[:, 0], self._noise.dbfs)
        start_ns = self.clock.stamp_of(window.start / SAMPLE_RATE_HZ)
        end_ns = self.clock.stamp_of(window.end / SAMPLE_RATE_HZ)
        embedding = self.encoder.encode(
            features, stamp_ns=end_ns, window_ns=end_ns - start_ns, quality=quality.value
        )
        self.windows += 1
        return VoiceObservation(embedding, start_ns, end_ns, window.is_final, quality)

    def _features(self, window: SpeechWindow) -> SpeechFeatures:
        mel, pitch = self._mel.options, self._pitch.options
        return SpeechFeatures(
            waveform=self._wave.between(window.start, window.end)[:, 0],
            log_mel=self._mel_rows.between(*_frames_within(window, mel.n_fft, mel.hop)),
            prosody=self._prosody_rows.between(*_frames_within(window, pitch.frame, pitch.hop)),
        )


def _frames_within(window: SpeechWindow, length: int, hop: int) -> tuple[int, int]:
    # Whole frames alone: how much of the sound after the window has come must not matter.
    return -(-window.start // hop), max(0, (window.end - length) // hop + 1)


def to_mono(samples: Samples) -> npt.NDArray[np.float64]:
    """Return (n,) samples in [-1, 1], channels averaged.

    Args:
        samples: (n,) or (n, channels); int16, int32, float32 or float64.

    Raises:
        SignalError: another dtype or shape, NaN or infinity.
    """
    array = np.asarray(samples)
    if array.ndim not in (1, 2) or (array.ndim == 2 and array.shape[1] == 0):
        raise SignalError(f"audio must be (n,) or (n, channels); got shape {array.shape}")
    if array.dtype in (np.int16, np.int32):
        full_scale = 2.0 ** (8 * array.dtype.itemsize - 1)
        scaled = array.astype(np.float64) / full_scale
    elif array.dtype in (np.float32, np.float64):
        scaled = array.astype(np.float64)
    else:
        raise SignalError(f"audio must be int16, int32, float32 or float64; got {array.dtype}")
    mono = scaled if array.ndim == 1 else scaled.mean(axis=1)
    if not np.isfinite(mono).all():
        raise SignalError("audio holds NaN or infinity")
    return mono
