"""Several processes train one network: the same weights as one, one writer, one message."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from emostress_ros.training.logs import CsvLog  # noqa: E402
from emostress_ros.training.workers import Workers  # noqa: E402

HERE = Path(__file__).parent
EXACT = ("finetuned", "heads", "wearable")
"""Nothing is drawn, and the loss is a mean over rows: as one process, but for rounding."""
CLOSE = {"shipped_voice": 0.05, "fused": 0.25, "toy": 0.25, "other_voice": 0.45}
"""How far the mean loss may be off that of one process, where the processes draw, or normalise."""


def torchrun(*words: str, stop: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run with two processes; Ctrl-C comes as soon as ``stop`` is there."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node",
               "2", *words]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    child = subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    while stop is not None and child.poll() is None and not stop.exists():
        time.sleep(0.02)
    if stop is not None:
        child.send_signal(signal.SIGINT)
    said, complained = child.communicate(timeout=120)
    return subprocess.CompletedProcess(command, child.returncode, said, complained)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every modality's training with two processes, and with one."""
    folder = tmp_path_factory.mktemp("shared")
    done = torchrun(str(HERE / "shared_trainings.py"), str(folder), *EXACT, *CLOSE)
    assert done.returncode == 0, done.stderr
    return folder


def both(folder: Path, name: str) -> Any:
    return torch.load(folder / f"{name}.pt")


@pytest.mark.parametrize("name", EXACT)
def test_two_processes_end_where_one_does(trained: Path, name: str) -> None:
    (losses, weights), (alone, own) = both(trained, name)
    np.testing.assert_allclose(losses, alone, rtol=1e-4)
    for key, value in own.items():
        torch.testing.assert_close(weights[key], value, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("name", CLOSE)
def test_where_each_draws_the_loss_takes_the_same_course(trained: Path, name: str) -> None:
    (losses, weights), (alone, _) = both(trained, name)
    assert len(losses) == len(alone)
    assert np.mean(losses) == pytest.approx(np.mean(alone), rel=CLOSE[name])
    assert all(value.isfinite().all() for value in weights.values())


def test_one_keeps_the_checkpoint_and_a_log_of_all(trained: Path) -> None:
    (losses, _), _ = both(trained, "toy")
    shared, own = (
        CsvLog(trained / "toy" / kind / "log.csv", resume=True).read()
        for kind in ("shared", "alone")
    )
    assert shared["epoch"] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert shared["step"] == own["step"]  # the same steps, each shared
    np.testing.assert_allclose(shared["training_loss"], losses, rtol=1e-4)
    assert shared["uar"][-1] > 0.7
    assert (trained / "toy" / "shared" / "checkpoint.pt").is_file()


@given(st.integers(1, 40), st.integers(1, 9))
@settings(max_examples=60, deadline=None)
def test_shares_are_a_whole_batch_and_weigh_as_much(rows: int, count: int) -> None:
    taken, weights = [], []
    values = np.random.default_rng(rows).normal(size=rows)
    for rank in range(count):
        workers = Workers()
        workers.rank, workers.count = rank, count
        (name, part, rest), weight = workers.share(("meld", values, {"t": torch.arange(rows)}))
        assert name == "meld" and len(part) == len(rest["t"]) >= 1  # all take a step
        taken += rest["t"].tolist() if weight else []
        weights.append(weight * part.mean())
    assert sorted(taken) == list(range(rows))
    assert np.mean(weights) == pytest.approx(values.mean())


def test_what_has_no_rows_goes_to_all_as_it_is() -> None:
    workers = Workers()
    workers.rank, workers.count = 1, 2
    assert workers.share(("a", 7)) == (("a", 7), 1.0)


def test_a_failure_in_one_process_ends_all_with_its_message(tmp_path: Path) -> None:
    began = time.monotonic()
    done = torchrun(str(HERE / "shared_trainings.py"), str(tmp_path), "poisoned")
    assert done.returncode != 0 and time.monotonic() - began < 60.0
    assert "process 1: the loss of step 1 (epoch 1, batch 1) is no number: sum nan" in done.stderr
    assert "another of the 2 processes has ended" in done.stderr
    assert not (tmp_path / "poisoned.pt").exists()


def face(folder: Path, toy_set: Path, *more: str) -> tuple[str, ...]:
    return (
        "-m", "--", "emostress_ros", "train", "face", "--data", str(toy_set), "--arch", "cnn",
        "--work", str(folder / "work"), "--out", str(folder / "face_toy"), "--threads", "1",
        "--batch", "63", "--quiet", *more,
    )  # fmt: skip


@pytest.mark.slow
def test_the_command_stops_at_ctrl_c_goes_on_and_exports_once(
    toy_set: Path, tmp_path: Path
) -> None:
    log, more = tmp_path / "work" / "log.csv", ("--epochs", "400", "--no-export")
    stopped = torchrun(*face(tmp_path, toy_set, *more), stop=log)
    assert stopped.returncode != 0
    assert stopped.stderr.count("the same command with --resume goes on") == 1, stopped.stderr
    epochs = len(CsvLog(log, resume=True).read()["epoch"]) + 1
    went_on = torchrun(*face(tmp_path, toy_set, "--epochs", str(epochs + 1), "--resume"))
    assert went_on.returncode == 0, went_on.stderr
    assert CsvLog(log, resume=True).read()["epoch"] == [1.0 + i for i in range(epochs + 1)]
    assert went_on.stdout.count("wrote") == 1
    assert (tmp_path / "face_toy" / "model.onnx").is_file()
