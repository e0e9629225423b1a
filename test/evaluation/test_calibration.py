"""A model's calibration on people never seen: figures, document and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emostress_ros.evaluation import calibration, calibration_report
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import Predictions
from emostress_ros.resources import share_directory
from emostress_ros.training.calibrate import soften

CARD = ModelCard.load(share_directory() / "models/text_minilm_open")


def card(tmp_path: Path, how: Mapping[str, Any], threshold: float = 0.5) -> ModelCard:
    raw = {**CARD.raw, "calibration": dict(how), "threshold_unknown": threshold}
    return ModelCard.from_mapping(raw, tmp_path)


@pytest.fixture
def items() -> Predictions:
    """Honest predictions of three classes by fifty people."""
    rng = np.random.default_rng(0)
    rows = rng.dirichlet(np.ones(3), 3000)
    truth = (rows.cumsum(1) < rng.random((3000, 1))).sum(1).astype(np.int64)
    return Predictions(truth, rows, np.arange(3000) % 50)


@pytest.mark.parametrize(
    ("dataset", "how", "expected"),
    [
        ("goemotions", {"temperature_goemotions": 1.2, "temperature": 3.0}, (1.2, 0.0)),
        ("meld, as published", {"temperature_meld": 1.2, "temperature_general": 1.1}, (1.1, 0.0)),
        ("RAVDESS", {"temperature": 0.8}, (0.8, 0.0)),
        ("wesad, pulse only", {"temperature": 0.7, "shift": -0.5}, (0.7, -0.5)),
        ("dreaddit", {"platt_stress": [0.8, -0.1]}, (1.25, -0.1)),
        ("meld", {"method": "none"}, None),
    ],
)
def test_the_card_says_what_to_undo(
    tmp_path: Path, dataset: str, how: dict, expected: object
) -> None:
    found = calibration.calibration_of(card(tmp_path, how), dataset)
    assert found == (pytest.approx(expected) if expected else None)


def test_undoing_and_mending_are_told_apart(tmp_path: Path, items: Predictions) -> None:
    sure = Predictions(items.truth, soften(items.probabilities, 0.4), items.persons)
    found = calibration.honesty(card(tmp_path, {"temperature": 0.4}), "d", "s", sure)
    assert found.ece["raw"] < 0.03 < found.ece["shipped"]
    assert max(found.ece["temperature"], found.ece["isotonic"]) < 0.04
    assert found.persons == 50
    given = sure.probabilities.max(1) >= 0.5
    right = sure.probabilities.argmax(1) == sure.truth
    assert found.coverage == pytest.approx(given.mean())
    assert found.risk == pytest.approx(1.0 - right[given].mean())


def test_the_document_names_who_is_over_the_bound(tmp_path: Path, items: Predictions) -> None:
    sure = Predictions(items.truth, soften(items.probabilities, 0.4), items.persons)
    model = card(tmp_path, {"temperature": 1.0})
    found = [calibration.honesty(model, name, "dev", p) for name, p in
             (("honest", items), ("boasting", sure))]  # fmt: skip
    text = calibration_report.write(found, tmp_path, "emostress calibration").read_text()
    assert "Over the bound of 0.05: `text_minilm_open` on boasting" in text
    (tmp_path / "calibration_notes.md").write_text("What was tried.\n")
    noted = calibration_report.write(found, tmp_path, "emostress calibration").read_text()
    assert noted.replace("What was tried.\n\n", "") == text
    assert "emostress calibration" in text
    picture = tmp_path / "figures/calibration_text_minilm_open.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert f"figures/{picture.name}" in text


@pytest.mark.parametrize(
    ("question", "undone"), [("emotion", (0.7, 0.0)), ("stress", None)], ids=["emotion", "stress"]
)
def test_only_the_emotion_of_a_fusion_has_a_temperature(
    tmp_path: Path, question: str, undone: tuple[float, float] | None
) -> None:
    model = card(tmp_path, {"temperature_emotion": 0.7})
    dataset = f"FER2013 PublicTest, RAVDESS: {question} from face + voice"
    assert calibration.calibration_of(model, dataset) == undone


@pytest.mark.parametrize("known", [True, False])
def test_kept_predictions_come_back(tmp_path: Path, items: Predictions, known: bool) -> None:
    kept = items if known else Predictions(items.truth, items.probabilities, None)
    calibration.save_predictions(kept, tmp_path / "w/p.npz")
    back = calibration.load_predictions(tmp_path / "w/p.npz")
    np.testing.assert_array_equal(back.probabilities, items.probabilities)
    np.testing.assert_array_equal(back.truth, items.truth)
    assert (back.persons is not None) == known
    if back.persons is not None:
        assert back.persons.tolist() == [str(person) for person in items.persons]  # type: ignore[union-attr]
