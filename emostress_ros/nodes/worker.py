"""Runs a node's work beside its executor and drops the oldest when it cannot follow."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")


class Worker(Generic[Job]):
    """One thread with a bounded queue.

    Args:
        handle: does one job.
        dropped: called with a job that gave way to a newer one.
        depth: most jobs that wait; 1 keeps only the latest.
    """

    def __init__(
        self, handle: Callable[[Job], None], dropped: Callable[[Job], None], depth: int
    ) -> None:
        self._handle = handle
        self._dropped = dropped
        self._depth = depth
        self._jobs: deque[Job] = deque()
        self._condition = threading.Condition()
        self._running = True
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Add a job; the oldest waiting one is dropped when there are too many."""
        with self._condition:
            old = self._jobs.popleft() if len(self._jobs) >= self._depth else None
            self._jobs.append(job)
            self._condition.notify()
        if old is not None:
            self._dropped(old)

    @property
    def died(self) -> bool:
        """Whether the thread ended by an error that nobody foresaw."""
        return self._running and not self._thread.is_alive()

    def stop(self) -> None:
        """Finish the job at hand, drop the waiting ones, end the thread."""
        with self._condition:
            self._running = False
            self._condition.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(lambda: self._jobs or not self._running)
                if not self._running:
                    return
                job = self._jobs.popleft()
            self._handle(job)
