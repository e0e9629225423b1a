"""The examples do what the docs say, in a real graph."""

from __future__ import annotations

import importlib.util
import sys
import time
from pathlib import Path

import pytest
from bench import Bench
from diagnostic_msgs.msg import DiagnosticArray
from sensor_msgs.msg import FluidPressure
from std_msgs.msg import String

from emostress_ros.affect import ContributionStatus
from emostress_ros.msg import AffectState
from emostress_ros.nodes.conversions import ns_to_stamp
from emostress_ros.nodes.fusion_node import FusionNode

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
SENSES = ["face", "voice", "physiology", "text", "touch"]


def from_file(name: str):
    """Import an example from its file, as a package of one's own would be."""
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def touch():
    return from_file("touch_node")


@pytest.fixture(scope="module")
def greeter():
    return from_file("greeter")


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()


def press(publisher, pressure_pa: float, times: int = 40) -> None:
    for _ in range(times):
        message = FluidPressure(fluid_pressure=pressure_pa)
        message.header.stamp = ns_to_stamp(time.time_ns())
        publisher.publish(message)
        time.sleep(0.02)


def share_of_touch(state: AffectState):
    return next(item for item in state.contributions if item.modality == "touch")


@pytest.mark.parametrize("model", ["fusion_attention", "fusion_late"])
def test_a_fifth_sense_takes_part_in_a_fusion_that_never_met_it(bench, touch, model):
    bench.start(touch.TouchNode, "touch_node")
    bench.start(FusionNode, "fusion_node", modalities=SENSES, model=model, unknown_below=0.0)
    heard = bench.listen(AffectState, "affect")
    skin = bench.publisher(FluidPressure, "touch")
    press(skin, 30_000.0)
    bench.wait(lambda: heard, "a state")
    assert share_of_touch(heard[-1]).status == ContributionStatus.USED
    assert share_of_touch(heard[-1]).weight == pytest.approx(1.0)
    assert heard[-1].emotion == "angry"
    assert [item.modality for item in heard[-1].contributions] == SENSES


def test_a_broken_skin_is_reported_and_survived(bench, touch):
    bench.start(touch.TouchNode, "touch_node", diagnostics_period_s=0.1)
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    press(bench.publisher(FluidPressure, "touch"), float("nan"), times=1)
    bench.wait(
        lambda: any("pascal" in s.message for r in reports for s in r.status), "the complaint"
    )


def test_a_blow_is_told_from_a_stroke(touch):
    def feel(*pressures_pa: float):
        pipeline = touch.TouchPipeline(touch.TouchConfig())
        for index, value in enumerate(pressures_pa):
            embedding = pipeline.process(value, index * 50_000_000)
        return dict(zip(embedding.labels, embedding.probabilities, strict=True))

    blow, stroke = feel(0.0, 0.0, 30_000.0, 0.0), feel(8_000.0, 9_000.0, 8_000.0)
    assert blow["angry"] > 0.5 > stroke["angry"]
    assert stroke["happy"] > blow["happy"]


def test_the_greeter_speaks_once_when_sure_and_never_when_not(bench, greeter):
    node = greeter.Greeter(context=bench.context)
    bench.nodes.append(node)
    bench.executor.add_node(node)
    said = bench.listen(String, "say")
    bench.wait(lambda: node.count_subscribers("say"), "the listener")
    states = bench.publisher(AffectState, "affect")
    for emotion, confidence in (("sad", 0.3), ("unknown", 0.9), ("happy", 0.9), ("happy", 0.9)):
        states.publish(AffectState(person_id="a", emotion=emotion, confidence=confidence))
    high = AffectState(person_id="b", emotion="unknown", stress_level=AffectState.HIGH)
    high.stress_confidence = 0.9
    states.publish(high)
    bench.wait(lambda: len(said) >= 2, "two sentences")
    assert [item.data for item in said] == ["You look cheerful!", "Shall I come back later?"]
