"""Networks of separable convolutions that a kernel runs say what ONNX Runtime says of them."""

from __future__ import annotations

import logging

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from emostress_ros.inference import separable
from emostress_ros.inference.onnx_graph import read_graph
from emostress_ros.inference.ort_backend import OrtBackend
from emostress_ros.inference.separable import SeparableNetwork
from emostress_ros.inference.separable.matching import match
from emostress_ros.inference.separable.program import Program
from emostress_ros.inference.trial import UnsupportedError
from emostress_ros.kernels import kernels
from emostress_ros.modalities.face.detector import FaceDetector


@pytest.fixture(autouse=True)
def compiled() -> None:
    if kernels().library is None:
        pytest.skip(f"needs the compiled kernels; {kernels().said}")


class Maker:
    """Makes a network of random numbers, node by node."""

    def __init__(self, seed):
        self.random, self.nodes, self.constants, self.count = np.random.default_rng(seed), [], [], 0

    def constant(self, values):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, op, *inputs, name=None, **attributes):
        self.count += 1
        name = name or f"t{self.count}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def convolution(self, source, inputs, outputs, size, stride=1, group=1):
        scale = 1.0 / np.sqrt(inputs // group * size * size)
        weights = self.random.normal(0, scale, (outputs, inputs // group, size, size))
        bias = self.random.normal(0, 0.3, outputs)
        return self.node(
            "Conv", source, self.constant(weights.astype("f4")), self.constant(bias.astype("f4")),
            kernel_shape=[size] * 2, strides=[stride] * 2, pads=[size // 2] * 4, group=group,
            dilations=[1, 1],
        )  # fmt: skip

    def unit(self, source, inputs, outputs, bounded=True):
        between = self.convolution(source, inputs, outputs, 1)
        found = self.convolution(between, outputs, outputs, 3, group=outputs)
        return self.node("Relu", found) if bounded else found

    def head(self, source, inputs, size, name, squashed):
        found = self.unit(source, inputs, size, bounded=False)
        found = self.node("Transpose", found, perm=[0, 2, 3, 1])
        shape = self.constant(np.array([1, -1, size], np.int64))
        shaped = self.node("Reshape", found, shape, name=None if squashed else name)
        return self.node("Sigmoid", shaped, name=name) if squashed else shaped

    def enlarged(self, source):
        scales = self.constant(np.array([1, 1, 2, 2], "f4"))
        return self.node(
            "Resize", source, "", scales, mode="nearest", nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )  # fmt: skip

    def model(self, rows, columns, outputs):
        shape = [None, 3, rows, columns]
        image = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
        values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
        graph = helper.make_graph(self.nodes, "net", [image], values, self.constants)
        opset = [helper.make_opsetid("", 13)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()


@st.composite
def networks(draw):
    """Draw a pyramid of two levels: its bytes, and rows and columns of its image."""
    maker = Maker(draw(st.integers(0, 2**32 - 1)))
    first, second, last = (draw(st.sampled_from([16, 32, 48, 64])) for _ in range(3))
    at = maker.convolution("image", 3, first, 3, stride=2)
    at = maker.unit(maker.node("Relu", at), first, second)
    for _ in range(draw(st.integers(0, 2))):
        at = maker.unit(at, second, second, bounded=draw(st.booleans()))
    large = maker.unit(at, second, last)
    small = maker.node("MaxPool", large, kernel_shape=[2, 2], strides=[2, 2])
    small = maker.unit(small, last, last)
    joined = maker.node("Add", large, maker.enlarged(small))
    outputs = ["sure", "box", "small", "sure_small"]
    maker.head(joined, last, 1, "sure", True)
    maker.head(joined, last, draw(st.integers(1, 10)), "box", False)
    maker.head(small, last, draw(st.integers(1, 20)), "small", False)
    maker.head(small, last, 1, "sure_small", True)
    rows, columns = (4 * draw(st.integers(1, 9)) for _ in range(2))
    return maker.model(rows, columns, outputs), rows, columns


def bound(model, images):
    """Return ONNX Runtime's outputs by name, their arrays, and what fills them again."""
    backend = OrtBackend("net", model, ("cpu",), 1, "fp32")
    feed = {name: images for name in backend.inputs}
    wanted = dict(zip(backend.output_names, backend.run(feed), strict=True))
    outputs = {name: np.full_like(value, np.nan) for name, value in wanted.items()}
    return feed, wanted, outputs, backend._bound(feed, list(outputs.values()))


@settings(max_examples=40)
@given(network=networks(), count=st.integers(1, 3), seed=st.integers(0, 99))
def test_networks_of_all_sizes_get_onnx_runtimes_answer(network, count, seed):
    model, rows, columns = network
    images = np.random.default_rng(seed).normal(size=(count, 3, rows, columns)).astype("f4")
    feed, wanted, outputs, _ = bound(model, images)
    Program(match(read_graph(model)), feed, outputs)()
    for name, right in wanted.items():
        np.testing.assert_allclose(outputs[name], right, rtol=1e-4, atol=1e-5, err_msg=name)


@pytest.fixture(scope="module")
def detector():
    maker = Maker(0)
    at = maker.node("Relu", maker.convolution("image", 3, 16, 3, stride=2))
    maker.head(maker.unit(at, 16, 16), 16, 4, "box", False)
    return maker.model(16, 16, ["box"])


def test_the_face_detector_is_such_a_network():
    detector = FaceDetector(96, 96)
    images = np.random.default_rng(0).uniform(0, 255, (3, 3, 96, 96)).astype("f4")
    model = detector.session._backend._source
    feed, wanted, outputs, _ = bound(model, images)
    Program(match(read_graph(model)), feed, outputs)()
    for name, right in wanted.items():
        np.testing.assert_allclose(outputs[name], right, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("times", [(1.0, 2.0), (2.0, 1.0)])
def test_what_takes_less_time_runs(detector, monkeypatch, times):
    feed, _, outputs, usual = bound(detector, np.zeros((1, 3, 16, 16), "f4"))
    network = SeparableNetwork("net", read_graph(detector))
    left = iter(times)
    monkeypatch.setattr(separable, "_least_time", lambda run: next(left))
    for _ in range(2):  # the second time it is known
        assert (network.bind(feed, outputs, usual) is not None) == (times[0] < times[1])


def test_a_kernel_that_says_something_else_is_not_used(detector, monkeypatch, caplog):
    feed, _, outputs, usual = bound(detector, np.zeros((1, 3, 16, 16), "f4"))

    def spoilt(graph):
        first, *others = match(graph)
        return [first._replace(bias=first.bias + 0.1), *others]

    monkeypatch.setattr(separable, "match", spoilt)
    with caplog.at_level(logging.WARNING):
        assert SeparableNetwork("net", read_graph(detector)).bind(feed, outputs, usual) is None
    assert "off" in caplog.text


@pytest.mark.parametrize(
    ("op", "attribute", "value"),
    [
        ("MaxPool", "kernel_shape", [3, 3]), ("Resize", "mode", "linear"),
        ("Conv", "dilations", [2, 2]), ("Conv", "strides", [2, 1]),
        ("Transpose", "perm", [0, 1, 2, 3]),
    ],
)  # fmt: skip
def test_a_network_of_another_kind_is_left_to_onnx_runtime(op, attribute, value):
    model = onnx.load_from_string(example())
    node = next(node for node in model.graph.node if node.op_type == op)
    found = next(one for one in node.attribute if one.name == attribute)
    found.CopyFrom(helper.make_attribute(attribute, value))
    with pytest.raises(UnsupportedError):
        match(read_graph(model.SerializeToString()))


def example():
    maker = Maker(1)
    at = maker.node("Relu", maker.convolution("image", 3, 16, 3, stride=2))
    large = maker.unit(at, 16, 16)
    small = maker.unit(maker.node("MaxPool", large, kernel_shape=[2, 2], strides=[2, 2]), 16, 16)
    maker.head(maker.node("Add", large, maker.enlarged(small)), 16, 4, "box", False)
    return maker.model(16, 16, ["box"])
