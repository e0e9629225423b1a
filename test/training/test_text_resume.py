"""A fine-tuning that was interrupted goes on after its last whole epoch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emostress_ros.errors import DatasetError  # noqa: E402
from emostress_ros.training.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from emostress_ros.training.datasets.labelled_text import Row, assemble  # noqa: E402
from emostress_ros.training.keep import Keep  # noqa: E402
from emostress_ros.training.logs import CsvLog  # noqa: E402
from emostress_ros.training.text import finetune as finetuning  # noqa: E402
from emostress_ros.training.text.data import Corpora  # noqa: E402
from emostress_ros.training.text.encoder import Bert, BertShape  # noqa: E402
from emostress_ros.training.text.heads import HeadOptions, train_heads  # noqa: E402

SHAPE = BertShape(vocabulary=30, positions=12, width=64, inner=32, layers=1, heads=2)
OPTIONS = finetuning.FinetuneOptions(
    epochs=2, batch=8, long_batch=8, frozen_layers=0, bfloat16=False
)


@pytest.fixture
def stress() -> tuple[Corpora, dict[str, list[list[int]]]]:
    """Twenty-four texts, stressed where they repeat a token."""
    classes = np.arange(24) % 2
    rows = [Row(str(c), (int(c),), f"p{i}", "train") for i, c in enumerate(classes)]
    tokens = [[1, 10 + int(c), 10 + int(c), 2] for c in classes]
    return Corpora({"dreaddit": assemble("dreaddit", ["0", "1"], rows, {})}, {}), {
        "dreaddit": tokens
    }


def test_it_goes_on_where_it_stopped(
    stress: tuple[Corpora, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(path: Path, state: Any) -> None:
        save_checkpoint(path, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("emostress_ros.training.keep.save_checkpoint", broken)
        with pytest.raises(KeyboardInterrupt):
            finetuning.finetune(Bert(SHAPE), *stress, tmp_path, OPTIONS)
    assert finetuning.read_log(tmp_path)["epoch"] == [1.0]
    finetuning.finetune(Bert(SHAPE), *stress, tmp_path, OPTIONS, resume=True)
    assert finetuning.read_log(tmp_path)["epoch"] == [1.0, 2.0]
    assert finetuning.steps_and_seconds(tmp_path)[0] == 6
    before = (tmp_path / "net.pt").read_bytes()
    assert "optimizer" not in load_checkpoint(tmp_path / "net.pt")
    finetuning.finetune(Bert(SHAPE), *stress, tmp_path, OPTIONS, resume=True)
    assert (tmp_path / "net.pt").read_bytes() == before  # nothing was left to do


def test_another_training_is_not_gone_on_with(stress: tuple[Corpora, Any], tmp_path: Path) -> None:
    finetuning.finetune(Bert(SHAPE), *stress, tmp_path, replace(OPTIONS, epochs=1))
    with pytest.raises(DatasetError, match=r"another epochs, seed"):
        changed = replace(OPTIONS, seed=5)
        finetuning.finetune(Bert(SHAPE), *stress, tmp_path, changed, resume=True)


def test_heads_go_on_where_they_were_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    rows = {"goemotions": rng.normal(size=(60, 16)).astype(np.float32)}
    targets = {"goemotions": np.eye(7, dtype=bool)[rows["goemotions"][:, :7].argmax(1)]}
    options = HeadOptions(hidden=8, epochs=4, batch=16)
    whole = train_heads(rows, targets, options, keep=Keep(tmp_path / "whole"))

    def broken(path: Path, state: Any) -> None:
        save_checkpoint(path, state)
        if state["epoch"] == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("emostress_ros.training.keep.save_checkpoint", broken)
        with pytest.raises(KeyboardInterrupt):
            train_heads(rows, targets, options, keep=Keep(tmp_path / "parts"))
    seen: list[int] = []
    keep = Keep(tmp_path / "parts", resume=True)
    parts = train_heads(rows, targets, options, lambda epoch, *_: seen.append(epoch), keep)
    assert seen == [3, 4]
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    logs = [CsvLog(tmp_path / kind / "log.csv", resume=True).read() for kind in ("whole", "parts")]
    assert logs[0]["training_loss"] == logs[1]["training_loss"] and len(logs[0]["epoch"]) == 4
