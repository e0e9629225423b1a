"""From probabilities of speech to the windows that are worth encoding.

Hysteresis as in the endpointers of speech recognisers (Rabiner and Sambur, "An algorithm for
determining the endpoints of isolated utterances", Bell Syst. Tech. J. 54, 1975): a high threshold
opens, a low one must hold for a while to close.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SegmenterOptions:
    """Options of the segmenter, in samples of the 16 kHz stream.

    Attributes:
        frame: samples of one probability.
        onset: probability that opens a stretch of speech.
        offset: probability under which speech fades.
        least_speech: shorter stretches are not speech.
        hangover: silence that closes a stretch.
        padding: kept before the onset and after the offset.
        least_window: a shorter window begins earlier, before the onset.
        first_window: speech that is encoded before it has ended.
        window: longest window.
        step: from one window to the next while speech goes on.
    """

    frame: int
    onset: float
    offset: float
    least_speech: int
    hangover: int
    padding: int
    least_window: int
    first_window: int
    window: int
    step: int


@dataclass(frozen=True)
class SpeechWindow:
    """A stretch of speech to encode; samples since the last reset, ``end`` exclusive."""

    start: int
    end: int
    is_final: bool


class Segmenter:
    """Turns a stream of probabilities into windows; silence gives nothing."""

    def __init__(self, options: SegmenterOptions) -> None:
        self.options = options
        self.reset()

    def reset(self) -> None:
        """Forget the speech under way; the next frame begins at sample 0."""
        self._position = 0
        self._onset: int | None = None
        self._last_speech = 0
        self._window_end = 0

    @property
    def speaking(self) -> bool:
        """Whether a stretch of speech is open."""
        return self._onset is not None

    def push(self, probability: float) -> SpeechWindow | None:
        """Take the probability of the next frame; return the window that it completes."""
        begin, self._position = self._position, self._position + self.options.frame
        if self._onset is None:
            self._open(begin, probability)
            return None
        if probability >= self.options.offset:
            self._last_speech = self._position
            return self._step()
        if self._position - self._last_speech >= self.options.hangover:
            return self._close()
        return None

    def flush(self) -> SpeechWindow | None:
        """Close the stretch that is open, as at the end of a recording."""
        return None if self._onset is None else self._close()

    def _open(self, begin: int, probability: float) -> None:
        if probability >= self.options.onset:
            self._onset = begin
            self._last_speech = self._position
            self._window_end = 0

    def _step(self) -> SpeechWindow | None:
        assert self._onset is not None
        due = max(self._onset + self.options.first_window, self._window_end + self.options.step)
        if self._position < due:
            return None
        self._window_end = self._position
        return SpeechWindow(self._start(self._position, self._onset), self._position, False)

    def _close(self) -> SpeechWindow | None:
        assert self._onset is not None
        onset, self._onset = self._onset, None
        end = min(self._last_speech + self.options.padding, self._position)
        is_new = end > self._window_end
        if self._last_speech - onset < self.options.least_speech or not is_new:
            return None
        return SpeechWindow(self._start(end, onset), end, True)

    def _start(self, end: int, onset: int) -> int:
        padded = max(onset - self.options.padding, end - self.options.window)
        return max(0, min(padded, end - self.options.least_window))
