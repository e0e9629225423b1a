"""`emostress models` says what the cards say, so that it can be read."""

from __future__ import annotations

import pytest

from emostress_ros.cli.main import main
from emostress_ros.inference import ModelCard


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def test_the_list_names_every_model_with_an_interval(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--check"]) == 0
    printed = capsys.readouterr().out
    for name in ("voice_speech", "text_minilm_open", "physiology_wrist_permissive"):
        assert ModelCard.load(name).identifier in printed
    assert "[0." in printed


def test_a_card_is_shown_with_licence_limits_and_figures(
    capsys: pytest.CaptureFixture[str],
) -> None:
    card = ModelCard.load("physiology_wrist")
    assert main(["models", card.name]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert card.licence in printed
    assert str(card.raw["limits"][0])[:60] in printed
    assert f"{card.measured[0].metrics['accuracy']:.3f}" in printed
    assert main(["models", card.name, "--yaml"]) == 0
    assert "sha256" in capsys.readouterr().out
