"""Where in a whole recording somebody speaks: the offline twin of the streaming segmenter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from emostress_ros.modalities.voice.parameters import VoiceConfig
from emostress_ros.modalities.voice.resample import SAMPLE_RATE_HZ
from emostress_ros.modalities.voice.vad import VAD_FRAME, SileroVad


def speech_extent(
    waveform: npt.NDArray[np.floating], vad: SileroVad, config: VoiceConfig
) -> tuple[int, int]:
    """Return [start, end) of the speech in a recording, from the first onset to the last offset.

    Args:
        waveform: (n,) samples in [-1, 1] at 16 kHz, one utterance.
        vad: is reset before and after.
        config: thresholds and padding.

    Returns:
        sample indices; the whole recording where no speech is heard (a whisper, say).
    """
    vad.reset()
    probabilities = vad.push(waveform)
    vad.reset()
    if not np.any(probabilities >= config.onset):
        return 0, len(waveform)
    loud = np.nonzero(probabilities >= config.offset)[0]
    padding = round(config.padding_s * SAMPLE_RATE_HZ)
    start = int(loud[0]) * VAD_FRAME - padding
    end = (int(loud[-1]) + 1) * VAD_FRAME + padding
    return max(0, start), min(len(waveform), end)
