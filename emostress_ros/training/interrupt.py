"""Ctrl-C in the middle of a training: the step is ended, then the training is kept."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType, TracebackType
from typing import Any


class Interrupt:
    """Turns Ctrl-C and SIGTERM into a flag that is read between two steps.

    A second signal ends at once.  Outside of the main thread, and where signals are ignored,
    nothing is changed.

    Args:
        enabled: False leaves everything as it is: where nothing is kept, nothing need be ended.

    Attributes:
        asked: whether a signal came.
    """

    def __init__(self, *, enabled: bool = True) -> None:
        self.asked, self.enabled = False, enabled
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupt:
        """Listen."""
        if self.enabled and threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Put back what listened before."""
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        print("\nending the step; once more ends at once", file=sys.stderr, flush=True)
