"""What is exported to ONNX computes what torch does: at most 1e-4 apart on every output.

The voice's export and the physiology models check theirs in their own tests.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emostress_ros.inference import Session  # noqa: E402
from emostress_ros.training.face import export as face_export  # noqa: E402
from emostress_ros.training.face import nets as face_nets  # noqa: E402
from emostress_ros.training.text.calibrate import sigmoid, softmax  # noqa: E402
from emostress_ros.training.text.encoder import Bert, BertShape  # noqa: E402
from emostress_ros.training.text.export import (  # noqa: E402
    Graph,
    Linear,
    add_bert,
    add_heads,
    save,
)

PARITY = 1e-4


@pytest.mark.parametrize("name", ["logistic", "cnn", "mobile", "resnet_small", "mobilenet"])
def test_a_face_network_answers_as_torch_does(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = face_nets.build(name).eval()
    deployed = face_export.Deployed(net, (0.9, 1.3), flip=True).eval()
    faces = torch.randint(0, 256, (8, 1, 48, 48), dtype=torch.uint8)
    with torch.no_grad():
        face_export._write_onnx(deployed, tmp_path / "m.onnx", faces, half=False)
        wanted = deployed(faces)
    got = Session(tmp_path / "m.onnx").run({"face": faces.numpy()})
    for output, expected in zip(face_export.OUTPUTS, wanted, strict=True):
        limit = PARITY * max(1.0, float(expected.abs().max()))
        assert np.abs(got[output] - expected.numpy()).max() <= limit, output


def test_a_text_network_answers_as_torch_does(tmp_path: Path) -> None:
    torch.manual_seed(0)
    shape = BertShape(vocabulary=90, width=24, layers=2, heads=4, inner=48, positions=16)
    bert, rng = Bert(shape).eval(), np.random.default_rng(0)
    sizes = {"general": 7, "goemotions": 7, "meld": 7, "multilabel": 7, "stress": 1}
    heads = {
        name: Linear(*(rng.normal(size=s).astype(np.float32) for s in ((24, k), k)))
        for name, k in sizes.items()
    }
    graph = Graph(attention_heads=shape.heads)
    state = {name: value.numpy() for name, value in bert.state_dict().items()}
    outputs = add_heads(graph, add_bert(graph, state), None, heads)
    save(graph, ["input_ids", "attention_mask"], outputs, tmp_path / "m.onnx")
    ids, mask = rng.integers(0, 90, (3, 11)), np.ones((3, 11), np.int64)
    mask[1, 4:] = 0
    with torch.inference_mode():
        embedding = bert(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    logits = {name: embedding @ head.weight + head.bias for name, head in heads.items()}
    wanted = {
        "embedding": embedding,
        "probabilities": softmax(logits["general"]),
        "goemotions": softmax(logits["goemotions"]),
        "meld": softmax(logits["meld"]),
        "multilabel": sigmoid(logits["multilabel"]),
        "stress": sigmoid(logits["stress"])[:, 0],
    }
    got = Session(tmp_path / "m.onnx").run({"input_ids": ids, "attention_mask": mask})
    for output, expected in wanted.items():
        assert np.abs(got[output] - expected).max() <= PARITY, output
