"""A fitted blend as ONNX, with everything that it needs inside: scaling, trees, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.training.physiology.boost import Blend
from emostress_ros.training.physiology.fit import CLIP

_OPSETS = (("", 17), ("ai.onnx.ml", 3))


def export_blend(model: Blend, path: Path, features: npt.NDArray[np.floating]) -> float:
    """Write `model` to `path` and check it against what was fitted.

    Inputs `features` (N, inputs) and `present` (N, inputs; 1 where the feature is there); outputs
    `embedding` (N, inputs), the standardised features, and `stress` (N,), calibrated.

    Args:
        model: fitted and calibrated.
        path: the file to write.
        features: shape (n, inputs), NaN where missing: windows to compare on.

    Returns:
        the largest absolute difference of the probability between ONNX Runtime and the model.
    """
    import onnx

    opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in _OPSETS]
    proto = onnx.helper.make_model(_graph(model), opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(proto)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(proto, path)
    return _difference(model, path, features)


def _graph(model: Blend) -> Any:
    from onnx import TensorProto, helper

    inputs = len(model.logistic.weights)
    constants: dict[str, Any] = {
        "mean": model.logistic.mean,
        "scale": model.logistic.scale,
        "low": np.float32(-CLIP),
        "high": np.float32(CLIP),
        "slope": np.float32(model.share / model.temperature),
        "shift": np.float32(model.shift),
        "flat": np.array([-1], np.int64),
    }
    parts = [*_line_nodes(model, constants), *_tree_nodes(model, constants)]
    parts += _perceptron_nodes(model, constants)
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["centred"]),
        helper.make_node("Div", ["centred", "scale"], ["scaled"]),
        helper.make_node("Clip", ["scaled", "low", "high"], ["clipped"]),
        helper.make_node("Mul", ["clipped", "present"], ["embedding"]),
        *parts,
        helper.make_node("Sum", _said(model), ["total"]),
        helper.make_node("Mul", ["total", "slope"], ["sloped"]),
        helper.make_node("Add", ["sloped", "shift"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["column"]),
        helper.make_node("Reshape", ["column", "flat"], ["stress"]),
    ]
    tensor = helper.make_tensor_value_info
    return helper.make_graph(
        nodes,
        "physiology",
        [tensor(name, TensorProto.FLOAT, ["N", inputs]) for name in ("features", "present")],
        [
            tensor("embedding", TensorProto.FLOAT, ["N", inputs]),
            tensor("stress", TensorProto.FLOAT, ["N"]),
        ],
        [_constant(name, value) for name, value in constants.items()],
    )


def _said(model: Blend) -> list[str]:
    """Names of the logits that are added."""
    there = (("linear", model.line), ("trees", model.boosters))
    names = [name for name, is_there in there if is_there]
    return names + [f"perceptron{k}" for k in range(len(model.perceptrons))]


def _line_nodes(model: Blend, constants: dict[str, Any]) -> list[Any]:
    from onnx import helper

    if not model.line:
        return []
    constants |= {
        "weights": model.logistic.weights[:, None],
        "bias": np.array([model.logistic.bias]),
    }
    return [helper.make_node("Gemm", ["embedding", "weights", "bias"], ["linear"])]


def _tree_nodes(model: Blend, constants: dict[str, Any]) -> list[Any]:
    """The trees: a missing feature becomes NaN, which each tree sends its own way."""
    from onnx import helper

    if not model.boosters:
        return []
    constants |= {"half": np.float32(0.5), "missing": np.float32(np.nan)}
    return [
        helper.make_node("Greater", ["present", "half"], ["there"]),
        helper.make_node("Where", ["there", "features", "missing"], ["holed"]),
        helper.make_node(
            "TreeEnsembleRegressor", ["holed"], ["trees"], domain="ai.onnx.ml",
            **_tree_attributes(model.boosters),
        ),
    ]  # fmt: skip


def _perceptron_nodes(model: Blend, constants: dict[str, Any]) -> list[Any]:
    """The perceptrons; the last layer of each is divided by their number, so that they add up."""
    from onnx import helper

    nodes = []
    for k, perceptron in enumerate(model.perceptrons):
        held = "embedding"
        for number, (matrix, bias) in enumerate(perceptron.layers):
            last = number + 1 == len(perceptron.layers)
            share = 1.0 / len(model.perceptrons) if last else 1.0
            name = f"perceptron{k}" if last else f"units{k}_{number}"
            constants |= {f"{name}_matrix": share * matrix.T, f"{name}_bias": share * bias}
            nodes.append(helper.make_node("Gemm", [held, f"{name}_matrix", f"{name}_bias"], [name]))
            if not last:
                nodes.append(helper.make_node("Relu", [name], [f"{name}_bent"]))
            held = f"{name}_bent"
    return nodes


def _tree_attributes(boosters: Sequence[Any]) -> dict[str, Any]:
    """Attributes of a TreeEnsembleRegressor: the mean raw score."""
    nodes: dict[str, list[Any]] = {
        f"nodes_{key}": []
        for key in (
            "treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids",
            "missing_value_tracks_true",
        )
    }  # fmt: skip
    keys = ("treeids", "nodeids", "weights")
    leaves: dict[str, list[Any]] = {f"target_{key}": [] for key in keys}
    trees = [tree for booster in boosters for (tree,) in booster._predictors]
    for number, tree in enumerate(trees):
        for place, node in enumerate(tree.nodes):
            leaf = bool(node["is_leaf"])
            _append(nodes, "nodes_", number, place, _node(node, leaf))
            if leaf:
                weight = float(node["value"]) / len(boosters)
                leaves["target_treeids"].append(number)
                leaves["target_nodeids"].append(place)
                leaves["target_weights"].append(weight)
    base = float(np.mean([booster._baseline_prediction for booster in boosters]))
    return {
        **nodes,
        **leaves,
        "target_ids": [0] * len(leaves["target_weights"]),
        "n_targets": 1,
        "base_values": [base],
        "aggregate_function": "SUM",
        "post_transform": "NONE",
    }


def _node(node: Any, leaf: bool) -> dict[str, Any]:
    return {
        "featureids": 0 if leaf else int(node["feature_idx"]),
        "values": 0.0 if leaf else float(node["num_threshold"]),
        "modes": "LEAF" if leaf else "BRANCH_LEQ",
        "truenodeids": 0 if leaf else int(node["left"]),
        "falsenodeids": 0 if leaf else int(node["right"]),
        "missing_value_tracks_true": int(bool(node["missing_go_to_left"])) if not leaf else 0,
    }


def _append(
    table: dict[str, list[Any]], prefix: str, tree: int, place: int, row: dict[str, Any]
) -> None:
    for key, value in {"treeids": tree, "nodeids": place, **row}.items():
        table[prefix + key].append(value)


def _constant(name: str, value: npt.ArrayLike) -> Any:
    from onnx import numpy_helper

    array = np.asarray(value)
    kept = array if array.dtype == np.int64 else array.astype(np.float32)
    return numpy_helper.from_array(kept, name)


def _difference(model: Blend, path: Path, features: npt.NDArray[np.floating]) -> float:
    from emostress_ros.inference import Session

    there = np.isfinite(features)
    got = Session(path).run(
        {"features": np.where(there, features, 0.0), "present": there.astype(np.float32)}
    )["stress"]
    return float(np.abs(got - model.predict(features.astype(np.float64))).max())


def sensor_groups(channels: Sequence[str]) -> npt.NDArray[np.int64]:
    """Number of the sensor of each feature.

    What comes from the pulse wave and from the heart is hidden together: one sensor makes both.
    """
    names = sensor_names(channels)
    sensors = ["heart" if channel == "pulse" else channel for channel in channels]
    return np.array([names.index(name) for name in sensors], np.int64)


def sensor_names(channels: Sequence[str]) -> list[str]:
    """Names of the sensors in the order of their numbers."""
    return sorted({"heart" if channel == "pulse" else channel for channel in channels})
