"""Small networks that compiled kernels run say what ONNX Runtime says of them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.fusion.learned import USED
from emostress_ros.inference import ModelCard
from emostress_ros.inference.session import Session
from emostress_ros.inference.steps import compile_run
from emostress_ros.inference.steps.program import Program
from emostress_ros.kernels import VARIABLE, kernels

FUSIONS = ("fusion_attention", "fusion_early", "fusion_hybrid")


@pytest.fixture
def compiled() -> None:
    if kernels().library is None:
        pytest.skip(f"needs the compiled kernels; {kernels().said}")


def bound_to(session, feed):
    """Return a run over arrays that hold what is fed."""
    run = session.bound({name: np.zeros_like(value) for name, value in feed.items()})
    for name, value in feed.items():
        run.inputs[name][...] = value
    return run


def assert_says_the_same(session, feed, tolerance=1e-4):
    said = dict(zip(session.output_names, bound_to(session, feed).run(), strict=True))
    for name, value in session.run(feed).items():
        np.testing.assert_allclose(said[name], value, rtol=tolerance, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", FUSIONS)
def test_the_fusions_are_run_by_compiled_kernels(compiled, name):
    session = Session(ModelCard.load(name), outputs=USED)
    run = session.bound(evidence(session, 2, 3, np.random.default_rng(0)))
    assert isinstance(run._run, Program)
    assert session.compiled


@settings(max_examples=25)
@given(st.sampled_from(FUSIONS), st.integers(1, 8), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_every_number_of_people_and_senses_gets_the_same_answer(name, people, tokens, seed):
    session = Session(ModelCard.load(name), outputs=USED)
    feed = evidence(session, people, tokens, np.random.default_rng(seed))
    assert_says_the_same(session, feed)


def evidence(session, people, tokens, random):
    width, columns = (session._inputs[name].shape[-1] for name in ("embeddings", "evidence"))
    shapes = {"embeddings": (people, width), "evidence": (people, tokens, columns)}
    return {name: random.normal(size=shape).astype("f4") for name, shape in shapes.items()}


def test_without_kernels_onnx_runtime_runs_it(monkeypatch):
    monkeypatch.setenv(VARIABLE, "numpy")
    session = Session(ModelCard.load("fusion_early"), outputs=USED)
    feed = evidence(session, 1, 4, np.random.default_rng(0))
    assert not isinstance(bound_to(session, feed)._run, Program)
    assert not session.compiled
    assert_says_the_same(session, feed, 0.0)


def test_what_says_something_else_is_not_used(compiled, caplog):
    session = Session(ModelCard.load("fusion_early"), outputs=USED)
    run = session.bound(evidence(session, 1, 4, np.random.default_rng(0)))
    outputs = dict(zip(session.output_names, run.outputs, strict=True))

    def reference():
        for array in run.outputs:
            array.fill(0.5)

    with caplog.at_level(logging.WARNING):
        found = compile_run("mine", session._backend._graph, run.inputs, outputs, reference)
    assert found is None
    assert "mine: compiled steps are" in caplog.text


# --- Made-up graphs, an operation at a time. -----------------------------------------------------

CASES = {
    "Add": ("Add", [(2, 1, 3), (4, 1)], {}),
    "Sub": ("Sub", [(2, 3), (3,)], {}),
    "Mul": ("Mul", [(2, 3, 4), (2, 3, 4)], {}),
    "Div": ("Div", [(5,), (1,)], {}),
    "Relu": ("Relu", [(3, 17)], {}),
    "Sigmoid": ("Sigmoid", [(3, 17)], {}),
    "Erf": ("Erf", [(2, 9)], {}),
    "Softplus": ("Softplus", [(2, 9)], {}),
    "Abs": ("Abs", [(2, 9)], {}),
    "Clip": ("Clip", [(4, 5), -0.5, 0.25], {}),
    "Clip from below": ("Clip", [(4, 5), 0.0], {}),
    "Softmax": ("Softmax", [(2, 3, 7)], {"axis": -1}),
    "ReduceSum": ("ReduceSum", [(2, 3, 4), [1]], {"keepdims": 0}),
    "ReduceSum, kept": ("ReduceSum", [(2, 3, 4), [0]], {}),
    "ReduceMean": ("ReduceMean", [(2, 3, 4), [-1]], {"keepdims": 0}),
    "ReduceL2": ("ReduceL2", [(2, 3, 4), [-2]], {"keepdims": 1}),
    "MatMul": ("MatMul", [(2, 1, 3, 5), (4, 5, 21)], {}),
    "MatMul of columns": ("MatMul", [(3, 40), (40, 1)], {}),
    "MatMul of nothing": ("MatMul", [(3, 1), (1, 16)], {}),
    "Gemm": ("Gemm", [(3, 5), (37, 5), (37,)], {"transB": 1}),
    "Gemm of columns": ("Gemm", [(5, 3), (5, 33)], {"transA": 1}),
    "Transpose": ("Transpose", [(2, 3, 4)], {"perm": [2, 0, 1]}),
    "Reshape": ("Reshape", [(2, 3, 4), [0, -1]], {}),
    "Flatten": ("Flatten", [(2, 3, 4)], {"axis": 2}),
    "Unsqueeze": ("Unsqueeze", [(2, 3), [0, 3]], {}),
    "Squeeze": ("Squeeze", [(2, 1, 3, 1), [1, -1]], {}),
    "Squeeze all": ("Squeeze", [(1, 3, 1)], {}),
    "Slice": ("Slice", [(6, 7), [1, -5], [9, -1], [0, 1], [2, 1]], {}),
    "Split": ("Split", [(2, 7), [3, 4]], {"axis": 1}),
    "Gather": ("Gather", [(2, 3, 4), np.array(-1)], {"axis": 1}),
    "Concat": ("Concat", [(2, 3), (2, 1), (2, 4)], {"axis": 1}),
}


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("case", CASES)
def test_an_operation_is_computed_as_onnx_defines_it(compiled, case, seed):
    session, feed = made_up(*CASES[case], seed)
    run = bound_to(session, feed)
    assert isinstance(run._run, Program)
    assert_says_the_same(session, feed, 2e-6)


@pytest.mark.parametrize(
    ("operation", "inputs", "attributes"),
    [
        ("Cos", [(2, 3)], {}),
        ("Softmax", [(2, 3, 4)], {"axis": 1}),
        ("ReduceSum", [(2, 3, 4), [0, 1]], {}),
        ("Gather", [(4, 3), np.array([2, 0])], {"axis": 0}),
        ("Slice", [(6,), [4], [0], [0], [-1]], {}),
        ("Gemm", [(2, 3), (3, 4)], {"alpha": 2.0}),
        ("MatMul", [(3,), (3, 4)], {}),
    ],
)
def test_what_has_no_step_is_left_to_onnx_runtime(operation, inputs, attributes):
    session, feed = made_up(operation, inputs, attributes, 0)
    assert not isinstance(bound_to(session, feed)._run, Program)
    assert_says_the_same(session, feed, 0.0)


@settings(max_examples=40)
@given(st.data())
def test_a_product_with_a_matrix_of_zeros_and_blocks_is_the_product(data):
    rows, inner, width = (data.draw(st.integers(1, 40)) for _ in range(3))
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    matrix = random.normal(size=(inner, width)) * (random.random((inner, width)) < 0.1)
    session, feed = made_up("MatMul", [(rows, inner), matrix.astype("f4")], {}, 0)
    assert_says_the_same(session, feed, 2e-6)


def made_up(operation, inputs, attributes, seed):
    """Return a session of one operation, and made-up inputs of it.

    Args:
        operation: of ONNX.
        inputs: the shape of each, as a tuple; anything else is a constant.
        attributes: of the operation.
        seed: of what the inputs hold.
    """
    onnx = pytest.importorskip("onnx")
    random, feed, constants = np.random.default_rng(seed), {}, []
    for place, given_ in enumerate(inputs):
        if isinstance(given_, tuple):
            feed[f"in{place}"] = random.normal(size=given_).astype("f4")
        else:
            array = np.array(given_)
            array = array.astype("f4" if array.dtype.kind == "f" else "i8")
            constants.append(onnx.numpy_helper.from_array(array, f"in{place}"))
    outputs = ["out0", "out1"] if operation == "Split" else ["out0"]
    names = [f"in{place}" for place in range(len(inputs))]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(operation, names, outputs, **attributes)],
        "made_up",
        [onnx.helper.make_tensor_value_info(n, 1, value.shape) for n, value in feed.items()],
        [onnx.helper.make_tensor_value_info(n, 1, None) for n in outputs],
        initializer=constants,
    )
    opset = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opset, ir_version=8)
    return Session(model.SerializeToString()), feed
