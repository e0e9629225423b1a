"""What a smaller variant costs and keeps, and which one ships."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.cli.main import main
from emostress_ros.errors import ModelError, ModelNotFoundError
from emostress_ros.evaluation import compression, compression_report
from emostress_ros.evaluation.compression import Measured
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.folds import load_held_out, save_held_out
from emostress_ros.metrics import score_predictions
from emostress_ros.resources import share_directory

WORDS = "love hate fear joy table chair sad happy angry wow disgusting meeting".split()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of all data that holds forty comments to learn from."""
    folder = tmp_path / "data/text/goemotions"
    folder.mkdir(parents=True)
    rows = [f"{WORDS[i % 12]} {WORDS[i // 12]}\t{i % 7}\tid{i}\n" for i in range(40)]
    (folder / "train.tsv").write_text("".join(rows))
    return tmp_path / "data"


def test_the_command_makes_measures_and_documents(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("onnx")
    words = ["compress", "text_minilm_open", "--data", str(data), "-o", str(tmp_path / "out")]
    assert main([*words, "--items", "8", "--no-accuracy", "--docs", str(tmp_path)]) == 0
    assert "int8" in capsys.readouterr().out
    text = (tmp_path / "compression.md").read_text()
    assert "## text_minilm_open" in text
    assert "By the rule: `w8` (0.13 MB is small enough as it is)" in text
    reference = ModelCard.load(tmp_path / "out/text_minilm_open_fp32")
    smaller = ModelCard.load(tmp_path / "out/text_minilm_open_w8")
    assert smaller.file.stat().st_size < reference.file.stat().st_size / 3


def test_inputs_are_heard_one_by_one_and_the_ear_is_taken_off() -> None:
    card = ModelCard.load(share_directory() / "models/text_minilm_open")
    session = Session(card)
    rows = np.eye(5, 384, dtype=np.float32)
    feeds = compression.recorded_inputs(
        card.identifier, 8, lambda: [session.run({"sentence": rows}) for _ in range(9)]
    )
    assert len(feeds) == 8
    assert feeds[6]["sentence"].tolist() == rows[1:2].tolist()
    before = len(feeds)
    session.run({"sentence": rows})
    assert len(feeds) == before
    with pytest.raises(ModelError, match="not run"):
        compression.recorded_inputs("somebody@else", 1, lambda: session.run({"sentence": rows}))


def variant(
    name: str, size: float, accuracy: float | None, agreement: float = 1.0, off: float = 0.0
) -> Measured:
    known = {} if accuracy is None else {"dev": accuracy}
    return Measured(name, int(size), int(size), known, known, agreement, off, 1.0, 1.0)


@pytest.mark.parametrize(
    ("variants", "chosen"),
    [
        ([("fp32", 4e6, 0.70), ("fp16", 2e6, 0.70), ("w8", 1e6, 0.696)], "w8"),
        ([("fp32", 4e6, 0.70), ("fp16", 2e6, 0.70), ("w8", 1e6, 0.694)], "fp16"),
        ([("fp32", 4e6, 0.7), ("fp16", 2e6, 0.7), ("w8", 1e6, 0.7, 1.0, 0.02)], "fp16"),
        ([("fp32", 4e6, 0.70), ("int8", 1e6, 0.71)], "fp32"),
        ([("fp32", 9e5, 0.70), ("fp16", 5e5, 0.70)], "fp32"),
        ([("fp32", 4e6, None, 1.0), ("fp16", 2e6, None, 0.99)], "fp32"),
        ([("fp32", 4e6, None, 1.0), ("fp16", 2e6, None, 0.996)], "fp16"),
    ],
)
def test_the_rule_takes_the_smallest_that_loses_little(variants: list, chosen: str) -> None:
    assert compression.choose([variant(*v) for v in variants])[0] == chosen


def test_sessions_take_turns_and_say_who_is_faster() -> None:
    class Slow:
        def run(self, feed: object) -> None:
            np.linalg.svd(np.ones((60, 60)))

    class Fast:
        def run(self, feed: object) -> None:
            pass

    times = compression.times_ms({"slow": Slow(), "fast": Fast()}, [{}], rounds=9)  # type: ignore[dict-item]
    assert times["fast"][0] < times["slow"][0]
    assert all(least <= median for least, median in times.values())


def test_a_variant_that_cannot_be_made_is_written_down(tmp_path: Path) -> None:
    variants = [variant("fp32", 2e6, 0.7), Measured("int8", problem="has no product")]
    facts = {"command": "c", "processor": "p", "items": 3, "shipped": "fp32"}
    compression_report.write_measurements("m", variants, facts, tmp_path / "compression")
    text = (tmp_path / "compression.md").read_text()
    assert "| `int8` | has no product |" in text
    assert "0.7000, 0.7000" in text


def test_the_folds_answer_for_a_model_that_learned_from_everybody(tmp_path: Path) -> None:
    source = ModelCard.load(share_directory() / "models/text_minilm_open")
    rng = np.random.default_rng(0)
    feeds = [{"sentence": rng.normal(size=(1, 384)).astype(np.float32)} for _ in range(6)]
    said = compression.answers(Session(source), feeds).argmax(1)
    for number, part in enumerate((slice(0, 2), slice(2, 6))):
        folder = tmp_path / f"fold{number}"
        shutil.copytree(source.folder, folder)
        truth = said[part].copy()
        truth[0] = (truth[0] + 1) % 7  # one error a fold
        save_held_out(folder, feeds[part], truth, [f"p{number}"] * len(truth))
    folders = sorted(tmp_path.glob("fold*"))
    (score,) = compression.judge_folds(folders, lambda card: {"fp32": card}).values()
    assert (score.n, score.extra["persons"]) == (6, 2)
    assert score.accuracy == pytest.approx(4 / 6)
    with pytest.raises(ModelNotFoundError, match=r"held_out\.npz"):
        load_held_out(source.folder)


def test_folds_of_two_sets_are_told_apart(tmp_path: Path) -> None:
    for person in ("wesad/S2", "wesad/S3", "stress_predict/S2"):
        folder = tmp_path / person.replace("/", "_")
        folder.mkdir()
        save_held_out(folder, [{"x": np.zeros(1)}], [0], [person])
    (tmp_path / "fold0").mkdir()
    save_held_out(tmp_path / "fold0", [{"x": np.zeros(1)}], [0], ["ravdess-01"])
    found = compression.by_set(sorted(tmp_path.iterdir()))
    assert {name: len(folders) for name, folders in found.items()} == {
        "": 1, "stress_predict": 1, "wesad": 2,
    }  # fmt: skip


def test_a_table_has_the_figures_that_are_known_of_each_set(tmp_path: Path) -> None:
    truth, sure = np.array([0, 1, 1]), np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    score = score_predictions(("calm", "stressed"), truth, sure)
    plain = Measured("fp32", 1, 1, agreement=1.0, deviation=0.0, fastest_ms=1.0, median_ms=1.0)
    variants = [plain.scored({"dev": score}), replace(plain, name="fp16")]
    facts = {"command": "c", "processor": "p", "items": 3, "shipped": "fp32"}
    compression_report.write_measurements("m", variants, facts, tmp_path / "compression")
    text = (tmp_path / "compression.md").read_text()
    assert "Accuracy, UAR, macro-F1, weighted F1: dev" in text
    assert "0.6667, 0.7500, 0.6667, 0.6667" in text and "| – |" in text
