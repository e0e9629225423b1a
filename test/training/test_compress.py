"""Smaller variants: how much smaller, how near, and that they come back."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from emostress_ros.errors import ModelError, ParameterError  # noqa: E402
from emostress_ros.inference import ModelCard, Session  # noqa: E402
from emostress_ros.resources import share_directory  # noqa: E402
from emostress_ros.training import compress, int8, refit  # noqa: E402

X = np.random.default_rng(0).normal(size=(40, 1, 8, 8)).astype(np.float32)


def constant(name: str, *shape: int) -> onnx.TensorProto:
    rng = np.random.default_rng(len(name))
    return numpy_helper.from_array((rng.normal(size=shape) / 12).astype(np.float32), name)


@pytest.fixture
def net() -> onnx.ModelProto:
    """A convolution, a matrix, a stack of matrices and a vector, as the models have them."""
    nodes = [
        helper.make_node("Conv", ["x", "kernel"], ["maps"], kernel_shape=[3, 3]),
        helper.make_node("Relu", ["maps"], ["rectified"]),
        helper.make_node("Flatten", ["rectified"], ["flat"]),
        helper.make_node("MatMul", ["flat", "matrix"], ["hidden"]),
        helper.make_node("Add", ["hidden", "bias"], ["shifted"]),
        helper.make_node("Unsqueeze", ["shifted", "axis"], ["one"]),
        helper.make_node("MatMul", ["one", "stack"], ["many"]),
        helper.make_node("ReduceMean", ["many"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("Softmax", ["mean"], ["probabilities"], axis=-1),
    ]
    weights = [
        constant("kernel", 128, 1, 3, 3), constant("matrix", 4608, 64), constant("bias", 64),
        constant("stack", 3, 64, 6), numpy_helper.from_array(np.array([1, 2]), "axis"),
    ]  # fmt: skip
    graph = helper.make_graph(
        nodes, "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 6])],
        weights,
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def answers(model: onnx.ModelProto) -> np.ndarray:
    return Session(model.SerializeToString()).run({"x": X})["probabilities"]


@pytest.mark.parametrize(
    ("make", "share", "off"), [(compress.halve, 0.52, 2e-3), (compress.store_int8, 0.28, 5e-2)]
)
def test_what_is_stored_small_is_small_near_and_comes_back(
    net: onnx.ModelProto, make: object, share: float, off: float
) -> None:
    small = make(net)  # type: ignore[operator]
    assert small.ByteSize() < share * net.ByteSize()
    np.testing.assert_allclose(answers(small), answers(net), atol=off)
    wide = compress.widen(small)
    assert {n.op_type for n in wide.graph.node} == {n.op_type for n in net.graph.node}
    np.testing.assert_allclose(answers(wide), answers(small), atol=1e-6)


def test_the_input_is_left_as_it_was(net: onnx.ModelProto) -> None:
    before = net.SerializeToString()
    for make in (compress.widen, compress.halve, compress.store_int8):
        make(net)
    compress.prune(net, 0.5)
    assert net.SerializeToString() == before


@pytest.mark.parametrize("sparsity", [0.0, 0.3, 0.9])
def test_pruning_drops_the_smallest_share(net: onnx.ModelProto, sparsity: float) -> None:
    before = {t.name: numpy_helper.to_array(t) for t in net.graph.initializer}
    for tensor in compress.prune(net, sparsity).graph.initializer:
        value, old = numpy_helper.to_array(tensor), before[tensor.name]
        if old.size < compress.LEAST_SIZE:
            np.testing.assert_array_equal(value, old)
            continue
        gone = value == 0
        assert gone.mean() == pytest.approx(sparsity, abs=0.01)
        np.testing.assert_array_equal(value[~gone], old[~gone])
        if gone.any():
            assert np.abs(old[gone]).max() <= np.abs(old[~gone]).min()


def test_a_sparsity_of_everything_is_refused(net: onnx.ModelProto) -> None:
    with pytest.raises(ParameterError, match="sparsity"):
        compress.prune(net, 1.0)


def test_every_channel_has_a_scale_of_its_own() -> None:
    weight = np.array([[1.0, 100.0], [-0.5, 50.0]], np.float32)
    codes, scale = compress.quantise(weight, -1)
    np.testing.assert_array_equal(np.abs(codes).max(axis=0), [127, 127])
    np.testing.assert_allclose(codes * scale, weight, rtol=0.01)


def test_int8_arithmetic_runs_and_is_near(net: onnx.ModelProto, tmp_path: Path) -> None:
    onnx.save(net, str(tmp_path / "net.onnx"))
    feeds = [{"x": X[i : i + 1]} for i in range(20)]
    int8.quantise_static(tmp_path / "net.onnx", tmp_path / "static.onnx", feeds)
    int8.quantise_dynamic(tmp_path / "net.onnx", tmp_path / "dynamic.onnx")
    for name in ("static", "dynamic"):
        small = onnx.load(str(tmp_path / f"{name}.onnx"))
        assert small.ByteSize() < 0.4 * net.ByteSize()
        np.testing.assert_allclose(answers(small), answers(net), atol=0.15)


@pytest.fixture
def encoder() -> onnx.ModelProto:
    """Four bounded convolutions, their mean, and the matrix that makes the embedding."""
    nodes, weights, last, inputs = [], [], "x", 1
    bounds = [numpy_helper.from_array(np.float32(v), n) for n, v in (("low", 0), ("high", 6))]
    for layer in range(4):
        kernel = np.random.default_rng(layer).normal(size=(32, inputs, 3, 3)) / np.sqrt(inputs * 3)
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"kernel{layer}"))
        nodes += [
            helper.make_node("Conv", [last, f"kernel{layer}"], [f"maps{layer}"], pads=[1] * 4),
            helper.make_node("Clip", [f"maps{layer}", "low", "high"], [f"bounded{layer}"]),
        ]
        last, inputs = f"bounded{layer}", 32
    nodes += [
        helper.make_node("ReduceMean", [last], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["mean", "matrix", "shift"], ["embedding"]),
    ]
    weights += [*bounds, constant("matrix", 32, 8), constant("shift", 8)]
    graph = helper.make_graph(
        nodes, "encoder",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["N", 8])],
        weights,
    )  # fmt: skip
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def test_bounds_go_into_the_product_before_them_and_the_first_two_stay(
    encoder: onnx.ModelProto, tmp_path: Path
) -> None:
    onnx.save(encoder, str(tmp_path / "net.onnx"))
    feeds = [{"x": X[i : i + 1]} for i in range(20)]
    int8.quantise_static(tmp_path / "net.onnx", tmp_path / "int8.onnx", feeds)
    small = onnx.load(str(tmp_path / "int8.onnx"))
    clips = [node for node in small.graph.node if node.op_type == "Clip"]
    assert len(clips) == 2  # else a product is rounded before it is bounded, and again after
    plain = {item.name for item in small.graph.initializer if item.data_type == TensorProto.FLOAT}
    assert {"kernel0", "kernel1"} <= plain and not {"kernel2", "kernel3"} & plain


def test_the_last_layer_fitted_anew_brings_the_embedding_nearer(
    encoder: onnx.ModelProto, tmp_path: Path
) -> None:
    reference, coarse = tmp_path / "net.onnx", tmp_path / "coarse.onnx"
    onnx.save(encoder, str(reference))
    spoilt = onnx.ModelProto()
    spoilt.CopyFrom(encoder)
    for tensor in spoilt.graph.initializer:
        if tensor.name.startswith("kernel"):
            value = numpy_helper.to_array(tensor)
            step = np.abs(value).max() / 3  # as if quantised to 3 bits
            rounded = (np.rint(value / step) * step).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, tensor.name))
    onnx.save(spoilt, str(coarse))
    rng = np.random.default_rng(1)
    many = rng.normal(size=(600, 1, 8, 8)).astype(np.float32)

    def error() -> float:
        wanted, got = (Session(f).run({"x": many[400:]})["embedding"] for f in (reference, coarse))
        return float(np.sqrt(np.mean((wanted - got) ** 2)))

    before = error()
    assert refit.refit_embedding(coarse, reference, [{"x": x[None]} for x in many[:400]])
    assert error() < 0.7 * before


def test_a_network_without_an_embedding_is_left_as_it_is(
    net: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(net, str(path))
    before = path.read_bytes()
    assert not refit.refit_embedding(path, path, [{"x": X[:1]}])
    assert path.read_bytes() == before


def test_a_ridge_without_penalty_finds_the_line() -> None:
    rng = np.random.default_rng(0)
    x, matrix, shift = rng.normal(size=(50, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)
    found, moved = refit.ridge(x, x @ matrix + shift, 0.0)
    np.testing.assert_allclose(found, matrix, atol=1e-9)
    np.testing.assert_allclose(moved, shift, atol=1e-9)


def test_a_variant_in_the_models_own_folder_is_named_in_its_card(tmp_path: Path) -> None:
    folder = tmp_path / "face"
    shutil.copytree(share_directory() / "models/face_mobilenet", folder)
    card = ModelCard.load(folder)
    again = compress.add_variant(card, card, "int8", "a copy")
    small = again.variant("int8")
    small.check_weights()
    assert small.file.parent == folder and small.file != card.file
    assert again.identifier == card.identifier and again.figures == card.figures


def test_a_graph_without_weights_cannot_be_quantised(tmp_path: Path) -> None:
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 6]) for n in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", *[[v] for v in values])
    bare = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(ModelError, match="1024"):
        compress.check_worth(bare)
    onnx.save(bare, str(tmp_path / "bare.onnx"))
    with pytest.raises(ModelError, match="1024"):
        int8.quantise_dynamic(tmp_path / "bare.onnx", tmp_path / "out.onnx")


def test_a_variant_brings_what_else_the_model_needs(tmp_path: Path) -> None:
    card = ModelCard.load(share_directory() / "models/text_minilm")
    out = tmp_path / "v"
    out.mkdir()
    shutil.copyfile(card.file, out / "model.onnx")
    compress.write_variant(card, out / "model.onnx", "same", out)
    others = {p.name for p in card.folder.iterdir()} - {"model.yaml", "model.onnx"}
    assert others and all((out / name).read_bytes() for name in others)


def test_a_variant_is_a_model_with_a_card_and_no_borrowed_figures(tmp_path: Path) -> None:
    card = ModelCard.load(share_directory() / "models/text_minilm_open")
    wide = compress.widen(onnx.load(str(card.file)))
    onnx.save(compress.halve(wide), str(tmp_path / "model.onnx"))
    variant = compress.write_variant(card, tmp_path / "model.onnx", "fp16", tmp_path)
    assert variant.name == "text_minilm_open_fp16"
    assert variant.figures == ()
    assert variant.extra["variant_of"] == card.identifier
    sentence = np.random.default_rng(0).normal(size=(4, 384)).astype(np.float32)
    ours, theirs = (Session(c).run({"sentence": sentence}) for c in (variant, card))
    np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=5e-3)
