"""The one training loop: what it learns, keeps, says, and how it goes on."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from emostress_ros.errors import DatasetError, ParameterError, TrainingError  # noqa: E402
from emostress_ros.training.common import seed_everything  # noqa: E402
from emostress_ros.training.keep import Keep  # noqa: E402
from emostress_ros.training.logs import CsvLog, plot_log  # noqa: E402
from emostress_ros.training.mixup import blend, shares_and_partners  # noqa: E402
from emostress_ros.training.schedule import SCHEDULES  # noqa: E402
from emostress_ros.training.task import Loss, Task, TrainerOptions  # noqa: E402
from emostress_ros.training.trainer import Trainer  # noqa: E402

torch.set_num_threads(1)
ROWS = torch.randn(60, 4, generator=torch.Generator().manual_seed(0))
TRUTH = (ROWS[:, 0] + 0.3 * ROWS[:, 1] > 0).long()


class Toy(Task):
    """Two classes that a line tells apart; draws from every source that is to be kept."""

    def __init__(self, poison: int = -1, figures: tuple[float, ...] = ()) -> None:
        self.poison, self.figures, self.seen = poison, list(figures), 0

    def batches(self, epoch: int, rng: np.random.Generator) -> list[Any]:
        return np.array_split(rng.permutation(len(ROWS)), 5)

    def loss(self, net: Any, batch: Any, step: Any) -> Loss:
        rows = torch.from_numpy(batch)
        noise = torch.from_numpy(step.rng.normal(0, 0.1, (len(rows), 4)).astype(np.float32))
        with step.autocast():
            logits = net(ROWS[rows] + noise)
        named = torch.nn.functional.cross_entropy(logits.float(), TRUTH[rows])
        self.seen += 1
        if self.seen == self.poison:
            named = named * float("nan")
        small = 1e-3 * sum(p.square().sum() for p in net.parameters())
        hits = (logits.argmax(1) == TRUTH[rows]).float().mean()
        return Loss({"classification": named, "regularisation": small}, {"hits": hits}, len(rows))

    def validate(self, net: Any) -> dict[str, float]:
        if self.figures:
            return {"uar": self.figures.pop(0)}
        with torch.no_grad():
            hits = (net.eval()(ROWS).argmax(1) == TRUTH).float()
        return {"uar": float(torch.stack([hits[TRUTH == k].mean() for k in (0, 1)]).mean())}


def net_of(rng: np.random.Generator) -> Any:
    del rng
    return torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.ReLU(), torch.nn.Dropout(0.3),
        torch.nn.Linear(8, 2),
    )  # fmt: skip


def trainer(folder: Path | None = None, task: Task | None = None, **given_: Any) -> Trainer:
    resume = given_.pop("resume", False)
    rng = seed_everything(3)
    net = net_of(rng)
    chosen = {"epochs": 4, "rate": 0.05, "clip_norm": 1.0, "ema": 0.9, **given_}
    keep = Keep(folder, resume=resume) if folder else None
    return Trainer(net, task or Toy(), TrainerOptions(**chosen), rng, keep=keep)


def same(one: Any, other: Any) -> bool:
    mine, theirs = one.state_dict(), other.state_dict()
    return all(torch.equal(value, theirs[key]) for key, value in mine.items())


def test_it_learns_and_logs_a_column_a_term(tmp_path: Path) -> None:
    done = trainer(tmp_path, epochs=12)
    net = done.run()
    assert not net.training
    columns = done.log.read()
    assert list(columns) == [
        "epoch", "step", "training_loss", "classification", "regularisation", "hits",
        "gradient_norm", "uar", "learning_rate", "seconds",
    ]  # fmt: skip
    assert columns["epoch"] == [float(i) for i in range(1, 13)]
    assert columns["training_loss"][-1] < columns["training_loss"][0]
    both = np.add(columns["classification"], columns["regularisation"])
    np.testing.assert_allclose(columns["training_loss"], both, rtol=1e-4)
    assert columns["uar"][-1] > 0.9
    plot_log(columns, "toy", tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 5000


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("ema", [0.0, 0.9])
def test_two_epochs_and_two_resumed_are_four_bit_for_bit(
    tmp_path: Path, ema: float, precision: str
) -> None:
    more = {"ema": ema, "precision": precision}
    whole = trainer(tmp_path / "whole", **more).run()
    trainer(tmp_path / "parts", stop_after=2, **more).run()
    second = trainer(tmp_path / "parts", resume=True, **more)
    assert (second.epoch, second.step) == (2, 10)
    assert same(whole, second.run())
    logs = [CsvLog(tmp_path / name / "log.csv", resume=True).read() for name in ("whole", "parts")]
    for log in logs:
        log.pop("seconds")
    assert logs[0] == logs[1]


class Pressed(Toy):
    """Ctrl-C comes in the middle of an epoch."""

    def loss(self, net: Any, batch: Any, step: Any) -> Loss:
        if self.seen == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return super().loss(net, batch, step)


def test_ctrl_c_keeps_what_was_done_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = signal.getsignal(signal.SIGINT)
    whole = trainer(tmp_path / "whole").run()
    with pytest.raises(KeyboardInterrupt):
        trainer(tmp_path / "parts", Pressed()).run()
    said = capsys.readouterr().err
    assert "in epoch 2, after 3 of 5 batches" in said and "--resume" in said
    assert str(tmp_path / "parts" / "checkpoint.pt") in said
    assert signal.getsignal(signal.SIGINT) is before
    second = trainer(tmp_path / "parts", resume=True)
    assert (second.epoch, second.step) == (1, 8)
    assert same(whole, second.run())
    logs = [CsvLog(tmp_path / name / "log.csv", resume=True).read() for name in ("whole", "parts")]
    np.testing.assert_allclose(logs[0]["training_loss"], logs[1]["training_loss"], rtol=1e-5)


def test_a_loss_that_is_no_number_names_the_step_and_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as caught:
        trainer(tmp_path, Toy(poison=8)).run()
    said = str(caught.value)
    for part in ("step 8 (epoch 2, batch 3)", "classification nan", "learning rate", "float32",
                 "checkpoint.pt holds the last whole epoch"):  # fmt: skip
        assert part in said
    assert trainer(tmp_path, resume=True).epoch == 1


def test_it_stops_early_and_gives_back_the_best_average(tmp_path: Path) -> None:
    task = Toy(figures=(0.5, 0.8, 0.7, 0.6, 0.9))
    done = trainer(tmp_path, task, epochs=9, patience=2)
    kept = []
    for _ in done.epochs():
        kept.append({key: value.clone() for key, value in done.averaged.state_dict().items()})
    assert (done.epoch, done.stopping.best_epoch, done.stopping.best) == (4, 2, 0.8)
    best = done.run().state_dict()  # nothing is left to do: it gives back
    assert all(torch.equal(value, kept[1][key]) for key, value in best.items())
    again = trainer(tmp_path, Toy(), epochs=9, patience=2, resume=True)
    assert again.over and again.run() and again.epoch == 4


def test_a_figure_that_is_not_judged_cannot_be_waited_for() -> None:
    with pytest.raises(ParameterError, match=r"patience waits for 'f1'; what is judged is uar"):
        trainer(patience=2, watch="f1").run()


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"schedule": "step"}, "schedule .* cosine, linear, constant; got 'step'"),
        ({"precision": "half"}, "precision .* float32, bfloat16, float16; got 'half'"),
        ({"ema": 1.0}, "ema .* below 1; got 1.0"),
        ({"epochs": 0}, "epochs .* above 0 where minutes are not"),
        ({"patience": -1}, "patience .* at least 0; got -1"),
    ],
)
def test_odd_options_are_refused(given_: dict[str, Any], said: str) -> None:
    with pytest.raises(ParameterError, match=said):
        TrainerOptions(**given_)


def test_another_recipe_is_not_gone_on_with(tmp_path: Path) -> None:
    def of(size: int, *, resume: bool) -> Trainer:
        rng = seed_everything(0)
        keep = Keep(tmp_path, resume=resume, recipe={"size": size})
        return Trainer(net_of(rng), Toy(), TrainerOptions(), rng, keep=keep)

    of(1, resume=False).run()
    with pytest.raises(DatasetError, match=r"another size: it has size 1"):
        of(2, resume=True)


def test_the_time_bounds_a_training_and_its_schedule() -> None:
    done = trainer(epochs=0, minutes=0.5 / 60)
    done.run()
    assert done.epoch >= 1 and 0.4 < done.elapsed_s < 60.0
    assert done.optimiser.param_groups[0]["lr"] < 0.05


@given(st.sampled_from(sorted(SCHEDULES)), st.floats(0, 0.5), st.floats(0, 0.5))
@settings(max_examples=40, deadline=None)
def test_schedules_rise_to_one_then_fall_no_lower_than_their_floor(
    name: str, warmup: float, floor: float
) -> None:
    factors = np.array([SCHEDULES[name](i / 500, warmup, floor) for i in range(501)])
    top, last = int(np.ceil(500 * warmup)), int(500 * warmup)
    assert factors.min() >= 0.0 and factors.max() <= 1.0 + 1e-9
    assert (np.diff(factors[: last + 1]) >= -1e-9).all()
    assert (np.diff(factors[top:]) <= 1e-9).all()
    assert factors[top] > 0.98 and factors[-1] == pytest.approx(
        1.0 if name == "constant" else floor
    )


@given(st.integers(1, 20), st.floats(0.05, 5.0), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_mixup_keeps_the_mass_of_label_distributions(count: int, alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.dirichlet(np.ones(5), count))
    share, other = shares_and_partners(count, alpha, rng)
    mixed = blend(labels, share, other)
    torch.testing.assert_close(mixed.sum(1), torch.ones(count, dtype=mixed.dtype))
    assert (mixed >= 0).all() and sorted(other.tolist()) == list(range(count))


def test_columns_that_join_later_are_nan_before(tmp_path: Path) -> None:
    log = CsvLog(tmp_path / "log.csv")
    log.write({"epoch": 1, "a": 1.0})
    log.write({"epoch": 2, "b": 5.0})
    columns = log.read()
    assert columns["epoch"] == [1.0, 2.0] and columns["a"][0] == 1.0 and columns["b"][1] == 5.0
    assert np.isnan([columns["a"][1], columns["b"][0]]).all()
