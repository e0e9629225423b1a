"""From a wearable's chunks to embeddings, as a node runs it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

from emostress_ros.affect import Embedding
from emostress_ros.errors import ModelError, ModelNotFoundError, ParameterError, SignalError
from emostress_ros.modalities.physiology import PhysiologyConfig, PhysiologyPipeline

S = 1_000_000_000
START = 1_700_000_000 * S


@pytest.fixture(scope="module")
def models() -> PhysiologyPipeline:
    return PhysiologyPipeline()


@pytest.fixture
def pipeline(models: PhysiologyPipeline) -> PhysiologyPipeline:
    """A fresh pipeline over models that are loaded once."""
    return fresh(models)


def fresh(models: PhysiologyPipeline, **values: float) -> PhysiologyPipeline:
    return PhysiologyPipeline(PhysiologyConfig(**values), models.encoder, models.encoder_rest)


def play(
    pipeline: PhysiologyPipeline,
    wearer: dict,
    seconds: int,
    *,
    begin: int = 0,
    chunk_s: float = 1.0,
    start_ns: int = START,
    person: str = "ann",
    device: str = "E4",
) -> Iterator[Embedding]:
    """Send `seconds` of a wearer from second `begin` on, chunk by chunk, all signals in turn."""
    for k in range(round(seconds / chunk_s)):
        at = begin + k * chunk_s
        for signal, (unit, rate, samples) in wearer.items():
            data = samples[round(at * rate) : round((at + chunk_s) * rate)]
            stamp = start_ns + round(at * S)
            pipeline.add(signal, unit, rate, data.shape[1], data, stamp, person, device)
        yield from pipeline.step()


def test_an_embedding_every_step_stamped_with_the_end_of_its_window(
    pipeline: PhysiologyPipeline, wearer: dict
) -> None:
    found = list(play(pipeline, wearer, 120))
    assert [e.stamp_ns for e in found] == [START + k * 5 * S for k in range(4, 25)]
    assert found[0].window_ns == 20 * S
    assert found[-1].window_ns == 60 * S
    assert found[0].quality < 0.5 * found[-1].quality
    last = found[-1]
    assert (last.modality, last.person_id, last.source_id) == ("physiology", "ann", "E4")
    assert last.model.startswith("physiology_wrist@")
    assert 0.0 <= last.stress <= 1.0
    assert math.isnan(last.valence)
    assert len(last.vector) == pipeline.encoder.card.embedding_dim


@pytest.mark.parametrize("chunk_s", [0.25, 2.5, 5.0])
def test_how_it_is_cut_makes_no_difference(
    models: PhysiologyPipeline, wearer: dict, chunk_s: float
) -> None:
    whole = list(play(fresh(models), wearer, 90))
    cut = list(play(fresh(models), wearer, 90, chunk_s=chunk_s))
    assert [e.stamp_ns for e in cut] == [e.stamp_ns for e in whole]
    for one, other in zip(whole, cut, strict=True):
        assert one.stress == pytest.approx(other.stress, abs=1e-5)
        assert one.quality == pytest.approx(other.quality, abs=1e-6)


def test_after_two_minutes_of_rest_the_model_of_the_rest_speaks(
    pipeline: PhysiologyPipeline, wearer: dict
) -> None:
    baseline = pipeline.start_baseline("ann", START + 30 * S, 120.0)
    found = list(play(pipeline, wearer, 200))
    assert baseline.complete
    assert baseline.count >= 12
    spoke = {e.stamp_ns: e.model.split("@")[0] for e in found}
    assert spoke[START + 150 * S] == "physiology_wrist"
    assert spoke[START + 155 * S] == "physiology_wrist_rest"
    assert all(0.0 <= e.stress <= 1.0 for e in found)


def test_a_baseline_can_be_kept_and_forgotten(models: PhysiologyPipeline, wearer: dict) -> None:
    first = fresh(models)
    kept = first.start_baseline("ann", START)
    list(play(first, wearer, 150))
    second = fresh(models)
    second.set_baseline("ann", kept)
    assert {e.model.split("@")[0] for e in play(second, wearer, 60)} == {"physiology_wrist_rest"}
    assert second.forget("ann")
    assert not second.forget("ann")
    assert second.baseline("ann") is None


def test_a_rest_without_a_stamp_begins_now(pipeline: PhysiologyPipeline, wearer: dict) -> None:
    list(play(pipeline, wearer, 30))
    assert pipeline.start_baseline("ann", duration_s=60.0).start_ns == START + 30 * S
    list(play(pipeline, wearer, 70, begin=30))
    baseline = pipeline.baseline("ann")
    assert baseline is not None
    assert baseline.complete


@pytest.mark.parametrize(
    "names", [("bvp",), ("eda",), ("bvp", "eda"), ("eda", "skin_temperature", "acceleration")]
)
def test_any_subset_of_signals_gives_an_answer(
    models: PhysiologyPipeline, wearer: dict, names: tuple[str, ...]
) -> None:
    some = {name: wearer[name] for name in names}
    found = list(play(fresh(models), some, 90))
    whole = list(play(fresh(models), wearer, 90))
    assert len(found) == len(whole)
    assert 0.0 < found[-1].quality < whole[-1].quality


def test_a_plain_heart_rate_strap_gives_an_answer(pipeline: PhysiologyPipeline) -> None:
    for second in range(120):
        rate = [70.0 + 5.0 * math.sin(second / 9.0)]
        pipeline.add("heart_rate", "bpm", 1.0, 1, rate, START + second * S, "", "strap")
    found = pipeline.step()
    assert found
    assert found[-1].source_id == "strap"
    assert 0.05 < found[-1].quality < 0.3
    assert 0.0 <= found[-1].stress <= 1.0


def test_beats_alone_give_an_answer(pipeline: PhysiologyPipeline) -> None:
    stamp = START
    found = []
    for beat in range(150):
        ibi = 800.0 + 40.0 * math.sin(beat)
        stamp += round(ibi * 1e6)
        pipeline.add("ibi", "ms", 0.0, 1, [ibi], stamp)
        found += pipeline.step()
    assert len(found) > 15
    assert found[-1].quality > 0.2


def test_a_looping_bag_starts_anew(pipeline: PhysiologyPipeline, wearer: dict) -> None:
    first = list(play(pipeline, wearer, 90))
    second = list(play(pipeline, wearer, 90))
    assert pipeline.resets == 1
    assert [e.stamp_ns for e in second] == [e.stamp_ns for e in first]
    assert second[-1].stress == pytest.approx(first[-1].stress, abs=1e-5)


def test_silence_says_nothing_and_the_signal_comes_back(
    pipeline: PhysiologyPipeline, wearer: dict
) -> None:
    list(play(pipeline, wearer, 100))
    later = list(play(pipeline, wearer, 100, start_ns=START + 3600 * S))
    assert later
    assert min(e.stamp_ns for e in later) > START + 3600 * S
    assert pipeline.low_quality < 20


def test_a_dead_sensor_says_nothing(pipeline: PhysiologyPipeline) -> None:
    for second in range(90):
        lost = np.full((64, 1), np.nan)
        pipeline.add("bvp", "au", 64.0, 1, lost, START + second * S)
    assert pipeline.step() == []
    assert pipeline.low_quality > 5


def test_one_lost_signal_does_not_hold_up_the_others(
    pipeline: PhysiologyPipeline, wearer: dict
) -> None:
    list(play(pipeline, wearer, 60))
    rest = {name: wearer[name] for name in wearer if name != "eda"}
    found = list(play(pipeline, rest, 120, begin=60))
    assert len(found) >= 22
    assert found[-1].quality < 0.7


def test_two_people_are_two_streams(pipeline: PhysiologyPipeline, wearer: dict) -> None:
    other = dict(wearer)
    other["bvp"] = ("au", 64.0, wearer["bvp"][2][::-1].copy())
    together: list[Embedding] = []
    for second in range(90):
        together += play(pipeline, wearer, 1, begin=second, person="ann")
        together += play(pipeline, other, 1, begin=second, person="bob")
    by_person = {name: [e for e in together if e.person_id == name] for name in ("ann", "bob")}
    assert len(by_person["ann"]) == len(by_person["bob"]) == 15


def test_people_are_bounded(models: PhysiologyPipeline, wearer: dict) -> None:
    pipeline = fresh(models, max_persons=2)
    strap = {"heart_rate": ("bpm", 1.0, np.full((300, 1), 70.0))}
    for k in range(5):
        list(play(pipeline, strap, 2, begin=2 * k, person=f"person {k}"))
    assert pipeline.persons == ("person 3", "person 4")
    assert pipeline.evicted == 3


def test_a_second_wristband_does_not_mix_in(pipeline: PhysiologyPipeline, wearer: dict) -> None:
    list(play(pipeline, wearer, 60))
    noise = {"bvp": ("au", 64.0, np.random.default_rng(0).normal(0, 99, (64 * 300, 1)))}
    list(play(pipeline, noise, 60, device="other"))
    found = list(play(pipeline, wearer, 10, begin=60))
    assert found[-1].source_id == "E4"
    assert found[-1].quality > 0.9


def test_memory_is_bounded(models: PhysiologyPipeline, wearer: dict) -> None:
    pipeline = fresh(models, history_s=100.0)
    for lap in range(2):
        list(play(pipeline, wearer, 150, start_ns=START + lap * 150 * S))
    person = pipeline._persons["ann"]
    assert len(person.history) <= 2 * 20
    for source in person.stream._sources.values():
        assert source.buffer._ring.nbytes < 2 * 100 * 64 * 4 * 3


def test_bad_chunks_are_refused_and_do_no_harm(pipeline: PhysiologyPipeline, wearer: dict) -> None:
    list(play(pipeline, wearer, 60))
    for unit, rate, channels, data in (("V/m", 64.0, 1, [1.0]), ("au", 64.0, 3, [1.0])):
        with pytest.raises(SignalError):
            pipeline.add("bvp", unit, rate, channels, data, START + 60 * S, "ann", "E4")
    pipeline.add("bvp", "au", 64.0, 1, [], START + 60 * S, "ann", "E4")
    assert list(play(pipeline, wearer, 10, begin=60))


def test_settings_and_models_that_do_not_fit_are_named() -> None:
    with pytest.raises(ParameterError, match="min_window_s"):
        PhysiologyConfig(min_window_s=90.0)
    with pytest.raises(ParameterError, match="baseline_s"):
        PhysiologyConfig(baseline_s=30.0)
    with pytest.raises(ModelNotFoundError, match="physiology_wrist"):
        PhysiologyPipeline(PhysiologyConfig(model="physiology_none"))
    with pytest.raises(ModelError, match="resting baseline"):
        PhysiologyPipeline(PhysiologyConfig(model="physiology_wrist_rest"))
    with pytest.raises(ModelError, match="physiology"):
        PhysiologyPipeline(PhysiologyConfig(model="text_minilm"))
