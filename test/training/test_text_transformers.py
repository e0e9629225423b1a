"""The transformers path: tiny random encoders are fine-tuned and exported, with no network."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from text_samples import configured, saved_encoder, text_corpora

from emostress_ros.errors import ModelCorruptError, ModelNotFoundError
from emostress_ros.inference.session import Session
from emostress_ros.modalities.text import TextEncoder

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("onnx")

from emostress_ros.training.text import train as text  # noqa: E402
from emostress_ros.training.text.export import Graph, add_bert, save  # noqa: E402
from emostress_ros.training.text.transformers import load_encoder, write_tokenizer  # noqa: E402


@pytest.mark.parametrize("family", ["bert", "distilbert", "roberta"])
def test_the_exported_encoder_computes_what_transformers_does(family: str, tmp_path: Path) -> None:
    model = saved_encoder(family, tmp_path / "hub")
    bert = load_encoder(str(tmp_path / "hub"))
    shape = bert.shape
    graph = Graph(attention_heads=shape.heads, epsilon=shape.epsilon)
    state = {name: value.numpy() for name, value in bert.state_dict().items()}
    pooled = graph.op("Identity", add_bert(graph, state), output="embedding")
    save(graph, ["input_ids", "attention_mask"], [pooled], tmp_path / "m.onnx")
    ids = np.random.default_rng(0).integers(5, 40, (3, 12))
    mask = np.ones_like(ids)
    mask[2, 7:] = 0
    if family == "roberta":  # counts its places by the padding's id
        ids[mask == 0] = model.config.pad_token_id
    with torch.inference_mode():
        hidden = model(torch.from_numpy(ids), torch.from_numpy(mask)).last_hidden_state.numpy()
    wanted = (hidden * mask[:, :, None]).sum(axis=1) / mask.sum(axis=1)[:, None]
    got = Session(tmp_path / "m.onnx").run({"input_ids": ids, "attention_mask": mask})["embedding"]
    assert np.abs(got - wanted).max() <= 1e-4


@pytest.mark.parametrize(
    ("family", "recipe"), [("bert", "finetune"), ("distilbert", "finetune"), ("bert", "heads")]
)
def test_a_folder_is_trained_and_shipped_with_its_tokenizer(
    family: str, recipe: str, tmp_path: Path
) -> None:
    saved_encoder(family, tmp_path / "hub")
    data, out = text_corpora(tmp_path / "data"), tmp_path / "text_tiny"
    status = text.main(
        [
            *("--data", str(data), "--out", str(out), "--run", str(tmp_path / "run")),
            *("--encoder", str(tmp_path / "hub"), "--recipe", recipe, "--epochs", "1"),
        ]
    )
    assert status == 0
    encoder = TextEncoder(str(out))
    told = encoder.encode(encoder.tokenizer.encode(["my rent is due", "i am happy"]))
    assert told["embedding"].shape == (2, 48) and encoder.max_tokens == 40
    np.testing.assert_allclose(told["probabilities"].sum(axis=1), 1.0, atol=1e-5)
    assert set(told) >= {"stress", "valence", "meld", "goemotions"}
    card = yaml.safe_load((out / "model.yaml").read_text(encoding="utf-8"))
    assert card["extra"]["tokenizer"]["file"] == "tokenizer.json"
    assert "the encoder hub" in card["licence"] and len(card["figures"]) == 5
    (out / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelCorruptError, match="sha256"):
        TextEncoder(str(out))


def test_what_is_no_such_encoder_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        load_encoder(str(tmp_path / "nowhere"))
    with pytest.raises(ModelNotFoundError, match="nowhere"):
        write_tokenizer(str(tmp_path / "nowhere"), tmp_path / "t.json")
    configured("electra").save_pretrained(tmp_path / "electra")
    with pytest.raises(ModelCorruptError, match="allowed are bert, distilbert"):
        load_encoder(str(tmp_path / "electra"))
    saved_encoder("bert", tmp_path / "relu")
    config = tmp_path / "relu" / "config.json"
    held = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**held, "hidden_act": "relu"}), encoding="utf-8")
    with pytest.raises(ModelCorruptError, match="must be 'gelu'; got 'relu'"):
        load_encoder(str(tmp_path / "relu"))
