"""Export, calibration and fine-tuning of text models, on sizes that take a second."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.inference.session import Session
from emostress_ros.training.datasets.labelled_text import LabelledTexts, Row, assemble
from emostress_ros.training.text.calibrate import (
    decide,
    fit_platt,
    fit_temperature,
    fit_thresholds,
    sigmoid,
    softmax,
)

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from emostress_ros.training.text import finetune as finetuning  # noqa: E402
from emostress_ros.training.text.card import ENCODER  # noqa: E402
from emostress_ros.training.text.data import Corpora  # noqa: E402
from emostress_ros.training.text.encoder import Bert, BertShape, bert_from_onnx  # noqa: E402
from emostress_ros.training.text.export import (  # noqa: E402
    Graph,
    Linear,
    add_bert,
    add_heads,
    quantise_columns,
    save,
)
from emostress_ros.training.text.heads import HeadOptions, head_logits, train_heads  # noqa: E402
from emostress_ros.training.text.pretrained import package_path  # noqa: E402

TINY = BertShape(vocabulary=90, positions=24, width=64, inner=96, layers=2, heads=2)


@pytest.fixture
def bert() -> Bert:
    """A tiny random encoder."""
    torch.manual_seed(0)
    return Bert(TINY).eval()


def _heads(width: int) -> dict[str, Linear]:
    generator = np.random.default_rng(0)
    sizes = {"general": 7, "goemotions": 7, "meld": 7, "multilabel": 7, "stress": 1}
    return {
        name: Linear(
            generator.normal(size=(width, size)).astype(np.float32), np.zeros(size, np.float32)
        )
        for name, size in sizes.items()
    }


def _exported(bert: Bert, path: Path, quantise: bool) -> Session:
    graph = Graph(quantise=quantise, attention_heads=TINY.heads)
    state = {name: value.numpy() for name, value in bert.state_dict().items()}
    outputs = add_heads(graph, add_bert(graph, state), None, _heads(TINY.width))
    save(graph, ["input_ids", "attention_mask"], outputs, path)
    return Session(path)


def test_the_exported_graph_computes_what_torch_does(bert: Bert, tmp_path: Path) -> None:
    ids = np.random.default_rng(1).integers(0, 90, (3, 11))
    mask = np.ones_like(ids)
    mask[1, 4:] = 0
    with torch.inference_mode():
        wanted = bert(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    got = _exported(bert, tmp_path / "m.onnx", False).run(
        {"input_ids": ids, "attention_mask": mask}
    )
    # The positions are stored as float16: that is the difference there is.
    np.testing.assert_allclose(got["embedding"], wanted, atol=2e-3)
    np.testing.assert_allclose(got["probabilities"].sum(axis=1), 1.0, atol=1e-5)
    logits = wanted @ _heads(TINY.width)["meld"].weight
    np.testing.assert_allclose(got["meld"], softmax(logits), atol=5e-3)


def test_int8_storage_changes_little_and_is_read_back(bert: Bert, tmp_path: Path) -> None:
    ids = np.random.default_rng(2).integers(0, 90, (2, 9))
    feed = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    plain = _exported(bert, tmp_path / "a.onnx", False).run(feed)["embedding"]
    small = _exported(bert, tmp_path / "b.onnx", True).run(feed)["embedding"]
    cosine = (plain * small).sum(1) / np.linalg.norm(plain, axis=1) / np.linalg.norm(small, axis=1)
    assert cosine.min() > 0.999
    assert (tmp_path / "b.onnx").stat().st_size < 0.5 * (tmp_path / "a.onnx").stat().st_size


def test_quantised_columns_are_within_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32)
    codes, scale = quantise_columns(weight)
    assert np.abs(codes * scale - weight).max() <= 0.51 * scale.max()


def test_the_packaged_encoder_is_rebuilt_in_torch() -> None:
    path = package_path(ENCODER)
    bert = bert_from_onnx(path).eval()
    ids = np.array([[101, 2023, 2003, 1037, 3231, 102]])
    mask = np.ones_like(ids)
    hidden = Session(path).run(
        {"input_ids": ids, "attention_mask": mask, "token_type_ids": 0 * ids}
    )
    with torch.inference_mode():
        ours = bert(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    np.testing.assert_allclose(ours, hidden["last_hidden_state"].mean(axis=1), atol=1e-4)


def test_temperature_finds_the_factor_that_was_put_in() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 5)) * 2
    truth = np.array([generator.choice(5, p=row) for row in softmax(logits)])
    assert fit_temperature(logits * 3.0, np.eye(5)[truth]) == pytest.approx(3.0, rel=0.1)


def test_platt_finds_slope_and_shift() -> None:
    generator = np.random.default_rng(1)
    logit = generator.normal(size=5000) * 2
    target = generator.random(5000) < sigmoid(0.5 * logit + 1.0)
    slope, shift = fit_platt(logit, target)
    assert slope == pytest.approx(0.5, abs=0.08) and shift == pytest.approx(1.0, abs=0.12)


def test_thresholds_lie_between_the_classes_and_someone_is_always_chosen() -> None:
    generator = np.random.default_rng(2)
    targets = generator.random((800, 3)) < 0.3
    rows = np.clip(np.where(targets, 0.6, 0.2) + generator.normal(0, 0.05, targets.shape), 0, 1)
    cuts = fit_thresholds(rows, targets)
    assert ((cuts > 0.25) & (cuts < 0.55)).all()
    assert decide(np.array([[0.1, 0.05, 0.02]]), cuts).tolist() == [[True, False, False]]


def _toy(name: str, labels: int, vocabulary: int) -> tuple[LabelledTexts, list[list[int]]]:
    """Texts whose label is which token they repeat."""
    generator = np.random.default_rng(len(name))
    classes = generator.integers(0, labels, 96)
    rows = [Row(str(c), (int(c),), f"{name}{i}", "train") for i, c in enumerate(classes)]
    tokens = [[1, *([10 + int(c)] * int(generator.integers(2, 6))), 2] for c in classes]
    assert max(max(item) for item in tokens) < vocabulary
    return assemble(name, [str(i) for i in range(labels)], rows, {}), tokens


def test_finetuning_learns_a_toy_language(bert: Bert, tmp_path: Path) -> None:
    go, tokens = _toy("goemotions", 7, 90)
    rows = [Row("", (int(row.argmax()),), "", "train") for row in go.targets]
    original = assemble("o", [str(i) for i in range(28)], rows, {})
    stress, stress_tokens = _toy("dreaddit", 2, 90)
    corpora = Corpora({"original": original, "goemotions": go, "dreaddit": stress}, {})
    options = finetuning.FinetuneOptions(
        epochs=8, batch=16, long_batch=16, learning_rate=1e-3, head_learning_rate=1e-2,
        frozen_layers=0, bfloat16=False,
    )  # fmt: skip
    every = {"goemotions": tokens, "dreaddit": stress_tokens}
    net = finetuning.finetune(bert, corpora, every, tmp_path, options)
    answer = finetuning.predict(net, tokens)["goemotions"].argmax(axis=1)
    assert (answer == go.targets.argmax(axis=1)).mean() > 0.9
    again = finetuning.load_checkpoint(Bert(TINY), tmp_path)
    np.testing.assert_allclose(
        finetuning.predict(again, tokens[:5])["stress"],
        finetuning.predict(net, tokens[:5])["stress"],
        atol=1e-5,
    )


def test_heads_learn_only_what_their_sets_teach() -> None:
    generator = np.random.default_rng(3)
    rows = generator.normal(size=(400, 16)).astype(np.float32)
    targets = np.eye(7, dtype=bool)[rows[:, :7].argmax(axis=1)]
    options = HeadOptions(hidden=32, epochs=40, batch=16, learning_rate=5e-3, dropout=0.0)
    net = train_heads({"goemotions": rows}, {"goemotions": targets}, options)
    logits = head_logits(net, rows)
    assert set(logits) == {"general", "goemotions", "multilabel"}
    assert (logits["goemotions"].argmax(axis=1) == targets.argmax(axis=1)).mean() > 0.85
