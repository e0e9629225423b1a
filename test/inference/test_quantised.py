"""Networks of 8 bits that a kernel runs say what ONNX Runtime says of them."""

from __future__ import annotations

import dataclasses
import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.backend import TensorSpec
from emostress_ros.inference.onnx_graph import read_graph
from emostress_ros.inference.ort_backend import OrtBackend
from emostress_ros.inference.quantised import QuantisedBackend, backend, open_quantised
from emostress_ros.inference.quantised.matching import match
from emostress_ros.inference.quantised.network import Convolution, Dense, Front, Network
from emostress_ros.inference.trial import UnsupportedError
from emostress_ros.kernels import VARIABLE

FACE = "face_mobilenet"
SIDE = 48


@pytest.fixture(scope="module")
def card():
    return ModelCard.load(FACE).variant("int8")


@pytest.fixture(scope="module")
def usual(card):
    return OrtBackend(FACE, card.file, ("cpu",), 1, "int8")


@pytest.fixture(scope="module")
def ours(card, usual):
    found = backend._compiled()
    if found is None or not found[0]:
        pytest.skip("needs the compiled kernels and a processor with products of 8 bits")
    made = open_quantised(FACE, card.file, usual)
    assert made is not None
    return made


def some_faces(count, seed):
    """Return pictures of every kind between noise and one level."""
    random = np.random.default_rng(seed)
    smooth = random.normal(size=(count, 1, SIDE, SIDE)).cumsum(-1).cumsum(-2)
    smooth *= random.uniform(0.0, 3.0, (count, 1, 1, 1))
    return np.clip(smooth + random.uniform(0, 255, (count, 1, 1, 1)), 0, 255).astype(np.uint8)


@settings(max_examples=25)
@given(count=st.integers(1, 20), seed=st.integers(0, 2**32 - 1))
def test_every_number_of_faces_gets_onnx_runtimes_answer(ours, usual, count, seed):
    feed = {"face": some_faces(count, seed)}
    for name, found, wanted in zip(
        usual.output_names, ours.run(feed), usual.run(feed), strict=True
    ):
        assert found.shape == wanted.shape
        off = np.abs(found - wanted).max() / max(1.0, np.abs(wanted).max())
        # A level more or less where a sum of floats lies between two of them.
        assert off < 0.03, f"{name} is {off:.3f} off"


def test_a_face_is_read_alike_alone_and_among_others(ours):
    faces = some_faces(11, 7)
    together = ours.run({"face": faces})
    for row in range(len(faces)):
        for found, all_ in zip(ours.run({"face": faces[row : row + 1]}), together, strict=True):
            np.testing.assert_allclose(found[0], all_[row], rtol=1e-4, atol=1e-5)


def test_the_session_of_the_int8_variant_is_compiled(ours, card):
    session = Session(card)
    assert session.compiled
    assert session.provider == "cpu"
    run = session.bound({"face": some_faces(3, 1)})
    found = dict(zip(session.output_names, run.run(), strict=True))
    for name, wanted in session.run({"face": some_faces(3, 1)}).items():
        np.testing.assert_array_equal(found[name], wanted)


def test_fewer_outputs_are_enough(ours, card):
    asked = ("embedding", "valence")
    session = Session(card, outputs=asked)
    faces = some_faces(2, 3)
    assert session.compiled
    assert set(session.output_names) == set(asked)
    whole = dict(zip(ours.output_names, ours.run({"face": faces}), strict=True))
    for name, found in session.run({"face": faces}).items():
        np.testing.assert_array_equal(found, whole[name])


@pytest.mark.parametrize("reason", ["numpy", "float32", "two threads"])
def test_onnx_runtime_runs_what_the_kernel_does_not(card, monkeypatch, reason):
    if reason == "numpy":
        monkeypatch.setenv(VARIABLE, "numpy")
    model = ModelCard.load(FACE) if reason == "float32" else card
    session = Session(model, threads=2 if reason == "two threads" else 1)
    assert not session.compiled
    assert session.run({"face": some_faces(1, 0)})["embedding"].shape == (1, card.embedding_dim)


def test_a_kernel_that_says_something_else_is_not_used(ours, usual, card, monkeypatch, caplog):
    def spoilt(graph):
        network = match(graph)
        last = network.layers[-1]
        wrong = dataclasses.replace(last, factors=last.factors * 1.3)
        return dataclasses.replace(network, layers=(*network.layers[:-1], wrong))

    monkeypatch.setattr(backend, "match", spoilt)
    with caplog.at_level(logging.WARNING):
        assert open_quantised(FACE, card.file, usual) is None
    assert "is not used" in caplog.text


def test_a_network_of_another_kind_is_refused_by_name(card):
    graph = read_graph(card.file.read_bytes())
    resize = next(node for node in graph.nodes if node.op == "Resize")
    other = dataclasses.replace(resize, attributes={**resize.attributes, "mode": "nearest"})
    nodes = tuple(other if node is resize else node for node in graph.nodes)
    with pytest.raises(UnsupportedError, match="scaled in another way"):
        match(dataclasses.replace(graph, nodes=nodes))


def convolved(levels, layer):
    """Return a layer's levels, (channels, rows, columns), by numpy."""
    size, stride = layer.weights.shape[2], layer.stride
    padded = np.pad(levels, ((0, 0), *[(layer.before, layer.after)] * 2)).astype(np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (1, 2))
    windows = windows[:, ::stride, ::stride]
    how = "cyxij,cij->cyx" if layer.depthwise else "dyxij,cdij->cyx"
    weights = layer.weights[:, 0] if layer.depthwise else layer.weights
    sums = np.einsum(how, windows, weights.astype(np.int64)) + layer.bias[:, None, None]
    scaled = sums.astype(np.float32) * layer.factors[:, None, None]
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


@st.composite
def layers(draw):
    """Draw layers behind a picture of 32 channels and 12×12 px."""
    random, channels, made = np.random.default_rng(draw(st.integers(0, 2**32 - 1))), 32, []
    side = 12
    for depthwise in draw(st.lists(st.booleans(), min_size=1, max_size=5)):
        depthwise = depthwise and channels % 64 == 0 and side > 2
        outputs = channels if depthwise else 64 * draw(st.integers(1, 3))
        inputs, size = (1, 3) if depthwise else (channels, 1)
        stride = draw(st.integers(1, 2)) if depthwise else 1
        before = draw(st.integers(0, 1)) if depthwise else 0
        after = draw(st.integers(0, 1)) if depthwise else 0
        weights = random.integers(-127, 128, (outputs, inputs, size, size), np.int8)
        bias = random.integers(-9999, 9999, outputs, np.int32)
        factors = random.uniform(0.2, 2.0, outputs) / (60 * np.sqrt(inputs * size**2))
        made.append(
            Convolution(weights, bias, factors.astype("f4"), depthwise, stride, before, after)
        )
        side, channels = (side + before + after - size) // stride + 1, outputs
    return tuple(made)


@settings(max_examples=40)
@given(layers=layers(), seed=st.integers(0, 2**32 - 1), count=st.integers(1, 9))
def test_levels_are_those_of_whole_numbers_to_the_last_one(ours, layers, seed, count):
    side, wide, random = 10, 12, np.random.default_rng(seed)
    corner = np.zeros((32, 1, 3, 3), np.float32)
    corner[:, :, 1, 1] = random.integers(-3, 4, (32, 1))
    bias = random.integers(0, 4, 32).astype("f4")
    same = np.zeros((32, 1, 3, 3), np.float32)
    same[:, :, 1, 1] = 1.0
    # The greatest bound a byte has at this step; sums of few products, whose order tells nothing.
    front = Front(wide, 8.0, 6.0, 6 / 255, (corner, bias, 1, 1), (same, np.zeros(32, "f4")))
    channels = layers[-1].weights.shape[0]
    dense = (Dense(-1, np.eye(channels, dtype="f4"), np.zeros(channels, "f4"), name="means"),)
    network = Network("face", front, layers, 1.0, dense, ("means",))
    spec = TensorSpec("face", ("n", 1, side, side), np.dtype(np.uint8))
    faces = random.integers(0, 256, (count, 1, side, side), np.uint8)
    (found,) = QuantisedBackend(network, spec).run({"face": faces})
    for face, said in zip(faces[:, 0], found, strict=True):
        levels = first_levels(face, wide, corner[:, 0, 1, 1], bias)
        for layer in layers:
            levels = convolved(levels, layer)
        wanted = levels.mean(axis=(1, 2))
        # One level of the front that lies between two whole numbers moves few others.
        assert np.mean(np.abs(said - wanted) > 1e-3) < 0.02 or np.abs(said - wanted).max() < 1.0


def first_levels(face, wide, factors, bias):
    """Return (32, wide, wide) levels of a face that is standardised and enlarged, by numpy."""
    grey = face.astype(np.float64)
    grey = (grey - grey.mean()) / (grey.std() + 8.0)
    places = np.clip((np.arange(wide) + 0.5) * len(face) / wide - 0.5, 0, len(face) - 1)
    rows = np.stack([np.interp(places, np.arange(len(face)), row) for row in grey])
    large = np.stack([np.interp(places, np.arange(len(face)), row) for row in rows.T]).T
    sums = np.clip(large * factors[:, None, None] + bias[:, None, None], 0.0, 6.0)
    return np.clip(np.rint(sums * (255 / 6)), 0, 255).astype(np.uint8)
