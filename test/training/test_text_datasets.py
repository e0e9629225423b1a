"""Text adapters: official layouts read, odd ones refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.dreaddit import load_dreaddit
from emostress_ros.training.datasets.goemotions import (
    EKMAN_GROUPS,
    ORIGINAL_LABELS,
    load_goemotions,
)
from emostress_ros.training.datasets.labelled_text import EKMAN_LABELS
from emostress_ros.training.datasets.meld import load_meld
from emostress_ros.training.text.data import group_folds, length_buckets


def _write(path: Path, text: str, encoding: str = "utf-8") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))


@pytest.fixture
def ekman(tmp_path: Path) -> Path:
    """Two splits with what the official files hold: quotes, several labels, CRLF."""
    _write(tmp_path / "dev.tsv", 'He said "no\t0,5\tid1\nfine\t4\tid2\r\n')
    _write(tmp_path / "test.tsv", "wow\t6\tid3\n")
    _write(tmp_path / "labels.txt", "\n".join(EKMAN_LABELS))
    return tmp_path


def test_goemotions_reads_every_split_file_there_is(ekman: Path) -> None:
    texts = load_goemotions(ekman)
    assert texts.splits == ("dev", "test") and len(texts) == 3
    assert texts.texts[0] == 'He said "no'
    assert texts.targets[0].nonzero()[0].tolist() == [0, 5]
    assert texts.single.tolist() == [False, True, True]
    assert load_goemotions(ekman, "test").texts == ("wow",)


def test_one_split_file_is_read_alone(ekman: Path) -> None:
    texts = load_goemotions(ekman / "test.tsv")
    assert (texts.texts, texts.splits) == (("wow",), ("test",))
    with pytest.raises(DatasetError, match=r"test\.tsv is not called dev\.tsv"):
        load_goemotions(ekman / "test.tsv", "dev")
    with pytest.raises(DatasetError, match=r"labels\.txt is not called train\.tsv, dev\.tsv"):
        load_goemotions(ekman / "labels.txt")
    with pytest.raises(DatasetError, match="there is no"):
        load_meld(ekman / "nowhere")


def test_goemotions_finds_the_ekman_folder_below(ekman: Path, tmp_path: Path) -> None:
    home = tmp_path / "goemotions"
    (home).mkdir()
    for name in ("dev.tsv", "labels.txt"):
        _write(home / "ekman" / name, (ekman / name).read_text())
    assert len(load_goemotions(home)) == 2


def test_original_labels_are_grouped_as_the_authors_do(tmp_path: Path) -> None:
    ids = ",".join(str(ORIGINAL_LABELS.index(name)) for name in ("annoyance", "love"))
    _write(tmp_path / "test.tsv", f"both\t{ids}\tid1\nsame\t2,3\tid2\nnothing\t27\tid3\n")
    texts = load_goemotions(tmp_path)
    named = [{EKMAN_LABELS[i] for i in row.nonzero()[0]} for row in texts.targets]
    assert named == [{"anger", "joy"}, {"anger"}, {"neutral"}]
    assert load_goemotions(tmp_path, level="original").targets.shape == (3, 28)


def test_the_groups_cover_the_28_labels_once() -> None:
    children = [child for group in EKMAN_GROUPS.values() for child in group]
    assert sorted(children) == sorted(ORIGINAL_LABELS) and len(ORIGINAL_LABELS) == 28


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "empty"), ("no tabs at all\n", "TAB"), ("x\t9\tid\n", "label id 9")],
)
def test_goemotions_refuses_odd_files(ekman: Path, content: str, message: str) -> None:
    _write(ekman / "dev.tsv", content)
    with pytest.raises(DatasetError, match=message):
        load_goemotions(ekman, "dev")


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="dreaddit-train"):
        load_dreaddit(tmp_path)
    with pytest.raises(DatasetError, match="test_sent_emo"):
        load_meld(tmp_path, "test")
    with pytest.raises(DatasetError, match="no split 'tset'"):
        load_meld(tmp_path, "tset")
    with pytest.raises(DatasetError, match="goemotions: there is no"):
        load_goemotions(tmp_path / "nowhere")


def test_dreaddit_reads_windows_text_and_skips_rows_without_label(tmp_path: Path) -> None:
    table = 'text,label,post_id\n"I can’t, really",1,p1\nfine,0,p2\nbroken,,p3\n'
    _write(tmp_path / "dreaddit-test.csv", table, "cp1252")
    texts = load_dreaddit(tmp_path)
    assert texts.texts == ("I can’t, really", "fine")
    assert texts.targets[:, 1].tolist() == [True, False]
    assert texts.groups == ("p1", "p2") and texts.skipped == {"malformed": 1}


def test_dreaddit_names_a_missing_column(tmp_path: Path) -> None:
    _write(tmp_path / "dreaddit-test.csv", "text,stress\nx,1\n")
    with pytest.raises(DatasetError, match="label, post_id"):
        load_dreaddit(tmp_path)


def test_meld_groups_by_dialogue_of_its_split(tmp_path: Path) -> None:
    table = (
        "Sr No.,Utterance,Speaker,Emotion,Dialogue_ID\r\n1,Hi!,Ross,Joy,7\r\n2,No.,Joey,rage,7\r\n"
    )
    _write(tmp_path / "test_sent_emo.csv", table)
    texts = load_meld(tmp_path)
    assert texts.groups == ("test-7",) and texts.skipped == {"malformed": 1}
    assert EKMAN_LABELS[int(texts.targets[0].argmax())] == "joy"


def test_binary_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "test_sent_emo.csv").write_bytes(b"\x00\x01\x02")
    with pytest.raises(DatasetError, match="binary"):
        load_meld(tmp_path)


def test_the_real_sets_have_their_published_sizes(shared_data: Path) -> None:
    home = shared_data / "text"
    ekman = load_goemotions(home / "goemotions" / "ekman", "dev")
    original = load_goemotions(home / "goemotions" / "original", "dev")
    assert len(ekman) == 5426 and (ekman.targets == original.targets).all()
    assert len(load_dreaddit(home / "dreaddit", "train")) == 2838
    assert len(load_meld(home / "meld", "dev")) == 1109


def test_folds_keep_groups_together_and_are_even() -> None:
    groups = [f"g{i % 37}" for i in range(500)]
    fold = group_folds(groups, 5)
    assert all(len(set(fold[[g == name for g in groups]])) == 1 for name in set(groups))
    assert np.ptp(np.bincount(fold)) < 30


def test_length_buckets_visit_every_text_once() -> None:
    lengths = np.random.default_rng(0).integers(3, 90, 101)
    for generator in (None, np.random.default_rng(1)):
        seen = np.concatenate(list(length_buckets(lengths, 16, generator)))
        assert sorted(seen.tolist()) == list(range(101))
