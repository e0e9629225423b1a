"""Divisions of the text sets, the architectures on them, protocols, and refined models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from text_samples import saved_encoder, text_corpora

from emostress_ros.errors import DatasetError, ModelCorruptError, ParameterError
from emostress_ros.modalities.text import TextEncoder

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("sklearn")
onnx = pytest.importorskip("onnx")

from emostress_ros.evaluation.score_text import score as score_shipped  # noqa: E402
from emostress_ros.training.datasets.splits import Split  # noqa: E402
from emostress_ros.training.study import StudyOptions, write  # noqa: E402
from emostress_ros.training.text import protocol as text_protocol  # noqa: E402
from emostress_ros.training.text import refine as text_refine  # noqa: E402
from emostress_ros.training.text import train as text  # noqa: E402
from emostress_ros.training.text.pretrained import transformers_encoder  # noqa: E402
from emostress_ros.training.text.prune import adjust_head, kept_pieces, prune_graph  # noqa: E402
from emostress_ros.training.text.study import study  # noqa: E402
from emostress_ros.training.text.tasks import load_task  # noqa: E402


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The three sets, a dozen lines each."""
    return text_corpora(tmp_path / "data")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the trainings start from a tiny encoder instead of MiniLM."""
    saved_encoder("bert", tmp_path / "hub")
    pretrained = transformers_encoder(str(tmp_path / "hub"), tmp_path / "tokenizer")
    monkeypatch.setattr(text_protocol, "packaged_minilm", lambda: pretrained)


@pytest.mark.parametrize("name", ["dreaddit", "meld"])
def test_every_text_is_judged_once_by_what_never_met_its_writer(name: str, data: Path) -> None:
    task = load_task(name, data / name)
    for protocol, division in task.divisions.items():
        judged = np.concatenate([split.test for split in division.folds])
        assert len(judged) == len(set(judged.tolist()))
        if protocol != "official":
            assert len(judged) == len(task.texts)
        if division.apart:
            assert all(split.person_disjoint for split in division.folds)
            with pytest.raises(DatasetError, match="leaks"):
                one = division.folds[0]
                shared = (one.test_persons[0],) * len(one.persons)
                Split(one.name, one.train, one.test, shared)


def test_a_study_compares_and_writes_a_page(data: Path, tmp_path: Path) -> None:
    options = StudyOptions(
        data, quick=True, work=tmp_path / "work", models=("tfidf",), progress=False, command="x"
    )
    made = study(options)
    assert {(e.dataset, e.person_disjoint) for e in made.entries} >= {
        ("MELD", True), ("MELD", False), ("Dreaddit", True), ("Dreaddit", False),
    }  # fmt: skip
    dreaddit = [e for e in made.entries if e.dataset == "Dreaddit"]
    assert all(e.score.accuracy == 1.0 for e in dreaddit)
    assert {e.score.n for e in dreaddit if "folds)" in e.split} == {40}
    page = write(made, tmp_path / "out").read_text(encoding="utf-8")
    assert "groups apart" in page and "by speaker" in page
    with pytest.raises(ParameterError, match="minilm_linear"):
        study(StudyOptions(data, models=("lstm",), work=tmp_path))


@pytest.mark.usefixtures("tiny")
def test_folds_of_the_fine_tuned_encoder_are_kept_and_read_back(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = tmp_path / "work"
    found = text_protocol.score("dreaddit", data / "dreaddit", protocol="folds", work=work)
    assert found.n == 40 and found.extra["persons"] == 40 and found.extra["groups"] == "posts"
    monkeypatch.setattr("emostress_ros.training.text.finetune.train", None)  # nothing is trained
    again = text_protocol.score("dreaddit", data / "dreaddit", protocol="folds", work=work)
    np.testing.assert_array_equal(again.confusion, found.confusion)


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("model", ["minilm_finetuned", "tfidf"])
def test_meld_is_judged_on_speakers_apart(model: str, data: Path, tmp_path: Path) -> None:
    found = text_protocol.score(
        "meld", data / "meld", protocol="folds", model=model, work=tmp_path / "work"
    )
    assert found.n == 28 and found.extra["persons"] == 6


@pytest.mark.usefixtures("tiny")
def test_the_fine_tuned_encoder_never_learns_a_comment_that_it_is_judged_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emostress_ros.training.text import finetune as finetuning

    learnt: list[tuple[str, ...]] = []
    teach = finetuning.finetune

    def watched(encoder: Any, corpora: Any, *rest: Any, **options: Any) -> Any:
        learnt.extend(corpora.train[name].groups for name in ("goemotions", "original"))
        return teach(encoder, corpora, *rest, **options)

    monkeypatch.setattr(finetuning, "finetune", watched)
    found = text_protocol.score(
        "goemotions", data / "goemotions", protocol="random", work=tmp_path / "work"
    )
    task = load_task("goemotions", data / "goemotions")
    (split,) = task.division("random").folds
    judged = {task.texts.groups[i] for i in split.test}
    assert found.n == len(judged) and len(learnt) == 2 and learnt[0] == learnt[1]
    assert judged.isdisjoint(learnt[0])
    assert {task.texts.groups[i] for i in split.train} <= set(learnt[0])


def test_wrong_names_say_what_is_allowed(data: Path, tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="'folds', 'random'"):
        text_protocol.score("dreaddit", data / "dreaddit", protocol="loso", work=tmp_path)
    with pytest.raises(ParameterError, match="tfidf, minilm_linear"):
        text_protocol.score("meld", data / "meld", protocol="folds", model="gpt", work=tmp_path)
    with pytest.raises(ParameterError, match="--encoder"):
        text_protocol.score("meld", data / "meld", protocol="folds", model="transformers")
    with pytest.raises(ParameterError, match="published takes goemotions, meld"):
        text_protocol.score("dreaddit", data / "dreaddit", protocol="published")


def test_pieces_that_are_used_or_short_or_frequent_stay() -> None:
    names = ["[PAD]", "[unused1]", "[UNK]", "a", "##b", "\u20ac", "\u4e2d", "the", "rare", "used"]
    vocabulary = {name: index for index, name in enumerate(names)}
    counts: Any = __import__("collections").Counter({9: 2, 8: 1})
    kept = kept_pieces(vocabulary, counts, minimum=2, head=8)
    assert kept == ["[PAD]", "[UNK]", "a", "##b", "\u20ac", "the", "used"]


def test_a_refined_model_is_smaller_and_answers_alike(data: Path, tmp_path: Path) -> None:
    saved_encoder("bert", tmp_path / "hub")
    whole, out = tmp_path / "whole", tmp_path / "small"
    text.main(
        [
            *("--data", str(data), "--out", str(whole), "--run", str(tmp_path / "run")),
            *("--encoder", str(tmp_path / "hub"), "--epochs", "1"),
        ]
    )
    common = ("--data", str(data), "--model", str(whole), "--out", str(out))
    assert text_refine.main([*common, "--balance", "0", "--head", "0", "--minimum", "1"]) == 0
    before, after = TextEncoder(str(whole)), TextEncoder(str(out))
    assert after.card.file.stat().st_size < before.card.file.stat().st_size
    told = [e.encode(e.tokenizer.encode(["i am so happy today!"])) for e in (before, after)]
    np.testing.assert_allclose(told[1]["embedding"], told[0]["embedding"], atol=1e-5)
    spelt = after.tokenizer.encode(["worries the"])[0]
    assert spelt.unknown == 0.0  # a word that lost its piece is spelt out
    card = yaml.safe_load((out / "model.yaml").read_text(encoding="utf-8"))
    shipped = score_shipped("dreaddit", data / "dreaddit", split="held_out", model=str(out))
    (told_figure,) = [f for f in card["figures"] if f["dataset"] == "dreaddit"]
    assert told_figure["metrics"]["accuracy"] == pytest.approx(shipped.accuracy, abs=1e-4)
    assert "held_out" in told_figure["command"] and json.dumps(told_figure["recall"])


def test_only_a_text_graph_can_be_pruned_or_adjusted() -> None:
    empty = onnx.helper.make_model(onnx.helper.make_graph([], "g", [], []))
    with pytest.raises(ModelCorruptError, match="word embeddings"):
        prune_graph(empty, [0], 1)
    with pytest.raises(ModelCorruptError, match="head 'meld'"):
        adjust_head(empty, "meld", 1.0, np.zeros(7))
