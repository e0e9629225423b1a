"""What only a GPU can show: parity with the CPU, and that an engine is built once."""

from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.cli.engine_measure import PARITY, measure
from emostress_ros.errors import ProviderError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.native import load_runtime, native_key
from emostress_ros.inference.providers import NATIVE


@pytest.fixture(scope="module", autouse=True)
def gpu():
    try:
        load_runtime()
    except ProviderError as error:
        pytest.skip(f"needs a GPU with TensorRT: {error}")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSTRESS_ENGINES", str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.parametrize(
    "name", ["face_mobilenet", "fusion_attention", "text_minilm", "voice_speech"]
)
def test_it_says_what_the_cpu_says_and_the_engine_is_kept(name, precision):
    row = measure(ModelCard.load(name), NATIVE, (1, 8, 32), precision, 0.1)
    assert not row.refusal
    assert max(batch.difference for batch in row.batches) <= PARITY
    assert row.again_s < 0.5 * row.first_s
    assert native_key(ModelCard.load(name).file.read_bytes(), ModelCard.load(name), precision).built


@pytest.mark.slow
def test_int8_is_built_from_the_variant_with_scales():
    card = ModelCard.load("face_mobilenet")
    session, exact = Session(card.variant("int8"), (NATIVE,)), Session(card)
    assert session.provider == NATIVE, session.fallback
    face = np.random.default_rng(0).integers(0, 256, (8, 1, 48, 48)).astype("u1")
    ours, theirs = (item.run({"face": face})["probabilities"] for item in (session, exact))
    assert np.abs(ours - theirs).max() < 0.1
