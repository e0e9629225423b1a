"""The arithmetic of engines: keys, files, sizes, memory, batches and quantisation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
from fake_cudart import Cudart
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.errors import CardError, ModelCorruptError, ProviderError, SignalError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.card import Sizes
from emostress_ros.inference.engines import PRECISIONS, EngineKey
from emostress_ros.inference.native import store
from emostress_ros.inference.native.batches import in_parts
from emostress_ros.inference.native.buffers import Buffer, bytes_of
from emostress_ros.inference.native.cuda import Cuda
from emostress_ros.inference.native.profile import BATCH, profile_digest, profile_of
from emostress_ros.inference.native.rewrite import prepared
from emostress_ros.inference.native.runtime import version_of

words = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=8)
keys = st.builds(
    EngineKey,
    gpu=words,
    tensorrt=words,
    precision=st.sampled_from(PRECISIONS),
    model_sha256=st.text("0123456789abcdef", min_size=64, max_size=64),
    profile=words,
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSTRESS_ENGINES", str(tmp_path))
    return tmp_path


@given(keys, keys)
def test_only_equal_keys_share_a_folder(one, other):
    assert (one.folder == other.folder) == (
        replace(one, model_sha256=one.model_sha256[:16])
        == replace(other, model_sha256=other.model_sha256[:16])
    )


def test_an_engine_comes_back_as_it_was_kept_and_no_temporary_file_stays(cache):
    key = EngineKey("Orin sm_87", "10.3.0-native", "fp16", "a" * 64, "12345678")
    assert not key.built and store.load_engine(key) is None
    plan = bytes(range(256)) * 9 + b"\n\n"
    file = store.save_engine(key, plan)
    assert store.load_engine(key) == plan and key.built
    assert [path.name for path in file.parent.iterdir()] == ["model.engine"]


@given(place=st.integers(0, 400), value=st.integers(0, 255))
def test_no_changed_byte_goes_unnoticed(place, value):
    key = EngineKey("Orin", "10.3.0", "fp16", "a" * 64)
    file = store.save_engine(key, b"compiled" * 20)
    whole = bytearray(file.read_bytes())
    place %= len(whole)
    same = whole[place] == value
    whole[place] = value
    file.write_bytes(whole)
    if same:
        assert store.load_engine(key)
    else:
        with pytest.raises(ModelCorruptError, match=str(file)):
            store.load_engine(key)


@given(st.lists(st.integers(0, 50), max_size=4), st.sampled_from(["f4", "u1", "i8", "f2"]))
def test_memory_suffices_and_is_aligned(shape, kind):
    dtype = np.dtype(kind)
    size = bytes_of(shape, dtype)
    assert size >= max(1, int(np.prod(shape)) * dtype.itemsize) and size % 256 == 0
    assert size < int(np.prod(shape)) * dtype.itemsize + 257


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), min_size=1, max_size=6))
@settings(deadline=None)
def test_what_is_sent_comes_back_in_any_order_of_sizes_and_all_is_given_back(shapes):
    library = Cudart()
    cuda = Cuda(library)
    one, other = Buffer(cuda, np.dtype("f4")), Buffer(cuda, np.dtype("f4"))
    for shape in shapes:
        for buffer in (one, other):
            buffer.reserve(shape)
        wanted = np.random.default_rng(0).random(shape, "f4")
        one.view(shape)[...] = wanted
        one.send(shape, 0)
        cuda.copy(other.address, one.address, wanted.nbytes, 2, 0)
        other.fetch(shape, 0)
        cuda.synchronize(0)
        np.testing.assert_array_equal(other.view(shape), wanted)
    assert len(library.blocks) == 4
    del one, other, buffer
    assert not library.blocks


@given(st.integers(0, 30), st.integers(1, 12))
def test_parts_together_are_the_whole(count, limit):
    items, bias = np.arange(count * 2, dtype="f4").reshape(count, 2), np.ones(2, "f4")
    sizes = []

    def run(feed):
        sizes.append(len(feed["items"]))
        return [feed["items"] + feed["bias"], feed["items"].sum(1)]

    said = in_parts({"items": items, "bias": bias}, {"items": limit}, ["items"], run)
    np.testing.assert_array_equal(said[0], items + bias)
    np.testing.assert_array_equal(said[1], items.sum(1))
    assert all(1 <= size <= limit for size in sizes)


def test_parts_that_cannot_be_joined_are_refused():
    feed = {"items": np.zeros((9, 2))}
    with pytest.raises(SignalError, match="batches of 1 to 4"):
        in_parts(feed, {"items": 4}, ["items"], lambda part: [part["items"].reshape(1, -1)])
    with pytest.raises(SignalError, match=r"one length; got \[3, 9\]"):
        in_parts(feed | {"more": np.zeros(3)}, {"items": 4, "more": 4}, ["items", "more"], list)


@pytest.mark.parametrize("name", ["voice_speech", "text_minilm", "fusion_attention"])
def test_shipped_cards_name_all_sizes_and_the_least_can_be_run(name):
    card, feed = ModelCard.load(name), {}
    for tensor in card.inputs:
        network = [axis if isinstance(axis, int) else -1 for axis in tensor.shape]
        profile = profile_of(tensor.name, network, card)
        assert np.all(np.diff([profile.least, profile.usual, profile.most], axis=0) >= 0)
        assert profile.least[0] == 1 and profile.varies
        feed[tensor.name] = np.ones(profile.least, tensor.dtype)
    assert all(np.isfinite(value).all() for value in Session(card).run(feed).values())


@given(st.lists(st.integers(-1, 64), min_size=1, max_size=4))
def test_a_profile_keeps_fixed_sizes_and_gives_the_batch_its_range(shape):
    if any(size < 0 for size in shape[1:]):
        with pytest.raises(ProviderError, match=r"axis \d of the input 'x' may have any size"):
            profile_of("x", shape)
        return
    profile = profile_of("x", shape)
    first = (BATCH.least, BATCH.most) if shape[0] < 0 else (shape[0], shape[0])
    assert (profile.least[0], profile.most[0]) == first
    assert profile.least[1:] == profile.most[1:] == tuple(shape[1:])


def test_other_sizes_are_another_engine():
    one, other = {"T": Sizes(1, 2, 3)}, {"T": Sizes(1, 2, 4)}
    assert len({profile_digest(item) for item in (one, other, {}, dict(one))}) == 3


@pytest.mark.parametrize("sizes", [[2, 1, 3], [0, 1, 2], [1, 2], ["1", 2, 3], 5, None])
def test_a_card_with_impossible_sizes_is_refused(sizes):
    card = ModelCard.load("text_minilm")
    with pytest.raises(CardError, match=r"axes maps an axis .* got T"):
        ModelCard.from_mapping({**card.raw, "axes": {"T": sizes}}, card.folder)
    with pytest.raises(CardError, match=r"got Z"):
        ModelCard.from_mapping({**card.raw, "axes": {"Z": [1, 2, 3]}}, card.folder)


def test_versions_are_compared_as_numbers():
    assert version_of("8.6.2.3") < version_of("10.3.0") < version_of("11.0.0rc1")
    assert version_of("10") == (10, 0)


@given(
    values=st.lists(st.floats(-2, 9, width=32), min_size=3, max_size=3),
    scale=st.floats(0.01, 0.05),
)
@settings(deadline=None, max_examples=25)
def test_rewritten_quantisation_is_at_most_a_step_off(values, scale):
    onnx = pytest.importorskip("onnx")
    model = _quantised(onnx, scale)
    ours, theirs = (_answer(item, values) for item in (prepared(model, "int8", 10), model))
    assert np.abs(ours - theirs).max() <= 255 / 127 * scale
    assert "uint8" not in str(onnx.load_from_string(prepared(model, "int8", 10)).graph.node)


def test_asymmetric_quantisation_is_refused():
    onnx = pytest.importorskip("onnx")
    with pytest.raises(ProviderError, match="zero point other than 0"):
        prepared(_quantised(onnx, 0.02, zero=128), "int8", 10)


def test_a_model_stays_as_it_is_where_flags_say_the_precision():
    assert prepared(b"model", "fp16", 10) == prepared(b"model", "fp32", 11) == b"model"


def _quantised(onnx, scale: float, zero: int = 0) -> bytes:
    """Return x -> what uint8 of a scale keeps of it, plus a bias from int32."""
    make, arrays = onnx.helper, onnx.numpy_helper
    constants = {
        "scale": np.float32(scale), "zero": np.uint8(zero), "bias": np.array([3, -2, 1], np.int32),
        "bias_scale": np.float32(0.5), "bias_zero": np.int32(0),
    }  # fmt: skip
    graph = make.make_graph(
        [
            make.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
            make.make_node("DequantizeLinear", ["q", "scale", "zero"], ["kept"]),
            make.make_node("DequantizeLinear", ["bias", "bias_scale", "bias_zero"], ["b"]),
            make.make_node("Add", ["kept", "b"], ["y"]),
        ],
        "net",
        [make.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [3])],
        [make.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3])],
        [arrays.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [make.make_opsetid("", 17)]
    return make.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()


def _answer(model: bytes, values: list[float]) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model, options)
    return session.run(None, {"x": np.array(values, "f4")})[0]
