"""The whole graph: stamp to state, processor time of each node, and how soon it is up."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from benchmarks.programs.people import People
from benchmarks.result import Check, Row
from benchmarks.timing import Stolen, percentile
from emostress_ros.cli.graph import Graph, GraphOptions

GROUP = "graph"
_WARM_S = 4.0
_START_S = 60.0


def rows(seconds: float) -> list[Row]:
    """Return the rows of latency, start and rest."""
    made = []
    for composed in (True, False):
        made += _latency(composed, seconds * 0.25)
    return [*made, _start(), _idle(seconds * 0.1)]


@contextmanager
def running(composed: bool, **options: Any) -> Iterator[Graph]:
    """Run the graph, its output in a folder that goes with it."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = GraphOptions(composed=composed, **options)
        with Graph(chosen, log_folder=Path(folder)) as graph:
            yield graph


def shares(graph: Graph, before: dict[str, float], seconds: float) -> dict[str, float]:
    """Return the share of one core that each process took, percent."""
    return {
        name: round(100 * (spent - before[name]) / seconds, 1)
        for name, spent in processor_s(graph).items()
    }


def processor_s(graph: Graph) -> dict[str, float]:
    """Return the processor time of each process so far."""
    times = {name: psutil.Process(pid).cpu_times() for name, pid in graph.pids.items()}
    return {name: spent.user + spent.system for name, spent in times.items()}


def _latency(composed: bool, seconds: float) -> list[Row]:
    how = "composed" if composed else "separate processes"
    with running(composed) as graph, People(faces=1) as people:
        people.wait_for_state(_START_S)
        people.run(_WARM_S)
        people.clear()
        before, began, stolen = processor_s(graph), time.monotonic(), Stolen()
        people.run(seconds)
        spent = shares(graph, before, time.monotonic() - began)
        taken, told = stolen.percent(), str(stolen)
        ages = people.fresh_ms()
        frames, still_ms = people.frames_fed, 1e3 * people.stood_still_s
    half, most = percentile(ages, 0.5), percentile(ages, 0.99)
    limits = (12.0, 33.0)
    checks = (
        Check("p50 [ms]", half, limits[0], at_most=True),
        Check("p99 [ms]", most, limits[1], at_most=True),
    )
    note = (
        f"newest evidence's stamp to the state's arrival; camera 30 Hz best effort, voice, "
        f"wearable and text running; {len(ages)} states, {frames} frames; the "
        f"listener itself stood still for {still_ms:.0f} ms at most; {told}; processor, % of a "
        f"core: " + ", ".join(f"{name} {share:g}" for name, share in spent.items())
    )
    times = {"min_ms": min(ages), "median_ms": half, "max_ms": max(ages)}
    details = {
        "processor [% of a core]": spent,
        "p90_ms": percentile(ages, 0.9),
        "stolen [% of the machine]": taken,
    }
    return [
        Row(GROUP, f"stamp → AffectState, {how}", "", times, {},
            checks if composed else (), note, details)
    ]  # fmt: skip


def _start() -> Row:
    """Time the stages from the command to the first state, sensors already running."""
    with People(faces=1) as people:
        people.run(1.0)
        began, stolen = time.time(), Stolen()
        with running(composed=True) as graph:
            stages = people.stages(graph, began, _START_S)
            told = str(stolen)
    total = stages["first state"]
    check = Check("first state [s]", total, 5.0, at_most=True)
    shown = ", ".join(f"{name} {at:.1f} s" for name, at in stages.items()) + f"; {told}"
    times = {"min_ms": 1e3 * total, "median_ms": 1e3 * total, "max_ms": 1e3 * total}
    return Row(GROUP, "start until the first state, composed", "", times, {}, (check,), shown,
               {"stages_s": stages})  # fmt: skip


def _idle(seconds: float) -> Row:
    with running(composed=True) as graph:
        time.sleep(8.0)
        before, began, stolen = processor_s(graph), time.monotonic(), Stolen()
        time.sleep(seconds)
        spent, told = shares(graph, before, time.monotonic() - began), str(stolen)
    check = Check("processor [% of a core]", sum(spent.values()), 5.0, at_most=True)
    return Row(GROUP, "idle graph, composed", "", {}, {}, (check,),
               f"no sensor speaks; {seconds:.0f} s; {told}",
               {"processor [% of a core]": spent})  # fmt: skip
