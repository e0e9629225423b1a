"""The live table shows what the graph says, and ends on what it said of the recording."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from bench import Bench
from rich.console import Console

from emostress_ros.cli.live import LiveTable
from emostress_ros.msg import AffectState

END_NS = 1_000_000_000_000


@pytest.fixture
def bench() -> Iterator[Bench]:
    running = Bench()
    yield running
    running.close()


def shown(table: LiveTable) -> str:
    for _ in range(20):
        table.spin(0.05)
    console = Console(width=80)
    with console.capture() as said:
        console.print(table.render("title"))
    return said.get()


def state(emotion: str, stamp_ms: int, latency_ms: int) -> AffectState:
    message = AffectState(person_id="anna", emotion=emotion, confidence=0.9)
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(
        END_NS + stamp_ms * 1_000_000, 1_000_000_000
    )
    message.latency.sec, message.latency.nanosec = divmod(latency_ms * 1_000_000, 1_000_000_000)
    return message


def test_what_comes_after_the_end_of_a_recording_is_not_shown(bench):
    table = LiveTable(bench.context, until_ns=END_NS)
    try:
        publisher = bench.publisher(AffectState, "affect")
        for message in (state("happy", -50, 10), state("sad", -50, 1400)):
            publisher.publish(message)
        said = shown(table)
        assert "happy 90%" in said and " 10 ms" in said and "\n1 states" in said
    finally:
        table.close()


def test_a_state_that_makes_no_sense_does_not_end_the_table(bench):
    table = LiveTable(bench.context)
    try:
        publisher = bench.publisher(AffectState, "affect")
        odd = state("happy", -50, 10)
        odd.stress_level = 9
        for message in (odd, state("sad", -40, 10)):
            publisher.publish(message)
        assert "\n1 states" in shown(table) and table.states["anna"].emotion == "sad"
    finally:
        table.close()


def test_the_demo_ends_on_what_the_graph_said_of_the_sample_and_writes_a_report(tmp_path):
    report = tmp_path / "report.html"
    command = [sys.executable, "-m", "emostress_ros.cli.main", "demo", "--duration", "8"]
    # It takes a domain of its own: what other tests left running hears nothing of its recording.
    own = {name: value for name, value in os.environ.items() if name != "ROS_DOMAIN_ID"}
    done = subprocess.run(
        [*command, "--out", str(report)], capture_output=True, text=True, timeout=120, check=False,
        env=own,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    table = done.stdout.rpartition("emotion  ")[2]
    face = next(line for line in table.splitlines() if " face " in line)
    assert "USED" in face and f"report: {report}" in done.stdout
    assert "<html" in report.read_text() and "face_1" in report.read_text()
