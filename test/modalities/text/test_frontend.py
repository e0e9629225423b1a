"""Utterances through the shipped models: what a user sees of emotion, stress and quality."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.errors import (
    CardError,
    ModelCorruptError,
    ModelNotFoundError,
    ParameterError,
    SignalError,
    StampError,
)
from emostress_ros.modalities.text import TextConfig, TextEncoder, TextPipeline

SHIPPED = ("text_minilm", "text_minilm_open")


@pytest.fixture(scope="module")
def pipeline() -> TextPipeline:
    """The shipped model."""
    return TextPipeline()


def _say(pipeline: TextPipeline, text: str, **more: object) -> Embedding:
    embedding = pipeline.process(text, stamp_ns=10, **more)  # type: ignore[arg-type]
    assert embedding is not None
    return embedding


def _emotion(embedding: Embedding) -> str:
    return embedding.labels[int(embedding.probabilities.argmax())]


@pytest.mark.parametrize("model", SHIPPED)
@pytest.mark.parametrize(
    ("text", "emotion"),
    [
        ("I am so happy to see you, this is wonderful!", "happy"),
        ("I am terrified, please help me", "scared"),
        ("You idiot, I hate you, stop it!", "angry"),
        ("I feel so sad and lonely, I miss her", "sad"),
        ("What? Really? I did not expect that!", "surprised"),
        ("Yuck, that is disgusting", "disgusted"),
        ("The train leaves from platform two.", "neutral"),
    ],
)
def test_plain_sentences_are_read_as_people_read_them(model: str, text: str, emotion: str) -> None:
    assert _emotion(_say(_pipelines(model), text)) == emotion


_LOADED: dict[str, TextPipeline] = {}


def _pipelines(model: str) -> TextPipeline:
    """Load each shipped model once."""
    if model not in _LOADED:
        _LOADED[model] = TextPipeline(TextConfig(model=model))
    return _LOADED[model]


def test_a_desperate_text_is_more_stressed_than_a_calm_one(pipeline: TextPipeline) -> None:
    desperate = _say(
        pipeline,
        "I can't sleep, I can't eat, the rent is due tomorrow and I keep having panic attacks. "
        "I don't know what to do anymore.",
    )
    calm = _say(pipeline, "We had a lovely walk along the river and then some tea in the garden.")
    assert desperate.stress > 0.7 > 0.3 > calm.stress


def test_the_embedding_carries_stamp_person_window_and_model(pipeline: TextPipeline) -> None:
    got = _say(pipeline, "hello there my friend", start_ns=2, end_ns=9, person_id="anna")
    assert (got.stamp_ns, got.window_ns, got.person_id) == (10, 7, "anna")
    assert got.modality == "text" and got.model == pipeline.encoder.card.identifier
    assert set(got.labels) == set(EMOTIONS)
    assert got.probabilities.sum() == pytest.approx(1.0, abs=1e-5)
    assert got.vector.shape == (pipeline.encoder.card.embedding_dim,)
    assert -1 <= got.valence <= 1 and -1 <= got.arousal <= 1


@pytest.mark.parametrize("text", ["", "   ", "\x00\x07", "\u200b", "?!...", "\n\t"])
def test_nothing_to_read_gives_nothing(pipeline: TextPipeline, text: str) -> None:
    before = pipeline.counts["empty"]
    assert pipeline.process(text, stamp_ns=1) is None
    assert pipeline.counts["empty"] == before + 1
    assert pipeline.reasons == ("nothing to read",)


@pytest.mark.parametrize(
    ("text", "more", "reason"),
    [
        ("Ich bin heute sehr traurig", {"locale": "de-DE"}, "locale"),
        ("мне сегодня очень грустно", {}, "Latin"),
        ("今日はとても悲しいです", {}, "Latin"),
        ("I think this is rather fine", {"confidence": 0.2}, "recogniser"),
        ("ok", {}, "only 1 word"),
    ],
)
def test_what_lowers_quality_is_said(
    pipeline: TextPipeline, text: str, more: dict, reason: str
) -> None:
    full = _say(pipeline, "I think this is rather fine", locale="en_GB.UTF-8", confidence=1.0)
    doubtful = _say(pipeline, text, **{"confidence": 1.0, **more})
    assert full.quality == 1.0
    assert doubtful.quality < 0.7
    assert any(reason in item for item in pipeline.reasons)


def test_a_long_text_is_cut_and_counted(pipeline: TextPipeline) -> None:
    before = pipeline.counts["truncated"]
    _say(pipeline, "this never ends and " * 5000)
    assert pipeline.counts["truncated"] == before + 1
    assert any("cut" in reason for reason in pipeline.reasons)


def test_one_emoji_says_something(pipeline: TextPipeline) -> None:
    assert _say(pipeline, "\U0001f622").valence < -0.2
    assert _say(pipeline, "\U0001f600").valence > 0.2


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": b"bytes"}, SignalError, "bytes"),
        ({"text": "hi", "confidence": 1.5}, SignalError, "1.5"),
        ({"text": "hi", "confidence": -math.inf}, SignalError, "inf"),
        ({"text": "hi", "start_ns": 9, "end_ns": 3}, StampError, "before it begins"),
        ({"text": "hi", "stamp_ns": -4}, StampError, "-4"),
    ],
)
def test_impossible_input_is_refused(
    pipeline: TextPipeline, arguments: dict, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        pipeline.process(**{"stamp_ns": 1, **arguments})


def test_an_unknown_model_or_parameter_is_named() -> None:
    with pytest.raises(ModelNotFoundError, match="text_minilm"):
        TextPipeline(TextConfig(model="text_gpt9"))
    with pytest.raises(ParameterError, match="max_characters"):
        TextConfig(max_characters=1)


def _copy(pipeline: TextPipeline, folder: Path, **changes: object) -> Path:
    raw = {**pipeline.encoder.card.raw, **changes}
    (folder / "model.yaml").write_text(yaml.safe_dump(raw))
    for name in ("model.onnx", "tokenizer.json"):
        (folder / name).write_bytes((pipeline.encoder.card.folder / name).read_bytes())
    return folder


def test_a_damaged_model_a_foreign_card_and_a_wrong_tokenizer_are_refused(
    pipeline: TextPipeline, tmp_path: Path
) -> None:
    with pytest.raises(CardError, match="not 'text'"):
        TextEncoder(str(_copy(pipeline, tmp_path, modality="voice")))
    with pytest.raises(CardError, match="tokenizer"):
        TextEncoder(str(_copy(pipeline, tmp_path, extra={"max_tokens": 128})))
    tokenizer = {**pipeline.encoder.card.extra["tokenizer"], "sha256": "0" * 64}
    with pytest.raises(ModelCorruptError, match="sha256"):
        TextEncoder(str(_copy(pipeline, tmp_path, extra={"tokenizer": tokenizer})))
    absent = {**tokenizer, "file": "nowhere.json"}
    with pytest.raises(ModelNotFoundError, match="no such file"):
        TextEncoder(str(_copy(pipeline, tmp_path, extra={"tokenizer": absent})))
    (_copy(pipeline, tmp_path) / "model.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelCorruptError, match="sha256"):
        TextEncoder(str(tmp_path))


@pytest.mark.parametrize("model", SHIPPED)
def test_a_batch_answers_as_each_text_alone(model: str) -> None:
    encoder = _pipelines(model).encoder
    tokens = encoder.tokenizer.encode(
        ["so glad", "a much longer sentence about a long day at work"]
    )
    together = encoder.encode(tokens)
    for row, item in enumerate(tokens):
        for name, value in encoder.encode([item]).items():
            np.testing.assert_allclose(together[name][row], value[0], atol=2e-4)


def test_the_open_variant_does_not_guess_stress() -> None:
    assert math.isnan(_say(_pipelines("text_minilm_open"), "I am so stressed out").stress)
