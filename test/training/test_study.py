"""A study: what is compared, kept, and written down."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.cli.main import main
from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.metrics import score_predictions
from emostress_ros.training.study import (
    Entry,
    Shelf,
    Study,
    StudyOptions,
    load,
    mean_curves,
    score_from_json,
    write,
)
from emostress_ros.training.study_pages import rows
from emostress_ros.training.study_plots import split_bars

LABELS = ("calm", "glad", "sad")


def entry(model: str, right: float, *, apart: bool = True, dataset: str = "", split: str = ""):
    """An entry that answers so often rightly."""
    rng = np.random.default_rng(int(100 * right))
    truth = rng.integers(3, size=300)
    answer = np.where(rng.random(300) < right, truth, (truth + 1) % 3)
    persons = [f"p{i % 10}" for i in range(300)]
    score = score_predictions(LABELS, truth, np.eye(3)[answer], persons)
    split = split or ("by person" if apart else "random")
    curves = {"epoch": [1.0, 2.0], "training_loss": [1.0, 0.5], "uar": [0.4, right]}
    return Entry(model, split, apart, score, 1234, 5.0, curves, dataset=dataset)


@pytest.fixture
def study() -> Study:
    entries = [
        entry("plain", 0.5), entry("plain", 0.9, apart=False), entry("deep", 0.7),
        entry("deep", 0.8, apart=False), entry("only_random", 0.95, apart=False),
    ]  # fmt: skip
    return Study("voice", "Voice", "emostress study voice", 3, "uar", entries, ("Size matters.",))


def test_the_honest_figure_ranks(study: Study) -> None:
    assert [row.model for row in rows(study, "")] == ["deep", "plain", "only_random"]


def test_the_page_stands_alone(study: Study, tmp_path: Path) -> None:
    page = write(study, tmp_path / "studies")
    text = page.read_text(encoding="utf-8")
    assert page == tmp_path / "studies" / "voice.md"
    for part in ("emostress study voice", "Seed 3", "Size matters.", "| `deep` |", "1,234"):
        assert part in text
    deep = next(line for line in text.splitlines() if line.startswith("| `deep` |"))
    honest, flattering = study.entries[2].score, study.entries[3].score
    low, high = honest.extra["ci95"]["uar"]
    assert f"{100 * honest.uar:.1f} [{100 * low:.1f}, {100 * high:.1f}]" in deep
    assert f"| {100 * (flattering.uar - honest.uar):+.1f} |" in deep
    for picture in ("splits", "confusion", "curves"):
        assert f"voice_{picture}.png" in text
        assert (page.parent / f"voice_{picture}.png").stat().st_size > 5_000


def test_the_json_holds_every_figure(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path)
    held = json.loads((tmp_path / "voice.json").read_text())
    assert [item["model"] for item in held["entries"]] == [e.model for e in study.entries]
    again = score_from_json(held["entries"][0]["score"])
    assert again.uar == study.entries[0].score.uar
    assert again.extra["ci95"]["uar"] == pytest.approx(study.entries[0].score.extra["ci95"]["uar"])
    np.testing.assert_array_equal(again.confusion, study.entries[0].score.confusion)


def test_several_sets_and_splits_have_rows_of_their_own(tmp_path: Path) -> None:
    entries = [
        entry("deep", 0.7, dataset="A"), entry("deep", 0.8, dataset="A", apart=False),
        entry("deep", 0.4, dataset="B", split="to"), entry("deep", 0.5, dataset="B", split="fro"),
        entry("deep", 0.9, dataset="B", apart=False),
    ]  # fmt: skip
    made = Study("voice", "Voice", "x", 0, "accuracy", entries, ())
    assert [row.apart.split for row in rows(made, "B") if row.apart] == ["fro", "to"]
    assert all(row.random is entries[4] for row in rows(made, "B"))
    text = write(made, tmp_path).read_text()
    assert "## A: accuracy" in text and "## B: accuracy" in text


def test_the_picture_tells_official_and_random_divisions_apart() -> None:
    """Both keep nobody apart; a model with both has a bar of each, with its name and colour."""
    splits = {"official dev": False, "random": False, "by speaker": True}
    entries = [
        entry("deep", 0.5 + 0.1 * i, apart=apart, split=split)
        for i, (split, apart) in enumerate(splits.items())
    ]
    drawn = split_bars(Study("text", "Text", "x", 0, "accuracy", entries, ()))
    (axis,) = drawn.axes
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == ["deep\nby speaker", "deep\nofficial dev"]
    (legend,) = drawn.legends
    colours = dict(
        zip(
            [text.get_text() for text in legend.get_texts()],
            [patch.get_facecolor() for patch in legend.get_patches()],
            strict=True,
        )
    )
    assert list(colours) == ["person-disjoint", "random", "official"]
    assert len(set(colours.values())) == 3
    bars = {round(bar.get_width()): bar.get_facecolor() for bar in axis.patches}
    for made, kind in zip(entries, ("official", "random", "person-disjoint"), strict=True):
        assert bars[round(100 * made.score.accuracy)] == colours[kind]


def test_a_written_study_is_read_and_written_again(study: Study, tmp_path: Path) -> None:
    write(study, tmp_path)
    write(load(tmp_path / "voice.json"), tmp_path / "again")
    for name in ("voice.json", "voice.md", "voice_splits.png"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    (tmp_path / "voice.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"voice\.json"):
        load(tmp_path / "voice.json")


def test_a_study_goes_on_where_it_stopped(tmp_path: Path) -> None:
    options = StudyOptions(tmp_path, work=tmp_path)
    made = entry("deep", 0.7)
    first = Shelf("voice", options).entry("deep", "by person", lambda: made)
    assert first.score.uar == made.score.uar

    def never() -> Entry:
        raise AssertionError("kept entries are not made again")

    again = Shelf("voice", options).entry("deep", "by person", never)
    assert (again.model, again.curves, again.score.uar) == ("deep", made.curves, made.score.uar)
    for other in (
        StudyOptions(tmp_path, work=tmp_path, seed=1),
        StudyOptions(tmp_path, work=tmp_path, quick=True),
    ):
        with pytest.raises(AssertionError):
            Shelf("voice", other).entry("deep", "by person", never)
    with pytest.raises(AssertionError):
        Shelf("voice", options).entry("deep", "random", never)


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    shelf = Shelf("voice", StudyOptions(tmp_path, work=tmp_path))
    shelf.entry("deep", "random", lambda: entry("deep", 0.7))
    (file,) = shelf.folder.glob("*.json")
    file.write_text(file.read_text()[:-9])
    with pytest.raises(DatasetError, match="remove it"):
        shelf.entry("deep", "random", lambda: entry("deep", 0.7))


def test_wrong_wishes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="allowed are plain, deep; got shallow"):
        StudyOptions(tmp_path, models=("shallow",)).chosen(("plain", "deep"))
    assert StudyOptions(tmp_path, models=("deep", "plain")).chosen(("plain", "deep")) == (
        "plain",
        "deep",
    )
    with pytest.raises(DatasetError, match="no entry"):
        Study("voice", "Voice", "x", 0, "uar", (), ())
    with pytest.raises(ParameterError, match="no figure is called 'beauty'"):
        Study("voice", "Voice", "x", 0, "beauty", (entry("deep", 0.5),), ())


def test_curves_of_folds_are_averaged() -> None:
    mean = mean_curves([{"uar": [0.2, 0.4, 0.9]}, {"uar": [0.4, 0.6]}])
    assert mean["uar"] == pytest.approx([0.3, 0.5])
    assert math.isclose(len(mean), 1)
    assert mean_curves([]) == {}


def test_the_command_writes_what_the_modality_found(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    module = pytest.importorskip("emostress_ros.training.voice.study")
    asked: list[StudyOptions] = []
    monkeypatch.setattr(module, "study", lambda options: asked.append(options) or study)
    words = ["study", "voice", "--data", str(tmp_path), "--quick", "--models", "a, b", "--seed",
             "7", "--out", str(tmp_path / "out")]  # fmt: skip
    assert main(words) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out" / "voice.md")
    assert (asked[0].models, asked[0].seed, asked[0].quick) == (("a", "b"), 7, True)
    assert asked[0].command == (
        f"emostress study voice --data {tmp_path} --quick --models 'a, b' --seed 7"
    )
