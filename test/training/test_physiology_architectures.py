"""The models of stress by name, over features and over raw windows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.empatica import E4Recording, E4Signal
from emostress_ros.training.datasets.splits import RANDOM, Split, random_split
from emostress_ros.training.physiology.raw import (
    SENSOR_SLICES,
    WIDTH,
    RawRecording,
    Scaling,
    frames_of,
)

pytest.importorskip("sklearn", reason="needs the extra [train]")
pytest.importorskip("torch", reason="needs the extra [train]")

from emostress_ros.training.physiology.architectures import ARCHITECTURES, Task
from emostress_ros.training.physiology.bench import score_stress
from emostress_ros.training.physiology.boost import BlendSettings
from emostress_ros.training.physiology.fit import fit_logistic, held_out
from emostress_ros.training.physiology.perceptron import PerceptronSettings
from emostress_ros.training.physiology.table import Table, inner_split
from emostress_ros.training.physiology.variants import Variant

PEOPLE = [f"wesad/S{k}" for k in range(4)] + [f"stress_predict/S{k}" for k in range(4)]
EACH = 24


class Small(Variant):
    """A variant of few features, which is enough and quick."""

    @property
    def views(self) -> dict[str, list[str]]:
        names = ["hr_mean", "eda_tonic", "temp_mean", "motion_rms"]
        return {"rank": names, "change": names}


def table() -> Table:
    """Eight persons; stress lifts the heart rate."""
    rng = np.random.default_rng(0)
    stress = np.tile(np.arange(EACH) % 3 == 0, len(PEOPLE)).astype(np.int64)
    features = rng.normal(0.0, 1.0, (len(stress), 8))
    features[:, [0, 4]] += 2.0 * stress[:, None]
    settings = BlendSettings(
        10.0, np.tile(np.arange(4), 2), np.ones(8, bool), rounds=10,
        perceptrons=PerceptronSettings(count=1, epochs=8, batch=32),
    )  # fmt: skip
    return Table(
        persons=tuple(person for person in PEOPLE for _ in range(EACH)),
        stress=stress,
        judged=np.arange(len(stress)) % 2 == 0,
        features=features,
        ends_s=np.tile(60.0 + 30.0 * np.arange(EACH), len(PEOPLE)),
        variant=Small("small", True, ("wesad", "stress_predict"), ""),
        settings=settings,
    )


def frames(windows: Table) -> np.ndarray:
    """Raw windows of 10 s in which stress lifts the skin conductance; some lack it."""
    rng = np.random.default_rng(1)
    made = rng.normal(0.0, 1.0, (len(windows.stress), 40, WIDTH)).astype(np.float32)
    made[..., SENSOR_SLICES["eda"]] += 3.0 * windows.stress[:, None, None]
    made[::9, :, SENSOR_SLICES["bvp"]] = np.nan
    return made


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_every_architecture_learns_what_tells_stress(name: str, tmp_path: Path) -> None:
    windows = table()
    split = windows.by_person(["wesad/S0", "stress_predict/S0"], "by subject")
    task = Task(windows, split, 0, frames(windows), tmp_path, epochs=8)
    fitted = ARCHITECTURES[name].fit(task)
    score = score_stress(
        windows.stress[split.test],
        fitted.logit(split.test),
        [windows.persons[i] for i in split.test],
    )
    assert score.extra["auroc"] > 0.9
    assert score.extra["persons"] == 2
    assert fitted.parameters > 8
    assert bool(fitted.curves) == ARCHITECTURES[name].raw


def test_a_network_goes_on_where_it_stopped(tmp_path: Path) -> None:
    windows = table()
    split = windows.by_person(["wesad/S0", "stress_predict/S0"], "by subject")
    fit = ARCHITECTURES["lstm"].fit
    fit(Task(windows, split, 0, frames(windows), tmp_path, epochs=1))
    went_on = fit(Task(windows, split, 0, frames(windows), tmp_path, epochs=3))
    assert went_on.curves["epoch"] == [1.0, 2.0, 3.0]


def test_only_windows_that_do_not_overlap_are_judged() -> None:
    windows = table()
    split = windows.by_person(["wesad/S1"], "by subject")
    assert windows.judged[split.test].all()
    assert len(split.train) == len(windows.stress) - EACH


def test_what_stops_a_training_is_divided_like_what_judges_it() -> None:
    windows = table()
    outer = windows.by_person(["wesad/S1"], "by subject")
    inner = inner_split(windows, outer, seed=0)
    assert inner.person_disjoint
    assert {p.split("/")[0] for p in inner.test_persons} == {"wesad", "stress_predict"}
    assert "wesad/S1" not in {*inner.train_persons, *inner.test_persons}
    dealt = inner_split(windows, random_split(windows.persons, windows.stress, seed=0), seed=0)
    assert dealt.name == RANDOM
    assert not dealt.person_disjoint


def test_a_leaked_split_is_refused() -> None:
    windows = table()
    with pytest.raises(DatasetError, match="wesad/S0"):
        Split("by subject", np.arange(4), np.arange(4, 30), windows.persons)


def test_frames_hold_every_signal_at_its_own_rate() -> None:
    start = 1_000_000_000
    seconds = 20

    def signal(name: str, rate: float, axes: int, late_s: float = 0.0) -> E4Signal:
        count = int(seconds * rate)
        data = np.arange(count * axes, dtype=np.float32).reshape(count, axes) / rate
        return E4Signal(name, "", rate, start + round(late_s * 1e9), data)

    recording = E4Recording(
        "r", start,
        {"bvp": signal("bvp", 64.0, 1), "acceleration": signal("acceleration", 32.0, 3, 1.0),
         "eda": signal("eda", 4.0, 1)},
    )  # fmt: skip
    made = frames_of(recording)
    assert made.shape[1] == WIDTH
    acceleration = made[:, SENSOR_SLICES["acceleration"]].reshape(len(made), 8, 3)
    assert np.isnan(acceleration[:4]).all()  # it began a second later
    assert acceleration[4, 0].tolist() == pytest.approx([0.0, 1 / 32, 2 / 32])
    assert np.isnan(made[:, SENSOR_SLICES["skin_temperature"]]).all()
    assert np.exp(made[8, SENSOR_SLICES["eda"]]) - 0.05 == pytest.approx([2.0], abs=1e-4)


def test_a_window_is_read_against_the_rest_and_scaled_by_the_training_people() -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(5.0, 2.0, (400, WIDTH)).astype(np.float32)
    rest = np.full(WIDTH, 5.0, np.float32)
    recording = RawRecording("p", own, rest, np.full(WIDTH, 2.0, np.float32))
    window = recording.window(50.0, 10.0, rest=True)
    assert window.shape == (40, WIDTH)
    assert np.allclose(window, (own[160:200] - 5.0) / 2.0)
    begun = recording.window(5.0, 10.0, rest=False)
    assert np.isnan(begun[:20]).all()
    scaled = Scaling.fitted(own[None]).apply(begun[None])
    assert (scaled[0, :20] == 0.0).all()
    assert abs(float(scaled[0, 20:].mean())) < 0.3


def test_one_person_alone_cannot_be_left_out() -> None:
    own = table().people(np.arange(EACH))
    people = {windows.person: windows for windows in own}
    with pytest.raises(DatasetError, match=r"nobody is left .* without wesad/S0; needed"):
        held_out(people, people, [list(people)], lambda others: fit_logistic(others, 1.0))
