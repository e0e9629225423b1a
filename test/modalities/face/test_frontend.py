from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import (
    ModelCorruptError,
    ModelNotFoundError,
    ParameterError,
    SignalError,
    StampError,
)
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.face import ExpressionEncoder, FaceConfig, FacePipeline

FRAME = 40_000_000


def test_a_photograph_gives_one_whole_embedding(pipeline, photo):
    (seen,) = pipeline.process(photo, 123)
    embedding = seen.embedding
    assert seen.track_id == embedding.source_id == "face_1"
    assert embedding.stamp_ns == 123 and embedding.modality == "face"
    assert embedding.model == pipeline.encoder.card.identifier
    assert embedding.vector.shape == (pipeline.encoder.card.embedding_dim,)
    assert embedding.labels == EMOTIONS
    assert embedding.probabilities.sum() == pytest.approx(1.0, abs=1e-4)
    assert -1 <= embedding.valence <= 1 and -1 <= embedding.arousal <= 1
    assert np.isnan(embedding.stress)
    assert embedding.quality > 0.9


def test_no_face_gives_nothing(pipeline):
    assert pipeline.process(np.zeros((480, 640, 3), np.uint8), 0) == []


def test_two_people_keep_their_ids_while_one_is_hidden(pipeline, head, scene):
    other = head[:, ::-1]
    for frame in range(4):
        shift = 4 * frame
        seen = pipeline.process(scene((head, 40 + shift, 60), (other, 400, 80)), frame * FRAME)
        assert {face.track_id for face in seen} == {"face_1", "face_2"}
    left = next(face.track_id for face in seen if face.box[0] < 300)
    (alone,) = pipeline.process(scene((head, 56, 60)), 5 * FRAME)
    assert alone.track_id == left
    both = pipeline.process(scene((head, 56, 60), (other, 400, 80)), 6 * FRAME)
    assert {face.track_id for face in both} == {"face_1", "face_2"}
    assert next(face.track_id for face in both if face.box[0] < 300) == left


def test_at_most_so_many_faces_the_largest_first(head, scene):
    small = head[::2, ::2]
    pipeline = FacePipeline(FaceConfig(max_faces=1))
    (seen,) = pipeline.process(scene((small, 10, 10), (head, 300, 100)), 0)
    assert seen.box[0] > 300


def test_of_too_many_like_faces_the_same_ones_are_kept(head, scene):
    from PIL import Image

    pipeline = FacePipeline(FaceConfig(max_faces=2, detect_interval_s=0.0))
    seen = set()
    for number in range(6):
        sizes = [170 + (6 if (number + k) % 3 == 0 else 0) for k in range(3)]  # they take turns
        faces = [np.asarray(Image.fromarray(head).resize((size * 3 // 4, size))) for size in sizes]
        image = scene(*((face, 20 + 205 * k, 100) for k, face in enumerate(faces)))
        seen |= {face.track_id for face in pipeline.process(image, number * FRAME)}
    assert seen == {"face_1", "face_2"}
    large = scene((faces[0], 20, 100), (faces[1], 225, 100), (head, 430, 60))
    found = pipeline.process(large, 6 * FRAME)
    assert found[0].track_id == "face_3"  # who is much larger comes in


def test_faces_that_are_too_small_are_ignored(head, scene):
    pipeline = FacePipeline(FaceConfig(min_face_px=300))
    assert pipeline.process(scene((head, 300, 100)), 0) == []


def test_a_batch_says_the_same_as_single_faces(pipeline, head, scene):
    encoder = pipeline.encoder
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48), dtype=np.uint8)
    together = encoder.encode(faces)
    for row in range(5):
        alone = encoder.encode(faces[row : row + 1])
        np.testing.assert_allclose(together.vectors[row], alone.vectors[0], atol=1e-3)
        np.testing.assert_allclose(together.native[row], alone.native[0], atol=1e-4)
    assert len(encoder.encode(faces[:0])) == 0


def test_light_hardly_changes_the_answer(pipeline, photo):
    bright = pipeline.process(photo, 0)[0].embedding.probabilities
    dark = (photo * 0.5).astype(np.uint8)
    pipeline.reset()
    assert np.abs(pipeline.process(dark, 0)[0].embedding.probabilities - bright).max() < 0.1


@pytest.mark.parametrize("bad", [np.zeros((48, 48), np.uint8), np.zeros((1, 64, 64), np.uint8)])
def test_the_encoder_refuses_other_shapes(pipeline, bad):
    with pytest.raises(SignalError, match="48"):
        pipeline.encoder.encode(bad)


def test_bad_images_and_stamps_are_refused(pipeline, photo):
    with pytest.raises(SignalError):
        pipeline.process(np.zeros((0, 0, 3), np.uint8), 0)
    with pytest.raises(StampError):
        pipeline.process(photo, -1)


def test_bad_parameters_are_refused_by_name():
    with pytest.raises(ParameterError, match="detect_width"):
        FaceConfig(detect_width=330)
    with pytest.raises(ParameterError, match="detect_score"):
        FaceConfig(detect_score=1.5)
    with pytest.raises(ModelNotFoundError, match="no_such_model"):
        ExpressionEncoder("no_such_model")


def test_a_damaged_model_is_refused(tmp_path):
    card = ModelCard.load(FaceConfig().model)
    (tmp_path / "model.yaml").write_text((card.folder / "model.yaml").read_text())
    (tmp_path / card.file.name).write_bytes(card.file.read_bytes()[:-100])
    with pytest.raises(ModelCorruptError, match="sha256"):
        ExpressionEncoder(str(tmp_path))


def test_a_smile_is_happy(pipeline, shared_data):
    from PIL import Image

    image = np.asarray(Image.open(shared_data / "clips" / "single_face.jpg").convert("RGB"))
    (seen,) = pipeline.process(image, 0)
    assert EMOTIONS[int(seen.embedding.probabilities.argmax())] == "happy"
    assert seen.embedding.valence > 0.4


def test_every_frame_of_real_video_shows_the_same_one_face(pipeline, shared_data):
    av = pytest.importorskip("av")
    with av.open(str(shared_data / "clips" / "bbaf2n.mpg")) as clip:
        for number, frame in enumerate(clip.decode(video=0)):
            if number % 5 == 0:
                seen = pipeline.process(frame.to_ndarray(format="rgb24"), number * FRAME)
                assert [face.track_id for face in seen] == ["face_1"]
