"""Judging stress models on people never seen, and what a person's own windows give."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import ParameterError
from emostress_ros.inference import ModelCard
from emostress_ros.inference.folds import load_held_out
from emostress_ros.inference.session import Session
from emostress_ros.modalities.physiology.features import NAMES
from emostress_ros.training.datasets.wearable_stress import Segment, Subject
from emostress_ros.training.physiology.data import VIEW_NAMES, SubjectFeatures
from emostress_ros.training.physiology.variants import (
    VARIANTS,
    WEARABLES,
    blend_settings,
    windows,
)

pytest.importorskip("sklearn", reason="needs the extra [train]")

from emostress_ros.training.personalisation import (
    CALIBRATION,
    RESTING,
    draw,
    gains,
    unseen_answers,
)
from emostress_ros.training.personalisation_page import write
from emostress_ros.training.physiology import folds as physiology_folds
from emostress_ros.training.physiology import judge as physiology_judge
from emostress_ros.training.physiology import study as physiology_study
from emostress_ros.training.physiology.boost import LINE, fit_blend
from emostress_ros.training.physiology.judge import judge_across, judge_unseen
from emostress_ros.training.physiology.protocol import score
from emostress_ros.training.physiology.train import train_other
from emostress_ros.training.study import StudyOptions

REST = VARIANTS[0]
SETTINGS = replace(
    blend_settings(REST, argparse.Namespace(ridge=30.0, rounds=5, seeds=1, seed=0)), parts=(LINE,)
)


def person(dataset: str, name: str, seed: int) -> SubjectFeatures:
    """Half an hour at rest, a quarter stressed, a quarter at rest; each person has an offset."""
    rng = np.random.default_rng(seed)
    segments = (Segment("rest", 0, 0, 1800), Segment("test", 1, 1800, 2700),
                Segment("rest", 0, 2700, 3600))  # fmt: skip
    end_s = np.arange(60.0, 3600.0, 5.0)
    stressed = (end_s > 1800) & (end_s <= 2700)
    views = {}
    for view in VIEW_NAMES:
        values = rng.normal(0.0, 1.0, (len(end_s), len(NAMES))).astype(np.float32)
        values[:, ::5] += stressed[:, None] + rng.normal(0.0, 0.5)
        views[view] = values
    subject = Subject(dataset, name, Path(name), segments)
    return SubjectFeatures(subject, end_s, np.ones(len(end_s)), views)


@pytest.fixture(scope="module")
def people() -> list[SubjectFeatures]:
    """Four persons of each data set."""
    sets = ("wesad", "stress_predict")
    return [person(name, f"S{k}", 10 * i + k) for i, name in enumerate(sets) for k in range(4)]


def test_everybody_is_judged_by_a_model_of_others_once(
    people: list[SubjectFeatures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[str]] = []
    fit = physiology_judge.fit_blend

    def watched(training, settings):
        seen.append({windows.person for windows in training})
        return fit(training, settings)

    monkeypatch.setattr(physiology_judge, "fit_blend", watched)
    judged = judge_unseen(REST, people, SETTINGS, keep=tmp_path)
    assert set(judged.scores) == {"wesad", "stress_predict"}
    assert judged.scores["wesad"].extra["persons"] == 4
    assert judged.scores["wesad"].accuracy > 0.8
    assert len(seen) == 4
    assert all(len(others) == 6 for others in seen)
    assert set(WEARABLES) < set(judged.slices["wesad"])
    whole = judged.scores["wesad"].accuracy
    assert judged.slices["wesad"]["acceleration only"].accuracy < whole
    again = judge_unseen(REST, people, SETTINGS, keep=tmp_path)
    assert len(seen) == 4  # what was kept is not made again
    assert again.scores["wesad"].to_json_dict() == judged.scores["wesad"].to_json_dict()


def test_across_data_sets_nothing_of_the_one_judged_is_learned(
    people: list[SubjectFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[str] = []
    fit = physiology_judge.fit_blend

    def watched(training, settings):
        learned.extend(windows.person for windows in training)
        return fit(training, settings)

    monkeypatch.setattr(physiology_judge, "fit_blend", watched)
    found = judge_across(REST, people, SETTINGS, "wesad")
    assert learned
    assert all(name.startswith("stress_predict/") for name in learned)
    assert found.extra["persons"] == 4


def test_across_data_sets_the_calibration_is_that_of_people_of_the_own_set(
    people: list[SubjectFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    judged = judge_unseen(replace(REST, datasets=("stress_predict",)), people, SETTINGS)
    model = fit_blend(
        [windows(p, REST, 30.0) for p in people if p.subject.dataset == "stress_predict"], SETTINGS
    )
    test = {p.subject.key: windows(p, REST, 60.0) for p in people if p.subject.dataset == "wesad"}
    said = np.concatenate([model.logit(own.features) for own in test.values()])
    truth = np.concatenate([own.stress for own in test.values()])
    honest = said / judged.temperature + judged.shift
    found = judge_across(REST, people, SETTINGS, "wesad")
    assert found.accuracy == pytest.approx(np.mean((honest > 0) == truth))
    assert judged.shift != 0.0


def test_each_fold_is_kept_with_what_it_never_learned_from(
    people: list[SubjectFeatures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(physiology_folds, "blend_settings", lambda *args: SETTINGS)
    physiology_folds.write_folds(REST, people, tmp_path)
    folders = sorted(path.parent for path in tmp_path.glob("*/*/held_out.npz"))
    assert len(folders) == len(people)
    for folder in folders:
        held, card = load_held_out(folder), ModelCard.load(folder)
        (person,) = set(held.persons)
        assert person in str(card.raw["training"]["split"])
        outputs = Session(card).run(held.feeds[0])
        assert 0.0 <= outputs["stress"][0] <= 1.0 and len(held.feeds) == len(held.truth)


def test_windows_given_are_never_scored_and_five_know_both_kinds() -> None:
    stress = np.array([0] * 30 + [1] * 10)
    for seed in range(20):
        given, scored = draw(stress, 20, CALIBRATION, np.random.default_rng(seed))
        assert not set(given) & set(scored)
        assert len(given) == 20
        assert set(stress[given[:5]]) == {0, 1}
        assert min(np.bincount(stress[scored])) >= 2
        resting, _ = draw(stress, 20, RESTING, np.random.default_rng(seed))
        assert not stress[resting].any()


def test_the_study_of_own_windows_says_what_they_give(
    people: list[SubjectFeatures], tmp_path: Path
) -> None:
    answers = unseen_answers(REST, people, SETTINGS)
    assert all(np.isfinite(own.logit).all() for own in answers.values())
    found = list(gains(answers, REST.name, draws=2))
    none = [gain for gain in found if gain.count == 0]
    assert all(gain.change["uar"] == (0.0, 0.0) for gain in none)
    head = {g.count: g for g in found if (g.dataset, g.way) == ("wesad", "head")}
    assert head[20].figures["log_loss"] < head[0].figures["log_loss"]
    page = write(found, tmp_path, draws=2, seed=0).read_text()
    assert "emostress personalise --study --data DATA --draws 2 --seed 0" in page
    assert (tmp_path / "personalisation.png").stat().st_size > 1000


def test_another_architecture_is_judged_in_the_same_folds(
    people: list[SubjectFeatures], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = argparse.Namespace(
        arch="logistic", ridge=30.0, rounds=5, seeds=1, seed=0, runs=tmp_path, epochs=1
    )
    train_other(REST, people, args)
    told = capsys.readouterr().out
    assert "logistic as physiology_wrist_rest, 4 folds by subject: n " in told
    assert "AUROC" in told


def test_the_study_compares_both_splits_and_goes_on_where_it_stopped(
    people: list[SubjectFeatures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [person for person in people if person.subject.dataset == "wesad"]
    monkeypatch.setattr(physiology_study.wesad, "subjects", lambda path: [])
    monkeypatch.setattr(physiology_study, "all_features", lambda *args: own)
    options = StudyOptions(
        tmp_path, quick=True, models=("logistic", "invariant"), work=tmp_path, progress=False
    )
    done = physiology_study.study(options)
    assert [(e.model, e.person_disjoint) for e in done.entries] == [
        ("logistic", True), ("invariant", True), ("logistic", False), ("invariant", False),
    ]  # fmt: skip
    assert all(0.5 < entry.score.extra["auroc"] <= 1.0 for entry in done.entries)
    assert any("dealing windows at random" in lesson for lesson in done.lessons)
    monkeypatch.setattr(physiology_study.Bench, "judge", None)  # nothing is trained again
    assert physiology_study.study(options).entries[0].score.n == done.entries[0].score.n


@pytest.mark.parametrize(
    ("dataset", "options", "told"),
    [
        ("wesad", {"protocol": "folds"}, "shipped, loso, cross, random"),
        ("wesad", {"protocol": "loso", "baseline": "some"}, "rest, none"),
        ("wesad", {"protocol": "loso", "model": "text_minilm"}, "physiology_wrist"),
        ("wesad", {"protocol": "loso", "model": "physiology_wrist_permissive"}, "stress_predict"),
        ("stress_predict", {"protocol": "cross", "model": "physiology_wrist_permissive"}, "wesad"),
    ],
)
def test_what_cannot_be_judged_is_named(
    dataset: str, options: dict[str, str], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ParameterError, match=told):
        score(dataset, tmp_path, progress=False, **options)
