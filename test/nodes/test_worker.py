"""A worker does short work at once, and queues, drops and counts what comes too fast."""

from __future__ import annotations

import threading
import time

import pytest

from emostress_ros.nodes.worker import Worker


class Recorder:
    """A worker whose jobs are numbers, and what became of each."""

    def __init__(self, depth: int, takes_s: float = 0.0) -> None:
        self.takes_s = takes_s
        self.done: list[tuple[int, int]] = []
        self.dropped: list[int] = []
        self.at_a_time = self.most = 0
        self.worker: Worker[int] = Worker(self._handle, self.dropped.append, depth)

    def _handle(self, job: int) -> None:
        self.at_a_time += 1
        self.most = max(self.most, self.at_a_time)
        time.sleep(self.takes_s)
        if job < 0:
            raise ValueError(job)
        self.done.append((job, threading.get_ident()))
        self.at_a_time -= 1

    @property
    def jobs(self) -> list[int]:
        return [job for job, _ in self.done]

    def wait(self, dealt_with: int) -> None:
        deadline = time.monotonic() + 10.0
        while len(self.done) + len(self.dropped) < dealt_with:
            assert time.monotonic() < deadline, (self.done, self.dropped)
            time.sleep(0.002)


def warmed(depth: int, takes_s: float = 0.0) -> Recorder:
    """Return a worker that has done a job, number 0, and rests."""
    recorder = Recorder(depth, takes_s)
    recorder.worker.put(0)
    recorder.wait(1)
    time.sleep(0.05 + 2 * takes_s)
    return recorder


def test_short_work_that_comes_at_leisure_is_done_by_whoever_brings_it():
    recorder = warmed(1)
    try:
        for number in range(1, 6):
            recorder.worker.put(number)
            assert recorder.done[-1] == (number, threading.get_ident())
            time.sleep(0.01)
    finally:
        recorder.worker.stop()
    assert recorder.dropped == []


def test_long_work_is_left_to_the_thread():
    recorder = warmed(1, takes_s=0.03)
    try:
        before = time.perf_counter()
        recorder.worker.put(1)
        assert time.perf_counter() - before < 0.02
        recorder.wait(2)
        assert recorder.done[-1][1] != threading.get_ident()
    finally:
        recorder.worker.stop()


@pytest.mark.parametrize(("depth", "takes_s"), [(1, 0.003), (5, 0.003), (3, 0.02)])
def test_what_comes_too_fast_is_queued_and_the_oldest_dropped(depth, takes_s):
    recorder = warmed(depth, takes_s)
    sent = 60
    try:
        for number in range(1, sent + 1):
            recorder.worker.put(number)
        recorder.wait(sent + 1)
    finally:
        recorder.worker.stop()
    assert recorder.jobs == sorted(recorder.jobs) and recorder.jobs[-depth:] == list(
        range(sent - depth + 1, sent + 1)
    )
    assert sorted([*recorder.jobs, *recorder.dropped]) == list(range(sent + 1))
    assert len(recorder.dropped) > sent / 2
    assert recorder.most == 1


def test_an_error_comes_out_where_the_work_was_done():
    recorder = warmed(1)
    with pytest.raises(ValueError, match="-1"):
        recorder.worker.put(-1)
    assert not recorder.worker.died
    recorder.worker.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_error_in_the_thread_is_told():
    recorder = Recorder(1)
    recorder.worker.put(-1)
    deadline = time.monotonic() + 10.0
    while not recorder.worker.died and time.monotonic() < deadline:
        time.sleep(0.005)
    assert recorder.worker.died
    recorder.worker.stop()
    assert not recorder.worker.died


def test_stop_waits_for_the_job_at_hand_wherever_it_is_done():
    recorder = warmed(1)
    recorder.takes_s = 0.2
    bringing = threading.Thread(target=recorder.worker.put, args=(1,))
    bringing.start()
    time.sleep(0.05)
    recorder.worker.stop()
    assert recorder.jobs == [0, 1]
    bringing.join()


def test_a_job_may_stop_its_own_worker():
    stopped: list[int] = []
    worker: Worker[int] = Worker(lambda job: (worker.stop(), stopped.append(job)), print, 1)
    worker.put(1)
    deadline = time.monotonic() + 10.0
    while not stopped and time.monotonic() < deadline:
        time.sleep(0.005)
    assert stopped == [1]
