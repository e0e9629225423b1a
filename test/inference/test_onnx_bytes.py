"""Models are edited by their bytes: other sizes, fewer outputs, the same numbers."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference import ModelCard
from emostress_ros.inference.onnx_bytes import with_input_shape, with_outputs

FACES = np.random.default_rng(0).integers(0, 256, (2, 1, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def model() -> bytes:
    return ModelCard.load("face_mobilenet").file.read_bytes()


def said(model: bytes) -> dict[str, np.ndarray]:
    session = ort.InferenceSession(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"face": FACES}), strict=True))


@pytest.mark.parametrize("wanted", [["embedding"], ["valence", "probabilities", "nothing"]])
def test_fewer_outputs_say_the_same(model, wanted):
    few = with_outputs(model, wanted)
    assert len(few) <= len(model)
    found, whole = said(few), said(model)
    assert set(found) == set(wanted) & set(whole)
    for name, value in found.items():
        np.testing.assert_allclose(value, whole[name], atol=1e-5)


def test_what_only_other_outputs_need_goes(model):
    # The answers stand behind the embedding: their weights go unused, their nodes are gone.
    assert len(with_outputs(model, ["embedding"])) < len(with_outputs(model, ["probabilities"]))


def test_a_model_without_the_outputs_stays_as_it_is(model):
    assert with_outputs(model, ["nothing"]) == model


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_are_refused(junk):
    for edit in (lambda: with_input_shape(junk, (1, 3, 32, 32)), lambda: with_outputs(junk, ["x"])):
        with pytest.raises(ModelCorruptError):
            edit()
