"""Many bags at once: one after the other, over the cores of this machine, or over a Ray cluster.

Each bag is a job of its own with a result of its own. A job that fails is listed with its reason, a
worker that is killed costs one more try of its bag, and what is done stays done.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from emostress_ros.errors import EmostressError, MissingExtraError, ParameterError
from emostress_ros.evaluation.evaluate.job import Job, evaluate_bag

ENGINES = ("serial", "process", "ray")
ATTEMPTS = 2
_POLL_S = 0.05


@dataclass(frozen=True)
class Outcome:
    """What became of one job.

    Attributes:
        job: the job.
        data: its result as bytes; None where it failed.
        reason: why it failed.
    """

    job: Job
    data: bytes | None
    reason: str = ""


Progress = Callable[[Job, float], None]
"""Told how much of a job is done, [0, 1]."""


def run_jobs(
    jobs: Sequence[Job], engine: str, workers: int = 0, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Evaluate bags, and yield what became of each as soon as it is known.

    Args:
        jobs: what is to be done.
        engine: one of `ENGINES`.
        workers: most bags at once; 0: one a core. Ray decides by itself.
        progress: told how far each job is, where the engine can tell.

    Raises:
        ParameterError: an unknown engine.
        MissingExtraError: Ray is not installed.
    """
    if engine not in ENGINES:
        raise ParameterError(f"engine must be one of {', '.join(ENGINES)}; got '{engine}'")
    run = {"serial": _serial, "process": _process, "ray": _ray}[engine]
    yield from run(list(jobs), workers or len(os.sched_getaffinity(0)), progress or _quiet)


def _quiet(job: Job, share: float) -> None:
    """Show nothing."""


def _attempt(job: Job, progress: Progress) -> Outcome:
    """Do one job here; what is wrong with its bag is its outcome, not our end."""
    try:
        result = evaluate_bag(job, lambda share: progress(job, share))
    except (EmostressError, FileNotFoundError) as error:
        return Outcome(job, None, f"{type(error).__name__}: {error}")
    except Exception as error:  # one bag's fault, whatever it is, must not cost the others
        return Outcome(job, None, f"unforeseen {type(error).__name__}: {error}")
    return Outcome(job, result.to_bytes())


def _serial(jobs: Sequence[Job], workers: int, progress: Progress) -> Iterator[Outcome]:
    for job in jobs:
        yield _attempt(job, progress)


# Processes ----------------------------------------------------------------------------------------


@dataclass
class _Worker:
    """A process with one job."""

    job: Job
    attempt: int
    process: Any
    pipe: Connection


def _process(jobs: list[Job], workers: int, progress: Progress) -> Iterator[Outcome]:
    """A process a bag: memory is given back, and a death is that of one bag alone."""
    # ONNX Runtime's threads do not survive a fork of this process. So workers are forked from a
    # server that has imported everything, once, and has run nothing.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([evaluate_bag.__module__])
    waiting = [(job, 1) for job in jobs]
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_start(context, *waiting.pop(0)))
            for worker in list(running):
                outcome = _look_after(worker, progress)
                if outcome is None:
                    continue
                running.remove(worker)
                if outcome.data is None and not outcome.reason:
                    waiting.append((worker.job, worker.attempt + 1))
                else:
                    yield outcome
            time.sleep(_POLL_S)
    finally:
        for worker in running:
            worker.process.kill()
            worker.process.join()


def _start(context: Any, job: Job, attempt: int) -> _Worker:
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    return _Worker(job, attempt, process, ours)


def _work(job: Job, pipe: Connection) -> None:
    """What the process does: tell how far it is, then what came of it."""
    pipe.send(_attempt(job, lambda job, share: pipe.send(share)))
    pipe.close()


def _look_after(worker: _Worker, progress: Progress) -> Outcome | None:
    """Hear a worker; None while it works, an outcome without a reason where it is to try again."""
    try:
        while worker.pipe.poll():
            said = worker.pipe.recv()
            if isinstance(said, Outcome):
                worker.process.join()
                return Outcome(worker.job, said.data, said.reason)
            progress(worker.job, said)
    except (EOFError, OSError):
        worker.process.join()
        return _after_death(worker.job, worker.attempt, f"exit status {worker.process.exitcode}")
    return None


def _after_death(job: Job, attempt: int, how: str) -> Outcome:
    if attempt < ATTEMPTS:
        return Outcome(job, None)
    return Outcome(job, None, f"its worker died {attempt} times, the last time with {how}")


# Ray ----------------------------------------------------------------------------------------------


def _ray(jobs: list[Job], workers: int, progress: Progress) -> Iterator[Outcome]:
    """A task a bag; the cluster that RAY_ADDRESS names, else one on this machine."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            "the engine 'ray' needs Ray: pip install 'emostress_ros[ray]'"
        ) from error
    begun = not ray.is_initialized()
    if begun:
        address = os.environ.get("RAY_ADDRESS")
        local: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False}
        ray.init(log_to_driver=False, configure_logging=False, **({} if address else local))
    task = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_ray_task)
    waiting = {task.remote(job): job for job in jobs}
    try:
        while waiting:
            (done, *_), _ = ray.wait(list(waiting))
            job = waiting.pop(done)
            try:
                data, reason = ray.get(done)
                yield Outcome(job, data, reason)
            except ray.exceptions.RayError as error:
                yield Outcome(job, None, f"Ray: {type(error).__name__}: {error}".split("\n")[0])
            progress(job, 1.0)
    finally:
        if begun:
            ray.shutdown()


def _ray_task(job: Job) -> tuple[bytes | None, str]:
    outcome = _attempt(job, _quiet)
    return outcome.data, outcome.reason
