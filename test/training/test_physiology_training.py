"""Fitting, calibrating, exporting and judging models of stress."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.inference import ModelCard
from emostress_ros.training.datasets.wearable_stress import Subject
from emostress_ros.training.physiology.fit import (
    Windows,
    fit_logistic,
    fit_temperature,
    held_out,
    sigmoid,
    subject_folds,
)

pytest.importorskip("onnx", reason="needs the extra [train]")


def people(count: int = 6, inputs: int = 8, seed: int = 0) -> list[Windows]:
    """Persons in whom stress lifts the first input, and in whom a tenth is missing."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        stress = (rng.random(200) < 0.3).astype(np.int64)
        features = rng.normal(10.0, 3.0, (200, inputs))
        features[:, 0] += 6.0 * stress
        features[rng.random(features.shape) < 0.1] = np.nan
        made.append(Windows(f"p{number}", features, stress))
    return made


def test_it_finds_what_tells_stress() -> None:
    model = fit_logistic(people(), ridge=10.0)
    assert np.argmax(np.abs(model.weights)) == 0
    unseen = people(1, seed=9)[0]
    assert np.mean((model.logit(unseen.features) > 0) == unseen.stress) > 0.75


def test_a_person_is_never_on_both_sides() -> None:
    seen: list[set[str]] = []

    def fit(training: list[Windows]):
        seen.append({windows.person for windows in training})
        return fit_logistic(training, ridge=10.0)

    everyone = {windows.person: windows for windows in people()}
    folds = [["p0", "p1"], ["p2", "p3"], ["p4", "p5"]]
    logits = held_out(everyone, everyone, folds, fit)
    assert list(logits) == list(everyone)
    assert all(not others & set(fold) for fold, others in zip(folds, seen, strict=True))


def test_each_fold_leaves_out_one_of_the_small_set() -> None:
    persons = [f"small/{k}" for k in range(3)] + [f"large/{k}" for k in range(8)]
    folds = subject_folds(persons, most=11)
    assert sorted(person for fold in folds for person in fold) == sorted(persons)
    assert [sum(p.startswith("small") for p in fold) for fold in folds] == [1, 1, 1]


def test_a_leaked_split_is_refused() -> None:
    training = {f"{k}": person for k, person in enumerate(people(3))}
    renamed = {"3": training["0"], "4": training["1"]}  # the same persons under other keys
    with pytest.raises(DatasetError, match="p0, p1"):
        held_out(training, renamed, [["3", "4"]], lambda given: fit_logistic(given, ridge=1.0))


def test_training_needs_both_kinds() -> None:
    calm = [Windows("p", np.zeros((3, 2)), np.zeros(3, np.int64))]
    with pytest.raises(DatasetError, match="stressed and calm"):
        fit_logistic(calm, ridge=1.0)


def test_calibration_makes_overconfident_logits_honest() -> None:
    rng = np.random.default_rng(0)
    honest = rng.normal(0.0, 1.5, 5000)
    stress = (rng.random(5000) < sigmoid(honest)).astype(np.int64)
    temperature, shift = fit_temperature(3.0 * honest + 2.0, stress, np.ones(5000))
    assert temperature == pytest.approx(3.0, rel=0.1)
    assert shift == pytest.approx(-2.0 / 3.0, abs=0.1)


@pytest.mark.parametrize("parts", [("line",), ("trees",), ("line", "trees", "perceptrons")])
def test_the_export_says_what_was_fitted(tmp_path: Path, parts: tuple[str, ...]) -> None:
    pytest.importorskip("sklearn", reason="needs the extra [train]")
    from emostress_ros.training.physiology.boost import BlendSettings, fit_blend
    from emostress_ros.training.physiology.export import export_blend
    from emostress_ros.training.physiology.perceptron import PerceptronSettings

    training = people()
    past = np.arange(8) > 5
    if "perceptrons" in parts:
        pytest.importorskip("torch", reason="needs the extra [train]")
    settings = BlendSettings(
        10.0, np.repeat(np.arange(4), 2), past, rounds=20, seeds=2, parts=parts,
        perceptrons=PerceptronSettings(count=2, epochs=3),
    )  # fmt: skip
    model = fit_blend(training, settings).calibrated(1.3, -0.2)
    features = np.concatenate([windows.features for windows in training])
    hidden = np.where(np.arange(8) < 4, np.nan, features)
    assert export_blend(model, tmp_path / "model.onnx", np.r_[features, hidden]) < 1e-4


@pytest.mark.parametrize(
    "name",
    [
        "physiology_wrist",
        "physiology_wrist_rest",
        "physiology_wrist_permissive",
        "physiology_wrist_permissive_rest",
    ],
)
def test_shipped_cards_say_what_one_must_know(name: str) -> None:
    card = ModelCard.load(name)
    card.check_weights()
    persons = {figure["dataset"].split(",")[0]: figure["persons"] for figure in card.figures}
    assert persons["stress_predict"] >= 27
    assert ("non-commercial" in card.licence) == any(
        "WESAD" in data["name"] for data in card.raw["data"]
    )
    assert 0.0 < card.reliability["stress"] < 1.0
    assert all(figure["command"] for figure in card.figures)


def test_kept_features_are_made_anew_when_the_front_end_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emostress_ros.modalities import physiology
    from emostress_ros.training.physiology import data

    made: list[str] = []

    def features(subject: Subject, config: object) -> data.SubjectFeatures:
        made.append(subject.name)
        views = {name: np.zeros((1, 1), np.float32) for name in data.VIEW_NAMES}
        return data.SubjectFeatures(subject, np.zeros(1), np.zeros(1), views)

    copy = tmp_path / "physiology"
    shutil.copytree(Path(physiology.__file__).parent, copy)
    monkeypatch.setattr(physiology, "__file__", str(copy / "__init__.py"))
    monkeypatch.setattr(data, "subject_features", features)
    subjects = [Subject("wesad", "S2", tmp_path, ())]
    config = physiology.PhysiologyConfig()
    data.all_features(subjects, config, tmp_path / "kept")
    data.all_features(subjects, config, tmp_path / "kept")
    assert made == ["S2"]
    (copy / "pulse.py").write_text("other = True\n")
    data.all_features(subjects, config, tmp_path / "kept")
    assert made == ["S2", "S2"]


def test_kept_answers_are_those_of_this_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn", reason="needs the extra [train]")
    from emostress_ros.training.physiology.judge import fingerprint
    from emostress_ros.training.physiology.variants import RECIPE, VARIANTS, blend_settings

    windows = {person.person: person for person in people(2)}
    settings = blend_settings(VARIANTS[0], RECIPE)
    before, read = fingerprint(windows, settings), Path.read_bytes
    assert fingerprint(windows, settings) == before

    def edited(path: Path) -> bytes:
        return read(path) + (b"# edited" if path.name == "perceptron.py" else b"")

    monkeypatch.setattr(Path, "read_bytes", edited)
    assert fingerprint(windows, settings) != before
