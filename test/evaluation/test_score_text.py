"""`emostress score text ...`: figures by the documented protocols, on small official layouts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError, ModelError
from emostress_ros.evaluation.score_text import score
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import multilabel_f1_per_class
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.training.datasets.goemotions import load_goemotions

LINES = [
    ("I love this so much, thank you!", "3"),
    ("This makes me furious, what an idiot", "0"),
    ("I'm scared of what comes next", "2"),
    ("The meeting is at five.", "4"),
    ("Wow, I never expected that!", "6,3"),
    ("I am so sorry for your loss", "5"),
    ("That is disgusting", "1,0"),
]


@pytest.fixture
def goemotions(tmp_path: Path) -> Path:
    """The test split alone, without a file of label names."""
    folder = tmp_path / "goemotions"
    folder.mkdir()
    rows = [f"{text}\t{ids}\tid{i}\n" for i, (text, ids) in enumerate(LINES)]
    (folder / "test.tsv").write_text("".join(rows))
    return folder


def test_goemotions_gives_both_protocols(goemotions: Path) -> None:
    result = score("goemotions", goemotions, progress=False)
    read = json.loads(json.dumps(result.to_json_dict(), allow_nan=False))
    confusion = np.array(read["confusion"])
    assert read["n"] == confusion.sum() == len(LINES)
    assert read["accuracy"] == pytest.approx(np.trace(confusion) / len(LINES))
    assert read["accuracy"] > 0.7 and read["macro_f1"] > 0.6
    assert read["single_label"]["n"] == 5
    assert read["split"] == "test" and "Demszky" in read["note"] and read["f1"] is None


def test_macro_f1_is_that_of_the_thresholds_in_the_card(goemotions: Path) -> None:
    texts = load_goemotions(goemotions)
    encoder = TextEncoder(TextConfig().model)
    rows = encoder.encode(encoder.tokenizer.encode(texts.texts))["multilabel"]
    decided = rows >= np.array(encoder.card.extra["multilabel_thresholds"])
    assert decided.any(axis=1).all(), "choose sentences that pass a threshold"
    expected = np.nanmean(multilabel_f1_per_class(texts.targets, decided))
    assert score("goemotions", goemotions, progress=False).macro_f1 == pytest.approx(expected)


def test_dreaddit_is_binary(tmp_path: Path) -> None:
    (tmp_path / "dreaddit-test.csv").write_text(
        "text,label,post_id\n"
        '"I keep having panic attacks, I cannot sleep and I do not know what to do",1,a\n'
        '"We met at the park and had a nice time, thank you all for the advice",0,b\n'
    )
    result = score("dreaddit", tmp_path, progress=False)
    assert result.labels == ("not_stressed", "stressed") and result.f1 == 1.0
    with pytest.raises(ModelError, match="does not estimate stress"):
        score("dreaddit", tmp_path, model="text_minilm_open", progress=False)


def test_meld_counts_dialogues_and_skipped_rows(tmp_path: Path) -> None:
    (tmp_path / "test_sent_emo.csv").write_text(
        "Utterance,Emotion,Dialogue_ID\nOh my God!,surprise,0\nYeah.,neutral,0\n"
        "I hate you!,anger,1\n,joy,1\n"
    )
    result = score("meld", tmp_path, progress=False)
    assert result.n == 3 and result.extra["persons"] == 2
    assert result.extra["skipped"] == {"malformed": 1}


def test_unknown_sets_and_empty_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="goemotions, dreaddit, meld"):
        score("imdb", tmp_path)
    with pytest.raises(DatasetError, match="none of train"):
        score("goemotions", tmp_path)


def test_the_card_says_what_score_finds_on_meld(shared_data: Path) -> None:
    result = score("meld", shared_data / "text" / "meld", split="dev", progress=False)
    figures = [f for f in ModelCard.load("text_minilm").figures if f["dataset"] == "meld"]
    assert result.weighted_f1 == pytest.approx(figures[0]["metrics"]["weighted_f1"], abs=0.005)
