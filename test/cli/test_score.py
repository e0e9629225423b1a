"""`emostress score --protocol`: what it hands on, and what it says when it cannot."""

from __future__ import annotations

import json
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emostress_ros.cli.main import main
from emostress_ros.metrics import Score, score_predictions

NAME = "emostress_ros.training.voice.protocol"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a protocol of the voice was asked; it takes a model and a working folder."""
    calls: list[Any] = []

    def score(
        dataset: str,
        path: Path,
        *,
        protocol: str,
        model: str | None = None,
        work: Path | None = None,
        progress: bool = True,
    ) -> Score:
        calls.append((dataset, path, protocol, model, work, progress))
        return score_predictions(("a", "b"), [0, 1], [[1.0, 0.0], [0.0, 1.0]], ["x", "y"])

    module = ModuleType(NAME)
    vars(module)["score"] = score
    monkeypatch.setitem(sys.modules, NAME, module)
    return calls


def test_a_protocol_is_scored_by_its_modality(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", "voice", "ravdess", "DIR", "--protocol", "folds", "--work", "W", "--json"]
    assert main(words) == 0
    assert asked == [("ravdess", Path("DIR"), "folds", None, Path("W"), False)]
    assert json.loads(capsys.readouterr().out)["accuracy"] == 1.0


def test_an_option_that_the_protocol_does_not_take_is_refused(
    asked: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["score", "voice", "ravdess", "DIR", "--protocol", "folds", "--baseline", "rest"]
    assert main(words) == 1
    assert "takes no --baseline" in capsys.readouterr().err
    assert asked == []


def test_missing_torch_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class NoTorch(MetaPathFinder):
        """Stands before the real finders and says what Python says where torch is missing."""

        def find_spec(self, name: str, *_: Any) -> None:
            if name == NAME:
                raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.delitem(sys.modules, NAME, raising=False)
    monkeypatch.setattr(sys, "meta_path", [NoTorch(), *sys.meta_path])
    assert main(["score", "voice", "ravdess", "DIR", "--protocol", "folds"]) == 1
    said = capsys.readouterr().err
    assert "'torch'" in said
    assert "emostress_ros[train]" in said


def test_a_working_folder_without_a_training_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["score", "voice", "ravdess", "DIR", "--work", "W"]) == 1
    assert "--work" in capsys.readouterr().err
