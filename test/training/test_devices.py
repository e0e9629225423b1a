"""Trainings on a GPU: what --device takes, and that no training mixes devices."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from emostress_ros.training import devices, options  # noqa: E402
from emostress_ros.training.devices import chosen, device_of, moved, use  # noqa: E402
from emostress_ros.training.options import add_device  # noqa: E402
from emostress_ros.training.task import Judging, Loss, Step, Task, TrainerOptions  # noqa: E402
from emostress_ros.training.trainer import Trainer  # noqa: E402
from emostress_ros.training.workers import Workers  # noqa: E402

HERE = Path(__file__).parent
CASES = (
    "faces", "finetuned", "headed", "wearable", "shipped_voice", "other_voices", "fused", "tuned",
)  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of every training on a device of fakes, in a process of its own."""
    words = [str(HERE / "trainings_on_a_device.py"), str(tmp_path_factory.mktemp("device"))]
    done = subprocess.run(
        [sys.executable, *words, *CASES, "left_behind"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.mark.parametrize("name", CASES)
def test_a_training_keeps_to_the_device_of_its_network(found: dict[str, Any], name: str) -> None:
    assert found[name]["problem"] == ""
    assert found[name]["steps"] >= 2


def test_a_training_that_mixes_devices_is_found_out(found: dict[str, Any]) -> None:
    assert "Expected all tensors to be on the same device" in found["left_behind"]["problem"]


@pytest.fixture
def named() -> Any:
    """Puts the device of this process back."""
    yield use
    use("cpu")


def gpus(monkeypatch: pytest.MonkeyPatch, count: int, processes: int = 1) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    monkeypatch.setattr(devices, "gpus", lambda: count)
    monkeypatch.setattr(options, "gpus", lambda: count)


@pytest.mark.parametrize(
    ("count", "processes", "wanted"),
    [(0, 1, "cpu"), (1, 1, "cuda"), (1, 2, "cpu"), (2, 2, "cuda")],
)
def test_auto_is_a_gpu_where_each_process_has_one(
    monkeypatch: pytest.MonkeyPatch, named: Any, count: int, processes: int, wanted: str
) -> None:
    gpus(monkeypatch, count, processes)
    assert chosen() == "cpu"  # nobody asked
    named("auto")
    assert chosen() == wanted
    named("cpu")
    assert chosen() == Workers().device.type == "cpu"


@pytest.mark.parametrize(
    ("text", "count", "processes", "said"),
    [
        ("cuda", 0, 1, "cuda needs a GPU that torch can use, and there is none here; take cpu"),
        ("cuda", 1, 2, "there are 1 for 2 processes"),
        ("gpu", 1, 1, "must be one of auto, cpu, cuda; got gpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, text: str, count: int, processes: int, said: str
) -> None:
    gpus(monkeypatch, count, processes)
    parser = argparse.ArgumentParser()
    add_device(parser)
    with pytest.raises(SystemExit):
        parser.parse_args(["--device", text])
    assert said in capsys.readouterr().err
    assert parser.parse_args([]).device == "auto"


@pytest.mark.parametrize(
    "words",
    [
        ["train", "face"], ["train", "voice"], ["train", "voice", "--arch", "gru"],
        ["train", "text"], ["train", "fusion"], ["study", "voice"], ["study", "physiology"],
        ["score", "voice", "ravdess", "--protocol", "folds"], ["figures"], ["calibration"],
    ],
)  # fmt: skip
def test_a_command_without_its_gpu_ends_before_it_reads_data(
    monkeypatch: pytest.MonkeyPatch, capsys: Any, words: list[str]
) -> None:
    from emostress_ros.cli.main import main

    gpus(monkeypatch, 0)
    monkeypatch.delenv("LOCAL_WORLD_SIZE")
    with pytest.raises(SystemExit):
        main([*words, "--device", "cuda"])
    assert "argument --device: cuda needs a GPU" in capsys.readouterr().err


def test_what_is_moved_keeps_its_shape_and_the_cpu_copies_nothing() -> None:
    rows, numbers = torch.ones(3), np.arange(3)
    data = ("name", numbers, {"rows": rows, "both": (rows, None)})
    there = moved(data, torch.device("meta"))
    assert there[0] == "name"
    assert there[1] is numbers
    assert there[2]["rows"].device.type == there[2]["both"][0].device.type == "meta"
    assert moved(data, torch.device("cpu"))[2]["rows"] is rows


def test_a_network_is_where_its_numbers_are() -> None:
    assert device_of(torch.nn.Linear(2, 2, device="meta")).type == "meta"
    assert device_of(torch.nn.BatchNorm1d(2, affine=False, device="meta")).type == "meta"
    assert device_of(torch.nn.ReLU()).type == "cpu"


class _Rows(Task):
    """Holds rows, and looks where what it is told about is."""

    def __init__(self) -> None:
        self.rows, self.seen = torch.ones(3), set[str]()

    def loss(self, net: torch.nn.Module, batch: Any, step: Step) -> Loss:
        self.seen = {batch["rows"].device.type, self.rows.device.type}
        return Loss({"loss": net(batch["rows"]).sum()})


def test_the_trainer_puts_network_task_and_batch_on_its_device() -> None:
    task, net, rng = _Rows(), torch.nn.Linear(2, 1), np.random.default_rng(0)
    trainer = Trainer(net, task, TrainerOptions(), rng, workers=Workers("meta"))
    step = Step(0, 0.0, rng, trainer.device, contextlib.nullcontext)
    loss = Judging(net, task)({"rows": torch.ones(4, 2), "name": "toy"}, step)
    assert {device_of(net).type, loss.total.device.type} | task.seen == {"meta"}
