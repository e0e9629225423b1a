"""Transitions under load, from the service and from another thread: the node lives on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import rclpy
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from emostress_ros.affect import EMOTIONS, MODALITIES, Embedding
from emostress_ros.msg import AffectState, ModalityEmbedding
from emostress_ros.nodes.context import own_context
from emostress_ros.nodes.conversions import embedding_to_msg
from emostress_ros.nodes.fusion_node import FusionNode

PEOPLE = 3
ROUND = (
    Transition.TRANSITION_DEACTIVATE,
    Transition.TRANSITION_CLEANUP,
    Transition.TRANSITION_CONFIGURE,
    Transition.TRANSITION_ACTIVATE,
)


def evidence(modality: str, number: int) -> ModalityEmbedding:
    person = f"person_{number % PEOPLE}"
    probabilities = np.full(7, 0.02, np.float32)
    probabilities[number % 7] = 0.88
    return embedding_to_msg(
        Embedding(
            time.time_ns(), modality, f"{modality}_test@1", np.ones(4, np.float32), 1.0,
            person_id=person, labels=EMOTIONS, probabilities=probabilities, stress=0.5,
        )
    )  # fmt: skip


@pytest.fixture
def load() -> Iterator[None]:
    """Every sense of three people, two hundred times a second, from a thread of its own."""
    ended = threading.Event()

    def publish() -> None:
        with own_context() as context:
            node = rclpy.create_node("load", context=context)
            publishers = {
                modality: node.create_publisher(ModalityEmbedding, f"embeddings/{modality}", 50)
                for modality in MODALITIES
            }
            number = 0
            while not ended.wait(0.005):
                number += 1
                for modality, publisher in publishers.items():
                    publisher.publish(evidence(modality, number))
            node.destroy_node()

    thread = threading.Thread(target=publish, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()


def test_another_thread_may_switch_a_node_off_and_on_under_load(bench, load):
    node = bench.start(FusionNode, "fusion_node", rate_hz=100.0, diagnostics_period_s=0.1)
    heard = bench.listen(AffectState, "affect")
    bench.wait(lambda: heard, "a state before the first transition")
    for _ in range(400):
        assert node.trigger_deactivate() == TransitionCallbackReturn.SUCCESS
        assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS
    heard.clear()
    bench.wait(lambda: heard, "a state after the last transition")


def test_a_model_is_swapped_again_and_again_under_load(bench, load):
    bench.start(FusionNode, "fusion_node", rate_hz=100.0, diagnostics_period_s=0.1)
    heard = bench.listen(AffectState, "affect")
    models = ("fusion_late", "fusion_attention", "fusion_hybrid", "fusion_early")
    for number in range(20):
        for transition in ROUND:
            request = ChangeState.Request(transition=Transition(id=transition))
            assert bench.call(ChangeState, "fusion_node/change_state", request).success
            if transition == Transition.TRANSITION_CLEANUP:
                value = Parameter("model", value=models[number % 4]).to_parameter_msg()
                swap = SetParameters.Request(parameters=[value])
                answer = bench.call(SetParameters, "fusion_node/set_parameters", swap)
                assert answer.results[0].successful
        heard.clear()
        bench.wait(lambda: heard, f"a state with {models[number % 4]}")


def test_an_impossible_transition_from_another_thread_is_its_own_error(bench):
    node = bench.start(FusionNode, "fusion_node")
    with pytest.raises(rclpy_implementation.RCLError):
        node.trigger_activate()
    state = bench.call(GetState, "fusion_node/get_state", GetState.Request()).current_state
    assert state.label == "active"
