"""What a user gets wrong ends with one line that says what came and what is allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.cli.main import main
from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.splits import leave_out, person_folds


@pytest.fixture
def there(tmp_path: Path, toy_set: Path) -> Path:
    """A folder with an empty one, a text file, and faces."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.txt").write_text("hello\n")
    for name, subjects in (("two", ("S2", "S3")), ("odd", ("S2",))):
        rows = [f"{subject},0,100,{'0' if name == 'two' else 'maybe'}" for subject in subjects]
        text = "\n".join(["subject,start_s,end_s,stress", *rows])
        (tmp_path / f"{name}.csv").write_text(text)
    held = dict(np.load(toy_set))
    kept = held["label"] != 3
    np.savez(tmp_path / "noclass.npz", **{name: rows[kept] for name, rows in held.items()})
    return tmp_path


@pytest.fixture
def toy_set(tmp_path: Path) -> Path:
    """Forty-two faces of seven classes."""
    labels = np.arange(42) % 7
    images = np.random.default_rng(0).integers(0, 256, (42, 48, 48)).astype(np.uint8)
    usage = np.where(np.arange(42) < 35, "Training", "PublicTest")
    votes = np.eye(10, dtype=np.uint8)[labels] * 10
    path = tmp_path / "toy.npz"
    np.savez(path, images=images, label=labels, usage=usage, ferplus_votes=votes)
    return path


FACE = "train face --data toy.npz --arch cnn --no-export --work work"
SOUND = "train voice --arch gru --data empty --output out"
TEXT = "train text --data empty --out out"
BODY = "train physiology --data empty"
WRONG = {
    "train hands --data x": (2, "invalid choice: 'hands'"),
    "train face": (2, "--data"),
    "train face --data nowhere": (1, "no FER2013 at nowhere: expected one of fer2013.npz"),
    "train face --data file.txt": (1, "no FER2013 at file.txt"),
    "train face --data noclass.npz": (1, "no face to learn from is labelled happy; needed are"),
    f"{FACE} --arch vit": (2, "invalid choice: 'vit' (choose from"),
    f"{FACE} --epochs 0": (2, "argument --epochs: must be a whole number, at least 1; got 0"),
    f"{FACE} --epochs many": (2, "argument --epochs: must be a whole number, at least 1; got many"),
    f"{FACE} --lr -0.1": (2, "argument --lr: must be a number above 0; got -0.1"),
    f"{FACE} --lr nan": (2, "argument --lr: must be a number above 0; got nan"),
    f"{FACE} --batch 0": (2, "argument --batch: must be a whole number, at least 1; got 0"),
    f"{FACE} --smoothing 2": (2, "must be a number at least 0 and at most 1; got 2"),
    f"{FACE} --device tpu": (2, "argument --device: must be one of auto, cpu, cuda; got tpu"),
    f"{FACE} --resume": (1, "--resume: there is no work/checkpoint.pt to go on with"),
    f"{FACE} --initial file.txt": (1, "file.txt is not a checkpoint"),
    f"{FACE} --epochs 1 --work file.txt": (1, "file.txt: File exists"),
    f"{SOUND} --share 0": (2, "argument --share: must be a number above 0; got 0"),
    f"{SOUND} --resume --work w": (1, "--resume: there is no w/checkpoint.pt"),
    SOUND: (1, "expected Actor_NN/"),
    "train voice --data nowhere": (1, "RAVDESS: nowhere/ravdess is not a folder"),
    "train voice --data empty --run all": (2, "invalid choice: 'all'"),
    f"{TEXT} --sources tweets": (1, "--sources must be some of goemotions, meld, dreaddit"),
    f"{TEXT} --sources dreaddit": (1, "--sources needs goemotions or meld"),
    f"{TEXT} --epochs -1": (2, "argument --epochs: must be a whole number, at least 0; got -1"),
    f"{TEXT} --resume --run r": (1, "--resume: there is no r/net.pt"),
    f"{TEXT} --recipe heads --resume --run r": (1, "--resume: there is no r/heads/checkpoint.pt"),
    TEXT: (1, "goemotions: there is no empty/goemotions"),
    f"{BODY} --epochs 0": (2, "argument --epochs: must be a whole number, at least 1; got 0"),
    f"{BODY} --processes 0": (2, "argument --processes: must be a whole number, at least 1"),
    f"{BODY} --ridge -1": (2, "argument --ridge: must be a number at least 0; got -1"),
    BODY: (1, "empty/segments.csv: no such file"),
    "train fusion --data empty --steps 0": (2, "argument --steps: must be a whole number"),
    "train fusion --data empty --finetune file.txt": (1, "file.txt is not a checkpoint"),
    "train fusion --data empty": (1, "no FER2013 at empty/face"),
    "study face --data toy.npz --seed -1": (2, "argument --seed: must be a whole number"),
    "study fusion --data empty": (2, "invalid choice: 'fusion'"),
    "score face fer2013 toy.npz --baseline none": (1, "--baseline is for physiology alone"),
    "personalise empty --segments two.csv --out out": (1, "names 2 subjects, such as S2 and S3"),
    "personalise empty --segments odd.csv --out out": (1, "odd.csv:2: need stress 0 or 1"),
    "score face ravdess x": (2, "face is scored on fer2013, ferplus; got ravdess"),
    "personalise": (1, "give a recording, --segments and --out"),
    "personalise --study --data empty --draws 0": (2, "argument --draws: must be a whole number"),
}


@pytest.mark.parametrize("words", WRONG)
def test_it_ends_with_one_clear_line(
    words: str, there: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(there)
    status, said = WRONG[words]
    try:
        found = main(words.split())
    except SystemExit as usage:
        found = int(usage.code or 0)
    output = capsys.readouterr()
    last = (output.err.strip() or output.out.strip()).splitlines()[-1]
    assert found == status, output.err
    assert last.startswith("emostress") and said in last


def test_one_person_cannot_be_held_out_of_one() -> None:
    with pytest.raises(DatasetError, match="at least two people; there is ravdess-01"):
        person_folds(["ravdess-01"] * 3, 5)
    with pytest.raises(DatasetError, match=r"nobody is left to learn from.*ravdess-01; .* two"):
        leave_out(["ravdess-01"] * 3, ["ravdess-01"])
