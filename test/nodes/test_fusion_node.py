from __future__ import annotations

import base64
import math
import time

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
from rcl_interfaces.srv import SetParameters
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import ParameterError
from emostress_ros.inference.opening import lacking_provider
from emostress_ros.msg import AffectState, BehaviourCue, ModalityContribution, ModalityEmbedding
from emostress_ros.nodes.behaviour_node import BehaviourNode
from emostress_ros.nodes.conversions import embedding_to_msg, stamp_to_ns
from emostress_ros.nodes.fusion_node import FusionNode
from emostress_ros.nodes.rest import start_rest
from emostress_ros.person.store import PersonStore, read_key
from emostress_ros.srv import ForgetPerson, SetConsent


def face_message(stamp_ns: int, label: str = "angry", confidence: float = 0.95):
    values = np.full(7, (1 - confidence) / 6, dtype=np.float32)
    values[EMOTIONS.index(label)] = confidence
    return embedding_to_msg(
        Embedding(
            stamp_ns,
            "face",
            "face_test@1",
            np.ones(4, np.float32),
            1.0,
            source_id="face_1",
            labels=EMOTIONS,
            probabilities=values,
            valence=-0.5,
            arousal=0.5,
        ),
        "camera",
    )


def show_faces(publisher, seconds: float, **kwargs) -> list[int]:
    stamps = []
    for _ in range(round(seconds * 30)):
        stamps.append(time.time_ns())
        publisher.publish(face_message(stamps[-1], **kwargs))
        time.sleep(1 / 30)
    return stamps


def test_embeddings_become_states_with_the_sensors_own_stamps(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=20.0)
    heard = bench.listen(AffectState, "affect")
    stamps = show_faces(bench.publisher(ModalityEmbedding, "embeddings/face"), 1.0)
    bench.wait(lambda: len(heard) >= 10, "10 states")
    state = heard[-1]
    assert stamp_to_ns(state.header.stamp) in stamps
    assert (state.person_id, state.emotion) == ("face_1", "angry")
    assert math.isnan(state.stress) and state.stress_level == AffectState.UNKNOWN
    assert 0 <= stamp_to_ns(state.latency) < 2_000_000_000
    used = {c.modality: c.weight for c in state.contributions if c.status == 0}
    assert used == {"face": 1.0}
    assert [c.modality for c in state.contributions] == ["face", "voice", "physiology", "text"]


def test_a_broken_embedding_is_counted_shown_and_survived(bench):
    bench.start(FusionNode, "fusion_node", diagnostics_period_s=0.1)
    heard = bench.listen(AffectState, "affect")
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    publisher = bench.publisher(ModalityEmbedding, "embeddings/face")
    broken = face_message(time.time_ns())
    broken.embedding[0] = math.nan
    publisher.publish(broken)
    bench.wait(
        lambda: any("NaN or infinity" in s.message for r in reports for s in r.status),
        "the error in /diagnostics",
    )
    show_faces(publisher, 0.5)
    bench.wait(lambda: heard, "a state after the broken embedding")


def test_consent_is_a_service(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=20.0)
    heard = bench.listen(AffectState, "affect")
    publisher = bench.publisher(ModalityEmbedding, "embeddings/face")
    request = SetConsent.Request(person_id="face_1", granted=False, modalities=["face"])
    assert bench.call(SetConsent, "fusion_node/set_consent", request).success
    show_faces(publisher, 0.7)
    bench.wait(lambda: heard, "states")
    state = heard[-1]
    face = next(c for c in state.contributions if c.modality == "face")
    assert face.status == ModalityContribution.NO_CONSENT
    assert (state.emotion, list(state.probabilities)) == ("unknown", [])
    answer = bench.call(ForgetPerson, "fusion_node/forget_person", ForgetPerson.Request())
    assert not answer.success and "must name" in answer.message


def test_a_wrong_parameter_leaves_the_node_unconfigured_and_alive(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=-1.0)
    state = bench.call(GetState, "fusion_node/get_state", GetState.Request()).current_state
    assert state.label == "unconfigured"


def test_a_misspelt_parameter_leaves_the_node_unconfigured(bench):
    bench.start(FusionNode, "fusion_node", rate_hertz=10.0)
    state = bench.call(GetState, "fusion_node/get_state", GetState.Request()).current_state
    assert state.label == "unconfigured"


def test_an_impossible_transition_is_refused_and_survived(bench):
    bench.start(FusionNode, "fusion_node", autostart=False)
    request = ChangeState.Request(transition=Transition(id=Transition.TRANSITION_ACTIVATE))
    assert not bench.call(ChangeState, "fusion_node/change_state", request).success
    for transition in (Transition.TRANSITION_CONFIGURE, Transition.TRANSITION_ACTIVATE):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert bench.call(ChangeState, "fusion_node/change_state", request).success


def test_the_node_goes_through_its_life_twice(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=20.0)
    for transition in (
        Transition.TRANSITION_DEACTIVATE,
        Transition.TRANSITION_CLEANUP,
        Transition.TRANSITION_CONFIGURE,
        Transition.TRANSITION_ACTIVATE,
    ):
        request = ChangeState.Request(transition=Transition(id=transition))
        assert bench.call(ChangeState, "fusion_node/change_state", request).success
    heard = bench.listen(AffectState, "affect")
    show_faces(bench.publisher(ModalityEmbedding, "embeddings/face"), 0.7)
    bench.wait(lambda: heard, "states in the second life")


def test_parameters_are_refused_with_a_reason(bench):
    bench.start(FusionNode, "fusion_node")

    def set_one(name, value):
        request = SetParameters.Request(
            parameters=[Parameter(name, value=value).to_parameter_msg()]
        )
        return bench.call(SetParameters, "fusion_node/set_parameters", request).results[0]

    wrong = set_one("rate_hz", 1000.0)
    assert not wrong.successful and "0.1 to 200" in wrong.reason
    late = set_one("rate_hz", 5.0)
    assert not late.successful and "clean it" in late.reason


def test_affect_leads_to_a_cue_and_silence_takes_it_back(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=20.0)
    bench.start(BehaviourNode, "behaviour_node", timeout_s=0.5)
    cues = bench.listen(BehaviourCue, "behaviour")
    show_faces(bench.publisher(ModalityEmbedding, "embeddings/face"), 2.0)
    bench.wait(lambda: cues, "a cue")
    assert (cues[0].cue, cues[0].person_id) == ("be_patient", "face_1")
    assert 0.5 <= cues[0].intensity <= 1.0
    # Fusion goes on speaking of a person whose evidence went stale; the cue must still end.
    bench.wait(lambda: cues[-1].cue == "none", "the cue to be taken back")


def test_a_missing_rule_file_leaves_the_node_unconfigured(bench):
    bench.start(BehaviourNode, "behaviour_node", rules=["no-such-preset"])
    state = bench.call(GetState, "behaviour_node/get_state", GetState.Request()).current_state
    assert state.label == "unconfigured"


def test_a_person_manager_says_whose_face_it_is(bench):
    bench.start(FusionNode, "fusion_node", rate_hz=20.0)
    heard = bench.listen(AffectState, "affect")
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    ids = bench.peer.create_publisher(String, "/humans/persons/anna/face_id", latched)
    ids.publish(String(data="face_1"))
    publisher = bench.publisher(ModalityEmbedding, "embeddings/face")

    def named(person: str) -> bool:
        publisher.publish(face_message(time.time_ns()))
        return bool(heard) and heard[-1].person_id == person

    bench.wait(lambda: named("anna"), "a state about anna")
    bench.peer.destroy_publisher(ids)
    bench.wait(lambda: named("face_1"), "a state about nobody but a face")


def tired_face(at_s: float) -> ModalityEmbedding:
    values = np.full(7, 0.02, dtype=np.float32)
    values[EMOTIONS.index("sad")], values[EMOTIONS.index("neutral")] = 0.6, 0.3
    return embedding_to_msg(
        Embedding(
            round(at_s * 1e9), "face", "face_test@1", np.ones(4, np.float32), 1.0,
            person_id="anna", labels=EMOTIONS, probabilities=values, valence=-0.4, arousal=-0.1,
        )
    )  # fmt: skip


def test_a_rest_is_kept_over_a_restart_until_the_person_is_forgotten(bench, tmp_path):
    kept = {"store": str(tmp_path / "people"), "store_key": str(tmp_path / "key")}
    node = bench.start(FusionNode, "fusion_node", lossless=True, diagnostics_period_s=0.1, **kept)
    heard = bench.listen(AffectState, "affect")
    publisher = bench.publisher(ModalityEmbedding, "embeddings/face", 500)
    for frame in range(30):
        publisher.publish(tired_face(1000 + frame / 30))
    bench.wait(lambda: heard and heard[-1].emotion == "sad", "a face that looks sad")
    begun = start_rest("anna", 2.0, context=bench.context)
    assert begun == {"/fusion_node/start_baseline": (True, "anna: 2 s of rest have begun")}
    counts = node.monitor.counts("embeddings/face")
    for frame in range(30, 180):
        # No more at once than the node's queue holds: a lost second would leave a rest too short.
        bench.wait(lambda frame=frame: counts.handled > frame - 50, f"room for frame {frame}")
        publisher.publish(tired_face(1000 + frame / 30))
    bench.wait(lambda: heard[-1].emotion == "neutral", "the same face, read against its rest")
    bench.wait(lambda: PersonStore(tmp_path / "people", read_key(tmp_path / "key")).people(), "it")
    node.trigger_deactivate()
    node.trigger_cleanup()
    node.trigger_configure()
    node.trigger_activate()
    heard.clear()
    publisher.publish(tired_face(2000))
    publisher.publish(tired_face(2000.5))
    bench.wait(lambda: heard and heard[-1].emotion == "neutral", "the rest, recalled")
    bench.call(ForgetPerson, "fusion_node/forget_person", ForgetPerson.Request(person_id="anna"))
    assert not list((tmp_path / "people").iterdir())


@pytest.mark.parametrize("modalities", [["fase"], [""], ["face", "smell"]])
def test_a_consent_for_what_there_is_not_is_refused_and_changes_nothing(bench, modalities):
    node = bench.start(FusionNode, "fusion_node")
    wish = SetConsent.Request(person_id="anna", granted=False, modalities=modalities)
    for _ in range(2):  # the node lives on
        answer = bench.call(SetConsent, "fusion_node/set_consent", wish)
        assert not answer.success and "face, voice, physiology, text" in answer.message
    assert not list(node.consent)


def test_what_cannot_be_deleted_is_not_said_to_be_forgotten(bench, tmp_path):
    kept = {"store": str(tmp_path / "people"), "store_key": str(tmp_path / "key")}
    bench.start(FusionNode, "fusion_node", **kept)
    wish = SetConsent.Request(person_id="anna", granted=False, modalities=["face"])
    assert bench.call(SetConsent, "fusion_node/set_consent", wish).success
    (file,) = (tmp_path / "people").iterdir()
    file.unlink()
    file.mkdir()  # stands for a disk that has become read-only
    request = ForgetPerson.Request(person_id="anna")
    for _ in range(2):  # the node lives on
        answer = bench.call(ForgetPerson, "fusion_node/forget_person", request)
        assert not answer.success and "cannot be deleted" in answer.message


@pytest.mark.parametrize("seconds", [0.0, -3.0, math.nan, math.inf])
def test_a_rest_of_no_length_is_refused(seconds):
    with pytest.raises(ParameterError, match="more than 0 s"):
        start_rest("anna", seconds)


def test_a_rest_of_nobody_is_refused(bench):
    bench.start(FusionNode, "fusion_node")
    answer = start_rest("ghost", 60.0, context=bench.context)["/fusion_node/start_baseline"]
    assert answer == (False, "a rest needs a person in view (nobody); got 'ghost'")


def test_a_store_with_another_key_leaves_the_node_unconfigured(bench, tmp_path):
    PersonStore(tmp_path, base64.urlsafe_b64encode(bytes(32))).save("anna", "rest", {})
    parameters = {"store": str(tmp_path), "store_key": str(tmp_path.parent / "other_key")}
    bench.start(FusionNode, "fusion_node", **parameters)
    state = bench.call(GetState, "fusion_node/get_state", GetState.Request()).current_state
    assert state.label == "unconfigured"


@pytest.mark.parametrize("provider", ["tensorrt_rtx", "tensorrt_native"])
def test_a_provider_that_cannot_run_the_fusion_is_told_in_the_diagnostics(bench, provider):
    if not lacking_provider(provider):
        pytest.skip(f"this machine runs {provider}: its fallback cannot be seen")
    bench.start(FusionNode, "fusion_node", providers=[provider, "cpu"], diagnostics_period_s=0.1)
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    bench.wait(
        lambda: any(
            "fusion_attention" in s.message and f"{provider} " in s.message
            for r in reports
            for s in r.status
        ),
        "the fallback in /diagnostics",
    )
