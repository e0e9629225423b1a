"""Twenty bags over processes and over Ray, a worker killed on the way: the report is the same."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from wearable_bags import stress_labels, wearable_bag

from emostress_ros.evaluation.evaluate.evaluation import evaluate
from emostress_ros.evaluation.evaluate.settings import Settings

BAGS = 20
BRIEF = Settings(
    parameters={"fusion": {"rate_hz": 1.0}, "physiology": {"step_s": 10.0}},
    ablation=False, offsets_ms=(), noise_levels=(), every_s=5.0,
)  # fmt: skip
WORKER = {"process": "multiprocessing.forkserver", "ray": "ray::_ray_task"}
"""What a worker's command line holds."""


def workers(engine: str) -> list[int]:
    """Processes that evaluate bags for this one."""
    found = descendants(os.getpid())
    like = {pid for pid, (_, command) in found.items() if WORKER[engine] in command}
    # The server that workers are forked from has their command line, and is no worker.
    return [pid for pid in like if engine == "ray" or found[pid][0] in like]


def descendants(ancestor: int) -> dict[int, tuple[int, str]]:
    """(parent, command line) of all processes that a process started, directly or not."""
    parents, commands = {}, {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended meanwhile
            continue
        parents[int(folder.name)], commands[int(folder.name)] = int(stat[1]), command

    def ours(pid: int) -> bool:
        while pid in parents:
            pid = parents[pid]
            if pid == ancestor:
                return True
        return False

    return {pid: (parents[pid], command) for pid, command in commands.items() if ours(pid)}


class Killer:
    """Kills one worker of this process as soon as the first bag is done."""

    def __init__(self, engine: str, results: Path) -> None:
        self.killed: int | None = None
        self._ended = threading.Event()
        self._engine, self._results = engine, results
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.is_set() and self.killed is None:
            time.sleep(0.02)
            if not any(self._results.glob("*.npz")):
                continue
            for pid in workers(self._engine)[:1]:
                os.kill(pid, signal.SIGKILL)
                self.killed = pid


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> tuple[list[Path], list, bytes]:
    """Twenty bags, their labels, and the report of a run that nobody disturbs."""
    folder = tmp_path_factory.mktemp("twenty")
    bags = [wearable_bag(folder / f"p{n:02}", 1.0 + 0.05 * n, n, f"person{n}") for n in range(BAGS)]
    labels = [x for n, bag in enumerate(bags) for x in stress_labels(bag.name, f"person{n}")]
    evaluate(bags, labels, folder / "serial", BRIEF)
    return bags, labels, (folder / "serial" / "report.json").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["process", "ray"])
def test_twenty_bags_and_a_killed_worker_give_the_same_to_the_byte(undisturbed, tmp_path, engine):
    if engine == "ray":
        pytest.importorskip("ray")
    bags, labels, expected = undisturbed
    with Killer(engine, tmp_path / "bags") as killer:
        done = evaluate(bags, labels, tmp_path, BRIEF, engine=engine, workers=4)
    assert killer.killed is not None, "no worker was there to be killed"
    assert not done.failures and len(done.results) == BAGS
    assert (tmp_path / "report.json").read_bytes() == expected
