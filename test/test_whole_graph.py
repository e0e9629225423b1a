"""The main job: a recording in, affect out, through real processes and real middleware."""

from __future__ import annotations

import array
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from bench import Bench
from diagnostic_msgs.msg import DiagnosticArray

from emostress_ros.affect import MODALITIES
from emostress_ros.cli.graph import Graph, GraphOptions, environment
from emostress_ros.evaluation.bags.builder import build_bag
from emostress_ros.evaluation.bags.replay_options import ReplayOptions
from emostress_ros.evaluation.bags.sample import build_sample
from emostress_ros.msg import AffectState, ModalityContribution, PhysiologySamples
from emostress_ros.nodes.conversions import ns_to_stamp
from emostress_ros.nodes.replay import replay

START_S = 60.0
LEAD_S = 60.0
CAMERA = Path(__file__).with_name("camera.py")
USED = ModalityContribution.USED
INPUTS = {
    "/image": "face_node",
    "/audio": "voice_node",
    "/physiology": "physiology_node",
    "/utterance": "text_node",
}


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "bag"
    build_sample(folder)
    return folder


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench(patience_s=60.0)
    yield made
    made.close()


def statuses(state: AffectState) -> dict[str, int]:
    return {item.modality: item.status for item in state.contributions}


def weights(state: AffectState) -> dict[str, float]:
    return {item.modality: item.weight for item in state.contributions}


def counted(reports: list[DiagnosticArray], node: str, key: str) -> int:
    values = [
        int(item.value)
        for report in reports
        for status in report.status
        if status.name == node
        for item in status.values
        if item.key == key
    ]
    return max(values, default=0)


def how_often(states: list[AffectState]) -> dict[str, Counter[int]]:
    return {name: Counter(statuses(state)[name] for state in states) for name in MODALITIES}


def everything_arrived(bench: Bench, reports: list, published: dict[str, int]) -> None:
    for topic, node in INPUTS.items():
        for key in ("received", "handled"):
            sent, name = published[topic], f"{topic.strip('/')} {key}"
            arrived = partial(counted, reports, node, name)
            bench.wait(
                lambda arrived=arrived, sent=sent: arrived() == sent, f"{sent} {name} by {node}"
            )


@pytest.mark.parametrize("composed", [True, False], ids=["composed", "separate"])
def test_a_recording_becomes_states_of_all_senses_and_nothing_is_lost(
    composed, sample, bench, tmp_path
):
    options = GraphOptions(composed=composed, use_sim_time=True, parameters={"lossless": "true"})
    states = bench.listen(AffectState, "affect", 2000)
    reports = bench.listen(DiagnosticArray, "/diagnostics", 2000)
    with Graph(options, log_folder=tmp_path) as graph:
        summary = replay(sample, ReplayOptions(rate="max", wait_s=START_S, tail_s=3.0))
        assert all(summary.published[topic] > 0 for topic in INPUTS)
        everything_arrived(bench, reports, summary.published)
        assert graph.poll() == []
    together = [s for s in states if set(statuses(s).values()) == {ModalityContribution.USED}]
    assert len(together) >= 20, how_often(states)
    assert all(sum(weights(s).values()) == pytest.approx(1.0, abs=1e-4) for s in together)
    assert all(set(statuses(s)) == set(MODALITIES) for s in states)


def start_camera() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, str(CAMERA)], env=environment())


def wear(publisher, stamp_ns: int) -> None:
    """Publish one second of a steady pulse that begins at a stamp."""
    t = stamp_ns / 1e9 % 1000 + np.arange(64) / 64
    pulse = 50 * np.sin(2 * np.pi * 1.2 * t) + 15 * np.sin(4 * np.pi * 1.2 * t)
    message = PhysiologySamples(signal="bvp", unit="1", sample_rate_hz=64.0, channels=1)
    message.device_id = "E4"
    message.data = array.array("f", pulse.astype(np.float32).tobytes())
    message.header.stamp = ns_to_stamp(stamp_ns)
    publisher.publish(message)


def test_a_killed_camera_leaves_states_and_its_return_is_noticed(bench, tmp_path):
    states = bench.listen(AffectState, "affect", 2000)
    cameras: list[subprocess.Popen] = []

    def status(modality: str) -> int | None:
        return statuses(states[-1]).get(modality) if states else None

    try:
        with Graph(GraphOptions(modalities=("face", "physiology")), log_folder=tmp_path):
            wearable = bench.publisher(PhysiologySamples, "physiology", 200)
            worn_ns = time.time_ns() - 61 * 10**9

            def wait(condition, what: str) -> None:
                """Wait while the wearable goes on."""

                def live() -> bool:
                    nonlocal worn_ns
                    while worn_ns < time.time_ns() - 10**9:
                        wear(wearable, worn_ns)
                        worn_ns += 10**9
                    return condition()

                bench.wait(live, what)

            cameras.append(start_camera())
            wait(lambda: status("face") == status("physiology") == USED, "face and pulse")
            cameras[0].send_signal(signal.SIGKILL)
            wait(lambda: status("face") == ModalityContribution.STALE, "a stale face")
            wait(lambda: status("face") == ModalityContribution.MISSING, "a missing face")
            without = states[-1]
            assert weights(without) == {"face": 0.0, "physiology": pytest.approx(1.0)}
            before = len(states)
            wait(lambda: len(states) >= before + 5, "states without a camera")
            cameras.append(start_camera())
            wait(lambda: status("face") == USED, "the face's return")
            assert states[-1].person_id == without.person_id
            assert weights(states[-1])["face"] > 0.0
    finally:
        for process in cameras:
            process.kill()
            process.wait()


def test_states_come_at_the_rate_that_is_set(sample, bench, tmp_path):
    config = tmp_path / "slow.yaml"
    config.write_text("/**/fusion_node:\n  ros__parameters:\n    rate_hz: 5.0\n")
    options = GraphOptions(modalities=("face",), use_sim_time=True, config_file=config)
    states = bench.listen(AffectState, "affect", 2000)
    with Graph(options, log_folder=tmp_path):
        replay(sample, ReplayOptions(topics=["/image"], wait_s=START_S, start_offset_s=LEAD_S))
    stamps = [s.header.stamp.sec + 1e-9 * s.header.stamp.nanosec for s in states]
    seconds = stamps[-1] - stamps[0]
    assert seconds > 15.0
    assert (len(states) - 1) / seconds == pytest.approx(5.0, rel=0.15)


def test_the_graph_runs_on_a_real_clip_and_a_real_wearable(shared_data, bench, tmp_path):
    transcript = tmp_path / "words.txt"
    transcript.write_text("0.2 1.2 I do not like this at all\n1.5 2.8 please stop now\n")
    built = build_bag(
        tmp_path / "bag",
        clip=shared_data / "clips" / "bbaf2n.mpg",
        wearable=shared_data / "physiology" / "wesad" / "S2" / "S2_E4_Data.zip",
        start_s=3818.0,
        transcript=transcript,
    )
    states = bench.listen(AffectState, "affect", 2000)
    reports = bench.listen(DiagnosticArray, "/diagnostics", 2000)
    options = GraphOptions(use_sim_time=True, parameters={"lossless": "true"})
    with Graph(options, log_folder=tmp_path / "log"):
        summary = replay(built.path, ReplayOptions(rate="max", wait_s=START_S, tail_s=3.0))
        assert summary.published == built.counts
        everything_arrived(bench, reports, summary.published)
    seen = {m for s in states for m, status in statuses(s).items() if status == 0}
    assert seen == set(MODALITIES)


def test_two_people_in_view_have_streams_of_their_own(shared_data, bench, tmp_path):
    import av

    pair = tmp_path / "pair.mp4"
    sources = [shared_data / "clips" / name for name in ("bbaf2n.mpg", "swiz3n.mpg")]
    frames = []
    for path in sources:
        with av.open(str(path)) as container:
            frames.append([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])
    with av.open(str(pair), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 720, 288
        stream.pix_fmt, stream.bit_rate = "yuv420p", 4_000_000
        for left, right in zip(*frames, strict=False):
            frame = av.VideoFrame.from_ndarray(np.concatenate([left, right], axis=1))
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    built = build_bag(tmp_path / "bag", clip=pair)
    states = bench.listen(AffectState, "affect", 2000)
    options = GraphOptions(modalities=("face",), use_sim_time=True, parameters={"lossless": "true"})
    with Graph(options, log_folder=tmp_path / "log"):
        replay(built.path, ReplayOptions(wait_s=START_S))
    people = {state.person_id for state in states}
    assert people == {"face_1", "face_2"}
    counts = [sum(state.person_id == person for state in states) for person in people]
    assert min(counts) >= 15


def test_threads_end_with_the_test():
    names = {thread.name for thread in threading.enumerate() if not thread.daemon}
    assert names == {"MainThread"}
