"""The whole of an evaluation: bags and labels in, a folder with the report out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emostress_ros.errors import BagError, DatasetError, EmostressError
from emostress_ros.evaluation.evaluate.engines import Progress, run_jobs
from emostress_ros.evaluation.evaluate.job import Job
from emostress_ros.evaluation.evaluate.labels import Label, of_bag
from emostress_ros.evaluation.evaluate.result import BagResult, read_result, write_result
from emostress_ros.evaluation.evaluate.settings import Settings, bag_name
from emostress_ros.evaluation.evaluate.summary import summarise, to_json

RESULTS, JSON, TIMING = "bags", "report.json", "timing.json"


@dataclass
class Evaluation:
    """What came of an evaluation.

    Attributes:
        results: of the bags that could be evaluated, by name.
        failures: bag to the reason why it could not be.
        reused: bags whose results were there already.
        summary: everything that the report says; see `docs/evaluation.md`.
    """

    results: list[BagResult] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    reused: list[str] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)


def evaluate(
    bags: Sequence[Path],
    labels: Sequence[Label],
    out: Path,
    settings: Settings | None = None,
    *,
    engine: str = "serial",
    workers: int = 0,
    resume: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Evaluate bags, and write `report.json`, `timing.json` and a result for each bag.

    Args:
        bags: rosbag2 folders or files, whose names the labels use.
        labels: of all of them.
        out: folder of the report; made where it is not there.
        settings: how.
        engine: one of `engines.ENGINES`.
        workers: most bags at once; 0: one a core.
        resume: take results that are there and were made of the same.
        progress: told how far each bag is.

    Raises:
        BagError: two bags have one name, or `out` cannot be written.
        ParameterError, MissingExtraError: see `engines.run_jobs`.
    """
    settings = settings or Settings()
    evaluation = Evaluation()
    jobs = _jobs(bags, labels, settings, evaluation)
    folder = out / RESULTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BagError(f"{out}: cannot write there: {error.strerror}") from error
    if resume:
        jobs = [job for job in jobs if not _reuse(job, folder, evaluation)]
    for outcome in run_jobs(jobs, engine, workers, progress):
        _take(outcome.job, outcome.data, outcome.reason, folder, evaluation)
    evaluation.results.sort(key=lambda result: result.name)
    evaluation.summary = summarise(evaluation.results, evaluation.failures, settings)
    (out / JSON).write_text(to_json(evaluation.summary), encoding="utf-8")
    timing = {result.name: result.timing for result in evaluation.results}
    (out / TIMING).write_text(json.dumps(timing, indent=1) + "\n", encoding="utf-8")
    return evaluation


def _jobs(
    bags: Sequence[Path], labels: Sequence[Label], settings: Settings, evaluation: Evaluation
) -> list[Job]:
    jobs: dict[str, Job] = {}
    for bag in bags:
        name = bag_name(bag)
        if name in jobs or name in evaluation.failures:
            raise BagError(f"two bags are called '{name}'; labels tell bags by their names")
        try:
            jobs[name] = Job(bag, tuple(of_bag(labels, name)), settings)
        except DatasetError as error:
            evaluation.failures[name] = f"{type(error).__name__}: {error}"
    return list(jobs.values())


def _reuse(job: Job, folder: Path, evaluation: Evaluation) -> bool:
    try:
        result = read_result(folder / f"{job.name}.npz", job.fingerprint())
    except EmostressError:  # the reason is told when the bag is evaluated
        return False
    if result is not None:
        evaluation.results.append(result)
        evaluation.reused.append(job.name)
    return result is not None


def _take(job: Job, data: bytes | None, reason: str, folder: Path, evaluation: Evaluation) -> None:
    if data is None:
        evaluation.failures[job.name] = reason
        return
    write_result(data, folder / f"{job.name}.npz")
    evaluation.results.append(BagResult.from_bytes(data))
