"""Runs a function beside the terminal's display."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Task(Generic[Result]):
    """A function in a thread of its own, whose error reaches whoever asks for the result."""

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._result: list[Result] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._thread.is_alive()

    def result(self) -> Result:
        """Wait for the end and return the result, or raise the error."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result[0]

    def _run(self) -> None:
        try:
            self._result.append(self._function())
        except BaseException as error:  # handed on by result()
            self._error = error
