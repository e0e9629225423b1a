from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.fusion import pool


@st.composite
def opinions(draw):
    rows = draw(st.integers(1, 5))
    raw = draw(
        st.lists(
            st.lists(st.floats(0.01, 1.0), min_size=4, max_size=4), min_size=rows, max_size=rows
        )
    )
    table = np.array(raw)
    unit = st.lists(st.floats(0.0, 1.0), min_size=rows, max_size=rows)
    return table / table.sum(1, keepdims=True), np.array(draw(unit)), np.array(draw(unit))


@given(opinions(), st.floats(0, 1))
def test_the_pool_is_a_distribution(case, synergy):
    pooled = pool.pool(*case, synergy)
    assert pooled.sum() == pytest.approx(1.0)
    assert (pooled >= 0).all()


@given(opinions())
def test_one_trusted_opinion_keeps_its_own_calibration(case):
    table, _, _ = case
    pooled = pool.pool(table[:1], np.ones(1), np.array([0.37]), synergy=0.5)
    assert pooled == pytest.approx(table[0], abs=1e-6)


@given(opinions(), st.floats(0, 1), st.randoms(use_true_random=False))
def test_the_order_of_the_modalities_does_not_matter(case, synergy, randomness):
    table, trust, weights = case
    order = list(range(len(table)))
    randomness.shuffle(order)
    shuffled = pool.pool(table[order], trust[order], weights[order], synergy)
    assert shuffled == pytest.approx(pool.pool(*case, synergy), abs=1e-9)


def test_agreement_adds_confidence_and_disagreement_takes_it():
    happy, sad = np.array([0.7, 0.1, 0.1, 0.1]), np.array([0.1, 0.7, 0.1, 0.1])
    ones = np.ones(2)
    assert pool.pool(np.stack([happy, happy]), ones, ones, 0.5)[0] > 0.7
    assert pool.pool(np.stack([happy, sad]), ones, ones, 0.5).max() < 0.5


def test_an_opinion_that_is_not_trusted_says_nothing():
    sure = np.array([[0.97, 0.01, 0.01, 0.01]])
    assert pool.pool(sure, np.zeros(1), np.ones(1), 0.5) == pytest.approx(np.full(4, 0.25))


def test_freshness_halves_with_every_half_life():
    assert pool.freshness(0, 2.0) == 1.0
    assert pool.freshness(2_000_000_000, 2.0) == pytest.approx(0.5)
    assert pool.freshness(-5, 2.0) == 1.0


def test_the_mean_of_nothing_is_not_estimated():
    assert math.isnan(pool.weighted_mean(np.array([math.nan]), np.ones(1)))
    assert pool.weighted_mean(np.array([math.nan, 0.5]), np.ones(2)) == 0.5
