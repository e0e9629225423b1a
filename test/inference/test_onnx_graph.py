"""An ONNX file's graph is read as the onnx package reads it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emostress_ros.errors import ModelCorruptError
from emostress_ros.inference import ModelCard
from emostress_ros.inference.onnx_graph import read_graph

onnx = pytest.importorskip("onnx")
TYPES = ["f4", "f8", "f2", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]


@pytest.mark.parametrize("name", ["fusion_attention", "physiology_wrist", "face_mobilenet"])
def test_a_shipped_model_is_read_as_onnx_reads_it(name):
    content = ModelCard.load(name).file.read_bytes()
    wanted, found = onnx.load_from_string(content).graph, read_graph(content)
    assert found.inputs == tuple(item.name for item in wanted.input)
    assert found.outputs == tuple(item.name for item in wanted.output)
    for theirs, ours in zip(wanted.node, found.nodes, strict=True):
        assert (theirs.op_type, *theirs.input, *theirs.output) == (
            ours.op.removeprefix("ai.onnx.ml."), *ours.inputs, *ours.outputs
        )  # fmt: skip
        for attribute in theirs.attribute:
            assert_same(onnx.helper.get_attribute_value(attribute), ours.attributes[attribute.name])
    for tensor in wanted.initializer:
        np.testing.assert_array_equal(
            onnx.numpy_helper.to_array(tensor), found.constants[tensor.name]
        )


def assert_same(theirs, ours):
    if isinstance(theirs, onnx.TensorProto):
        theirs = onnx.numpy_helper.to_array(theirs)
    if isinstance(theirs, bytes):
        theirs = theirs.decode()
    if isinstance(theirs, list) and theirs and isinstance(theirs[0], bytes):
        assert ours is None  # lists of texts are of no use here
    else:
        np.testing.assert_array_equal(theirs, ours)


@given(
    st.sampled_from(TYPES).flatmap(
        lambda kind: hnp.arrays(kind, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0))
    ),
    st.booleans(),
)
def test_numbers_of_every_type_are_read(array, raw):
    kind = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
    values = array.tobytes() if raw else array.ravel()
    tensor = onnx.helper.make_tensor("numbers", kind, array.shape, values, raw=raw)
    found = read_graph(model(tensor)).constants["numbers"]
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


def test_what_cannot_be_read_is_named():
    tensor = onnx.TensorProto(name="far", data_type=1, dims=[2], data_location=1)
    with pytest.raises(ModelCorruptError, match=r"'far'.*another file"):
        read_graph(model(tensor))
    tensor = onnx.TensorProto(name="words", data_type=8, dims=[1])
    with pytest.raises(ModelCorruptError, match=r"'words'.*type 8"):
        read_graph(model(tensor))
    tensor = onnx.TensorProto(name="short", data_type=1, dims=[3], raw_data=b"\0" * 8)
    with pytest.raises(ModelCorruptError, match=r"'short'.*\[3\]"):
        read_graph(model(tensor))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_model_are_refused(junk):
    with pytest.raises(ModelCorruptError):
        read_graph(junk)


def model(tensor):
    graph = onnx.helper.make_graph([], "numbers", [], [], initializer=[tensor])
    return onnx.helper.make_model(graph).SerializeToString()
