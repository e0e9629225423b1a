from __future__ import annotations

import array
import math
import shutil
import time
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from builtin_interfaces.msg import Duration
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.srv import GetState
from PIL import Image as Pillow
from sensor_msgs.msg import CompressedImage, Image

from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face.parameters import FaceConfig
from emostress_ros.msg import (
    AffectState,
    AudioChunk,
    ModalityEmbedding,
    PhysiologySamples,
    Utterance,
)
from emostress_ros.nodes.conversions import ns_to_stamp, stamp_to_ns
from emostress_ros.nodes.face_node import FaceNode
from emostress_ros.nodes.fusion_node import FusionNode
from emostress_ros.nodes.physiology_node import PhysiologyNode
from emostress_ros.nodes.text_node import TextNode
from emostress_ros.nodes.voice_node import VoiceNode
from emostress_ros.person.store import PersonStore, read_key
from emostress_ros.srv import StartBaseline

SECOND = 1_000_000_000
START_NS = 1_735_689_600 * SECOND
PHOTOGRAPH = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"


def image_message(pixels: np.ndarray, stamp_ns: int, encoding: str = "rgb8") -> Image:
    message = Image(height=pixels.shape[0], width=pixels.shape[1], encoding=encoding)
    message.step = pixels.shape[1] * 3
    message.data = array.array("B", np.ascontiguousarray(pixels).tobytes())
    message.header.stamp = ns_to_stamp(stamp_ns)
    message.header.frame_id = "camera"
    return message


@pytest.fixture(scope="module")
def photograph() -> np.ndarray:
    with Pillow.open(PHOTOGRAPH) as image:
        return np.asarray(image.convert("RGB").resize((256, 300)))


def label_of(bench, name: str) -> str:
    return bench.call(GetState, f"{name}/get_state", GetState.Request()).current_state.label


def complaints(reports: list[DiagnosticArray]) -> str:
    return " ".join(status.message for report in reports for status in report.status)


def test_a_photograph_becomes_an_embedding_with_its_own_stamp(bench, photograph):
    bench.start(FaceNode, "face_node", lossless=True)
    heard = bench.listen(ModalityEmbedding, "embeddings/face")
    publisher = bench.publisher(Image, "image")
    publisher.publish(image_message(photograph, START_NS + 7))
    bench.wait(lambda: heard, "an embedding")
    message = heard[0]
    assert stamp_to_ns(message.header.stamp) == START_NS + 7
    assert message.header.frame_id == "camera"
    assert (message.modality, message.source_id) == ("face", "face_1")
    assert sum(message.probabilities) == pytest.approx(1.0, abs=1e-3)
    assert 0.3 < message.quality <= 1.0


def test_a_provider_that_cannot_run_is_told_in_the_states_contribution(bench, photograph):
    bench.start(FaceNode, "face_node", lossless=True, providers=["tensorrt_rtx", "cpu"])
    bench.start(FusionNode, "fusion_node", lossless=True)
    states = bench.listen(AffectState, "affect")
    publisher = bench.publisher(Image, "image")
    for k in range(10):
        publisher.publish(image_message(photograph, START_NS + k * SECOND // 15))
    bench.wait(lambda: states, "a state")
    face = states[-1].contributions[0]
    card = ModelCard.load(FaceConfig().model)
    assert (face.modality, face.model) == ("face", f"{card.identifier} on cpu")
    assert face.status == face.USED


def test_a_compressed_image_says_the_same_as_the_raw_one(bench, photograph, tmp_path):
    bench.start(FaceNode, "face_node", lossless=True)
    heard = bench.listen(ModalityEmbedding, "embeddings/face")
    Pillow.fromarray(photograph).save(tmp_path / "face.png")
    message = CompressedImage(format="png", data=list((tmp_path / "face.png").read_bytes()))
    message.header.stamp = ns_to_stamp(START_NS)
    bench.publisher(CompressedImage, "image/compressed").publish(message)
    bench.wait(lambda: heard, "an embedding of the compressed image")
    bench.publisher(Image, "image").publish(image_message(photograph, START_NS + SECOND))
    bench.wait(lambda: len(heard) == 2, "an embedding of the raw image")
    assert list(heard[0].probabilities) == pytest.approx(list(heard[1].probabilities), abs=1e-4)


def test_two_faces_give_two_sources_with_stable_ids(bench, photograph):
    bench.start(FaceNode, "face_node", lossless=True)
    heard = bench.listen(ModalityEmbedding, "embeddings/face")
    publisher = bench.publisher(Image, "image")
    pair = np.concatenate([photograph, photograph[:, ::-1]], axis=1)
    for k in range(10):
        publisher.publish(image_message(np.roll(pair, k, axis=1), START_NS + k * SECOND // 15))
    bench.wait(lambda: len(heard) >= 20, "two embeddings a frame")
    by_stamp: dict[int, set[str]] = {}
    for message in heard:
        by_stamp.setdefault(stamp_to_ns(message.header.stamp), set()).add(message.source_id)
    assert set(map(frozenset, by_stamp.values())) == {frozenset({"face_1", "face_2"})}


def test_bad_images_are_counted_and_the_next_good_one_is_seen(bench, photograph):
    bench.start(FaceNode, "face_node", lossless=True, diagnostics_period_s=0.1)
    heard = bench.listen(ModalityEmbedding, "embeddings/face")
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    publisher = bench.publisher(Image, "image")
    publisher.publish(Image(encoding="rgb8"))
    publisher.publish(image_message(photograph, START_NS, encoding="bayer_rggb8"))
    truncated = image_message(photograph, START_NS)
    truncated.data = truncated.data[:1000]
    publisher.publish(truncated)
    bench.wait(lambda: "3 bad on 'image'" in complaints(reports), "three bad images counted")
    assert not heard
    publisher.publish(image_message(photograph, START_NS + SECOND))
    bench.wait(lambda: heard, "the good image after them")


def test_a_picture_without_a_face_gives_no_embedding(bench, photograph):
    bench.start(FaceNode, "face_node", lossless=True)
    heard = bench.listen(ModalityEmbedding, "embeddings/face")
    publisher = bench.publisher(Image, "image")
    publisher.publish(image_message(np.full_like(photograph, 90), START_NS))
    publisher.publish(image_message(photograph, START_NS + SECOND))
    bench.wait(lambda: heard, "the face of the second picture")
    assert [stamp_to_ns(message.header.stamp) for message in heard] == [START_NS + SECOND]


def test_more_frames_than_can_be_handled_are_dropped_and_counted(bench, photograph):
    node = bench.start(FaceNode, "face_node", reliability="reliable", queue_depth=1)
    publisher = bench.publisher(Image, "image")
    counts = node.monitor.counts("image")
    message = image_message(photograph, START_NS)

    def burst() -> bool:
        for _ in range(20):  # faster than any machine looks at faces
            publisher.publish(message)
        return counts.dropped > 3

    bench.wait(burst, "drops")
    bench.wait(lambda: counts.handled == counts.received, "the rest to be handled")


def test_a_dead_camera_is_reported(bench):
    bench.start(FaceNode, "face_node", input_timeout_s=0.3, diagnostics_period_s=0.1)
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    bench.wait(lambda: "no message on 'image' for" in complaints(reports), "the report")


def test_a_corrupt_model_leaves_the_node_unconfigured_and_alive(bench, tmp_path):
    folder = Path(shutil.copytree(ModelCard.load("text_minilm").folder, tmp_path / "model"))
    (folder / "model.onnx").write_bytes(b"this is no model")
    bench.start(TextNode, "text_node", model=str(folder))
    assert label_of(bench, "text_node") == "unconfigured"


def test_an_utterance_becomes_an_embedding_and_an_empty_one_does_not(bench):
    bench.start(TextNode, "text_node", lossless=True)
    heard = bench.listen(ModalityEmbedding, "embeddings/text")
    publisher = bench.publisher(Utterance, "utterance")
    for k, text in enumerate(["   ", "", "I am so happy, this is wonderful!"]):
        message = Utterance(text=text, locale="en", confidence=math.nan, person_id="anna")
        message.header.stamp = ns_to_stamp(START_NS + k)
        publisher.publish(message)
    bench.wait(lambda: heard, "an embedding of the third")
    (message,) = heard
    assert stamp_to_ns(message.header.stamp) == START_NS + 2
    assert message.labels[int(np.argmax(message.probabilities))] == "happy"
    assert message.person_id == "anna"
    assert 0.0 <= message.stress <= 1.0


def wearable_message(signal, unit, rate_hz, data, stamp_ns) -> PhysiologySamples:
    values = np.asarray(data, dtype=np.float32)
    channels = values.shape[1] if values.ndim == 2 else 1
    message = PhysiologySamples(
        signal=signal, unit=unit, sample_rate_hz=float(rate_hz), channels=channels,
        device_id="E4", data=array.array("f", values.tobytes()),
    )  # fmt: skip
    message.header.stamp = ns_to_stamp(stamp_ns)
    return message


def pulse(seconds: float, start_s: float) -> np.ndarray:
    t = start_s + np.arange(round(seconds * 64)) / 64
    return 50 * np.sin(2 * np.pi * 1.2 * t) + 15 * np.sin(4 * np.pi * 1.2 * t)


def wear(publisher, seconds: int, start: int = 0) -> None:
    for k in range(start, start + seconds):
        stamp = START_NS + k * SECOND
        publisher.publish(wearable_message("bvp", "1", 64, pulse(1, k), stamp))
        publisher.publish(wearable_message("eda", "uS", 4, 2 + 0.1 * np.sin(np.arange(4)), stamp))


def test_a_wearable_gives_stress_and_survives_what_it_cannot_read(bench):
    bench.start(PhysiologyNode, "physiology_node", lossless=True, diagnostics_period_s=0.1)
    heard = bench.listen(ModalityEmbedding, "embeddings/physiology")
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    publisher = bench.publisher(PhysiologySamples, "physiology", 2000)
    publisher.publish(wearable_message("bvp", "bananas", 64, pulse(1, 0), START_NS))
    publisher.publish(wearable_message("brainwaves", "1", 64, pulse(1, 0), START_NS))
    bench.wait(lambda: "2 bad on 'physiology'" in complaints(reports), "both refused")
    wear(publisher, 70)
    publisher.publish(wearable_message("bvp", "1", 64, np.full(64, np.nan), START_NS + 70 * SECOND))
    wear(publisher, 20, start=71)
    bench.wait(
        lambda: any(stamp_to_ns(m.header.stamp) > START_NS + 80 * SECOND for m in heard),
        "embeddings after the lost samples",
    )
    assert all(0.0 <= message.stress <= 1.0 for message in heard)
    assert len({message.source_id for message in heard}) == 1


def test_rest_is_measured_on_request(bench):
    bench.start(PhysiologyNode, "physiology_node", lossless=True)
    request = StartBaseline.Request(duration=Duration(sec=30))
    short = bench.call(StartBaseline, "physiology_node/start_baseline", request)
    assert not short.success and "at least one window of 60 s; got 30 s" in short.message
    request.duration.sec = 60
    nobody = bench.call(StartBaseline, "physiology_node/start_baseline", request)
    assert not nobody.success and "no wearable" in nobody.message
    heard = bench.listen(ModalityEmbedding, "embeddings/physiology")
    publisher = bench.publisher(PhysiologySamples, "physiology", 2000)
    wear(publisher, 65)
    bench.wait(lambda: heard, "embeddings")
    begun = bench.call(StartBaseline, "physiology_node/start_baseline", request)
    assert begun.success and "60 s of rest have begun" in begun.message
    before = {message.model for message in heard}
    wear(publisher, 180, start=65)
    bench.wait(lambda: {message.model for message in heard} - before, "the model that knows rest")


def test_two_wearables_are_two_people_and_a_rest_is_kept(bench, tmp_path):
    kept = {"store": str(tmp_path / "people"), "store_key": str(tmp_path / "key")}
    bench.start(
        PhysiologyNode, "physiology_node", lossless=True, identities=["E4-1=anna", "E4-2=ben"],
        **kept,
    )  # fmt: skip
    heard = bench.listen(ModalityEmbedding, "embeddings/physiology")
    publisher = bench.publisher(PhysiologySamples, "physiology", 2000)
    request = StartBaseline.Request(person_id="anna", duration=Duration(sec=60))
    for k in range(200):
        if k == 65:
            bench.wait(lambda: {m.person_id for m in heard} == {"anna", "ben"}, "two people")
            assert bench.call(StartBaseline, "physiology_node/start_baseline", request).success
        for device in ("E4-1", "E4-2"):
            message = wearable_message("bvp", "1", 64, pulse(1, k), START_NS + k * SECOND)
            message.device_id = device
            publisher.publish(message)
    store = PersonStore(tmp_path / "people", read_key(tmp_path / "key"))
    bench.wait(lambda: store.people() == {"anna": ["physiology"]}, "anna's rest, kept")


def test_silence_says_nothing_and_broken_audio_is_survived(bench):
    node = bench.start(VoiceNode, "voice_node", lossless=True, diagnostics_period_s=0.1)
    heard = bench.listen(ModalityEmbedding, "embeddings/voice")
    reports = bench.listen(DiagnosticArray, "/diagnostics")
    publisher = bench.publisher(AudioChunk, "audio", 500)
    publisher.publish(AudioChunk(sample_rate_hz=16000, channels=2, data=[1, 2, 3]))
    publisher.publish(AudioChunk(sample_rate_hz=0, channels=1, data=[1]))
    bench.wait(lambda: "2 bad on 'audio'" in complaints(reports), "both refused")
    for k in range(100):
        chunk = AudioChunk(sample_rate_hz=16000, channels=1, data=[0] * 640)
        chunk.header.stamp = ns_to_stamp(START_NS + k * 40_000_000)
        publisher.publish(chunk)
    counts = node.monitor.counts("audio")
    bench.wait(lambda: counts.handled == 102, "all chunks handled")
    time.sleep(0.1)
    assert heard == []
