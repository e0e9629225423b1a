"""The live half of `emostress evaluate --live`: replay into the real graph, and record it."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from emostress_ros.cli.graph import Graph, GraphOptions
from emostress_ros.cli.task import Task
from emostress_ros.errors import EmostressError, ParameterError
from emostress_ros.evaluation.bags.replay_options import ReplayOptions
from emostress_ros.evaluation.evaluate import live
from emostress_ros.evaluation.evaluate.evaluation import Evaluation
from emostress_ros.evaluation.evaluate.settings import Settings, bag_name
from emostress_ros.nodes.record import record
from emostress_ros.nodes.replay import replay

JSON, RECORDINGS = "live.json", "live"
_START_S, _CONCLUDE_S, _LEAD_RATE = 60.0, 1.5, 30.0


def evaluate_live(
    bags: Sequence[Path],
    out: Path,
    settings: Settings,
    evaluation: Evaluation,
    config_file: Path | None,
) -> dict[str, Any]:
    """Run the graph on every bag in real time, and judge what it said.

    Args:
        bags: those that were evaluated.
        out: folder of the report: recordings go to `live/`, figures to `live.json`.
        settings: of the offline evaluation.
        evaluation: its results; what the graph said is judged at the same moments.
        config_file: parameter file of the nodes.

    Returns:
        bag to its facts; a bag that could not be run is added to the evaluation's failures.

    Raises:
        ParameterError: settings that the graph cannot be given this way.
    """
    if settings.remap.topics or settings.baseline != "none":
        raise ParameterError(
            "--live replays a bag into the graph as it is: it takes no --baseline, and in place of "
            "--remap a bag that `emostress bag adapt` made"
        )
    os.environ.setdefault("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 101)))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    results = {result.name: result for result in evaluation.results}
    console, found = Console(stderr=True), {}
    for bag in (x for x in bags if bag_name(x) in results):
        name = bag_name(bag)
        with console.status(f"the graph hears {name} in real time"):
            try:
                recording = _run_graph(bag, out / RECORDINGS / name, config_file)
                found[name] = live.judge(recording, results[name])
            except EmostressError as error:
                evaluation.failures[f"{name} (live)"] = f"{type(error).__name__}: {error}"
    (out / JSON).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return found


def _run_graph(bag: Path, folder: Path, config_file: Path | None) -> Path:
    recorded, stop = folder / "recording", threading.Event()
    options = GraphOptions(config_file=config_file, use_sim_time=True)
    with Graph(options, log_folder=folder / "log"):
        recording = Task(lambda: record(recorded, stop=stop, overwrite=True))
        pace = ReplayOptions(wait_s=_START_S, tail_s=_CONCLUDE_S, lead_in_rate=_LEAD_RATE)
        try:
            replay(bag, pace)
        finally:
            stop.set()
        recording.result()
    return recorded
