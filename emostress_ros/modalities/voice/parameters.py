"""Parameters of the voice front end and encoder."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.inference.session import PROVIDERS
from emostress_ros.modalities.voice.resample import SAMPLE_RATE_HZ
from emostress_ros.modalities.voice.segmenter import SegmenterOptions
from emostress_ros.modalities.voice.vad import VAD_FRAME
from emostress_ros.parameters import Config, parameter


@dataclass(frozen=True)
class VoiceConfig(Config):
    """Configuration of the voice modality."""

    model: str = parameter("voice_speech", "Name of the model folder, or a path to one.")
    providers: tuple[str, ...] = parameter(
        ("cpu",),
        "Execution providers in order of preference; docs/performance.md has what each needs.",
        choices=tuple(PROVIDERS),
    )
    threads: int = parameter(1, "Threads of one operator.", minimum=1, maximum=64)
    onset: float = parameter(
        0.6, "Probability of speech that opens a stretch.", minimum=0.05, maximum=0.99
    )
    offset: float = parameter(
        0.35, "Probability of speech under which it fades.", minimum=0.01, maximum=0.95
    )
    least_speech_s: float = parameter(
        0.25, "Shorter stretches are not speech.", minimum=0.0, maximum=5.0, unit="s"
    )
    hangover_s: float = parameter(
        0.45, "Silence that ends a stretch of speech.", minimum=0.05, maximum=5.0, unit="s"
    )
    padding_s: float = parameter(
        0.1, "Kept before and after a stretch of speech.", minimum=0.0, maximum=1.0, unit="s"
    )
    least_window_s: float = parameter(
        0.6, "Shorter windows begin earlier.", minimum=0.3, maximum=3.0, unit="s"
    )
    first_window_s: float = parameter(
        2.0, "Speech that is encoded before it has ended.", minimum=0.5, maximum=20.0, unit="s"
    )
    window_s: float = parameter(
        4.0, "Longest window that is encoded.", minimum=1.0, maximum=20.0, unit="s"
    )
    step_s: float = parameter(
        1.0, "Time between windows while speech goes on.", minimum=0.2, maximum=10.0, unit="s"
    )
    gap_tolerance_s: float = parameter(
        0.05,
        "Stamps may be off by this much before a chunk counts as lost.",
        minimum=0.001,
        maximum=1.0,
        unit="s",
    )

    def segmenter_options(self) -> SegmenterOptions:
        """Return the segmenter's options in samples at 16 kHz."""
        return SegmenterOptions(
            frame=VAD_FRAME,
            onset=self.onset,
            offset=min(self.offset, self.onset),
            least_speech=_samples(self.least_speech_s),
            hangover=_samples(self.hangover_s),
            padding=_samples(self.padding_s),
            least_window=_samples(self.least_window_s),
            first_window=_samples(min(self.first_window_s, self.window_s)),
            window=_samples(self.window_s),
            step=_samples(self.step_s),
        )


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE_HZ)
