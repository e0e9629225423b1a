"""Runs a node's work beside its executor and drops the oldest when it cannot follow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Job = TypeVar("Job")

_SHORT_S = 0.01
"""Longest job that whoever brings it may do at once."""


class Worker(Generic[Job]):
    """One thread with a bounded queue.

    A job is done at once, in the thread that brings it, while the thread rests and the last job
    was short and ended longer ago than it took: handing a frame over costs more than many a node's
    work on it, for two threads then want the interpreter at the same time.  Whoever brings more
    than that finds the queue, and the oldest dropped and counted.

    Args:
        handle: does one job; an exception ends the thread that it came in.
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
        self._doing: int | None = None  # thread that does a job
        self._ended_s, self._took_s = 0.0, float("inf")  # of the last job
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def put(self, job: Job) -> None:
        """Do a job, or add it; the oldest waiting one is dropped when there are too many."""
        with self._condition:
            at_once = not self._jobs and self._at_leisure()
            old = None
            if at_once:
                self._doing = threading.get_ident()
            else:
                old = self._jobs.popleft() if len(self._jobs) >= self._depth else None
                self._jobs.append(job)
                self._condition.notify()
        if at_once:
            self._do(job)
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
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._doing in (None, threading.get_ident()))
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _at_leisure(self) -> bool:
        if self._doing is not None or not self._running or self._took_s > _SHORT_S:
            return False
        return time.perf_counter() - self._ended_s > self._took_s

    def _run(self) -> None:
        while True:
            with self._condition:
                self._condition.wait_for(
                    lambda: not self._running or (self._jobs and self._doing is None)
                )
                if not self._running:
                    return
                self._doing = threading.get_ident()
                job = self._jobs.popleft()
            self._do(job)

    def _do(self, job: Job) -> None:
        began_s = time.perf_counter()
        try:
            self._handle(job)
        finally:
            with self._condition:
                self._ended_s = time.perf_counter()
                self._took_s = self._ended_s - began_s
                self._doing = None
                if self._jobs or not self._running:
                    self._condition.notify_all()
