"""What a person's few windows change in a model."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.errors import ParameterError, SignalError
from emostress_ros.person.adaptation import (
    CALIBRATION,
    HEAD,
    Adaptation,
    Prior,
    RestPopulation,
    adapt,
    adapt_rest,
    logits_of,
)


def softmax(logits: np.ndarray) -> np.ndarray:
    powered = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powered / powered.sum(axis=1, keepdims=True)


def log_loss(logits: np.ndarray, labels: np.ndarray) -> float:
    return float(-np.log(softmax(logits)[np.arange(len(labels)), labels]).mean())


def someone(count: int, classes: int = 2, width: int = 6, seed: int = 0):
    """Windows of a person for whom the model leans to the last class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=count)
    embeddings = rng.normal(0.0, 1.0, (count, width))
    embeddings[:, 0] += labels
    logits = rng.normal(0.0, 1.0, (count, classes)) + 1.5 * np.eye(classes)[labels]
    logits[:, -1] += 2.0
    return logits, labels, embeddings


@pytest.mark.parametrize("classes", [2, 7])
@pytest.mark.parametrize("method", [CALIBRATION, HEAD])
def test_windows_of_ones_own_make_the_model_fit_the_person(classes: int, method: str) -> None:
    logits, labels, embeddings = someone(40, classes)
    unseen, truth, vectors = someone(400, classes, seed=1)
    fitted = adapt(logits, labels, embeddings, method=method)
    assert fitted.method == method
    assert log_loss(fitted.apply(unseen, vectors), truth) < log_loss(unseen, truth) - 0.1


def test_one_window_changes_less_than_many() -> None:
    logits, labels, _ = someone(40)
    changes = [
        np.abs(adapt(logits[:n], labels[:n]).apply(logits) - logits).max() for n in (1, 5, 40)
    ]
    assert changes[0] < changes[1] < changes[2]


def test_a_rest_is_moved_towards_other_people_s_the_more_windows_there_are() -> None:
    rng = np.random.default_rng(0)
    others = [logits_of(1 / (1 + np.exp(-rng.normal(level, 1.0, 30)))) for level in (-4, -2, 0)]
    population = RestPopulation.from_dict(RestPopulation.measured(others).to_dict())
    assert population.between == pytest.approx(4.0, rel=0.4)
    assert population.within == pytest.approx(1.0, rel=0.3)
    alarmed, calm = logits_of(np.full(20, 0.8)), logits_of(np.full(20, 0.01))
    after = [softmax(adapt_rest(alarmed[:n], population).apply(alarmed))[0, 1] for n in (1, 5, 20)]
    assert 0.8 > after[0] > after[1] > after[2] > 0.5
    assert softmax(adapt_rest(calm, population).apply(calm))[0, 1] > 0.01
    assert adapt_rest(alarmed, population).windows.tolist() == [20, 0]
    alike = RestPopulation(population.mean, 0.0, 1.0)
    assert np.allclose(adapt_rest(alarmed, alike).apply(alarmed), alarmed)


def test_one_resting_window_does_not_change_how_sure_the_model_is() -> None:
    assert adapt(logits_of([0.8]), [0]).scale == pytest.approx(1.0, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    probabilities=st.lists(st.floats(0.001, 0.999), min_size=1, max_size=12),
    data=st.data(),
)
def test_an_adaptation_never_fits_its_own_windows_worse(
    probabilities: list[float], data: st.DataObject
) -> None:
    labels = np.array([data.draw(st.integers(0, 1)) for _ in probabilities])
    logits = logits_of(probabilities)
    embeddings = np.outer(labels - 0.5, [1.0, -1.0])
    for method in (CALIBRATION, HEAD):
        fitted = adapt(logits, labels, embeddings, method=method)
        after = log_loss(fitted.apply(logits, embeddings), labels)
        assert after <= log_loss(logits, labels) + 1e-6
        again = Adaptation.from_dict(json.loads(json.dumps(fitted.to_dict())))
        assert np.allclose(
            again.apply(logits, embeddings), fitted.apply(logits, embeddings), atol=1e-4
        )


def test_a_strong_prior_leaves_the_model_as_it_was() -> None:
    logits, labels, embeddings = someone(20)
    prior = Prior(scale=1e9, shift=1e9, weights=1e9)
    fitted = adapt(logits, labels, embeddings, method=HEAD, prior=prior)
    assert np.allclose(fitted.apply(logits, embeddings), logits, atol=1e-4)


def test_what_does_not_fit_is_named() -> None:
    logits, labels, embeddings = someone(4)
    with pytest.raises(ParameterError, match="calibration, head"):
        adapt(logits, labels, method="all")
    with pytest.raises(ParameterError, match="shift"):
        Prior(shift=0.0)
    with pytest.raises(SignalError, match="at least one window"):
        adapt(logits[:0], labels[:0])
    with pytest.raises(SignalError, match=r"\[0, 2\)"):
        adapt(logits, labels + 1)
    with pytest.raises(SignalError, match="finite"):
        adapt(np.full((4, 2), np.nan), labels)
    with pytest.raises(SignalError, match="embedding of each of 4"):
        adapt(logits, labels, method=HEAD)
    head = adapt(logits, labels, embeddings, method=HEAD)
    with pytest.raises(SignalError, match=r"\(4, 6\)"):
        head.apply(logits, embeddings[:, :3])
    with pytest.raises(SignalError, match="2 classes"):
        head.apply(np.zeros((1, 3)))
    with pytest.raises(SignalError, match="format"):
        Adaptation.from_dict({"format": 9})
    with pytest.raises(SignalError, match="two people"):
        RestPopulation.measured([logits])
    with pytest.raises(SignalError, match="lacks"):
        RestPopulation.from_dict({"mean": [0.0, 1.0]})
    with pytest.raises(SignalError, match="lacks"):
        Adaptation.from_dict({"format": 1, "scale": 1.0, "shift": [0.0, 0.0]})
