"""The leak guard: nobody is on both sides of a split that does not say so."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.errors import DatasetError
from emostress_ros.training.datasets.splits import (
    RANDOM,
    Split,
    check_disjoint,
    leave_out,
    person_folds,
    random_folds,
    random_split,
)

PEOPLE = ("anna", "anna", "ben", "ben", "cleo")


def test_a_leak_is_named() -> None:
    with pytest.raises(DatasetError, match=r"'by actor' leaks: on both sides are anna; only"):
        Split("by actor", [0, 2], [1, 4], PEOPLE)
    with pytest.raises(DatasetError, match=r"on both sides are S2"):
        check_disjoint(["S2", "S3"], ["S2"])


def test_only_the_name_random_lets_it_pass() -> None:
    split = Split(RANDOM, [0, 2], [1, 4], PEOPLE)
    assert not split.person_disjoint
    assert split.train_persons == ("anna", "ben")
    for name in ("Random", "random, by actor", "not random", ""):
        with pytest.raises(DatasetError, match="leaks"):
            Split(name, [0, 2], [1, 4], PEOPLE)


@pytest.mark.parametrize(
    ("train", "test", "told"),
    [
        ([0, 1], [1, 2], "1 items on both sides, such as item 1"),
        ([], [1], "nothing in train"),
        ([0], [], "nothing in test"),
        ([0], [5], "must index 5 items; got 5 to 5"),
        ([-1], [2], "must index 5 items; got -1 to -1"),
    ],
)
def test_what_is_no_split_is_refused_even_if_random(train, test, told: str) -> None:
    with pytest.raises(DatasetError, match=told):
        Split(RANDOM, train, test, PEOPLE)


def test_leaving_people_out() -> None:
    split = leave_out(PEOPLE, ["anna", "cleo"])
    assert split.test.tolist() == [0, 1, 4]
    assert split.person_disjoint
    with pytest.raises(DatasetError, match="nobody is called dora"):
        leave_out(PEOPLE, ["dora"])
    with pytest.raises(DatasetError, match="nobody is left to learn from"):
        leave_out(PEOPLE, set(PEOPLE))


def test_a_long_list_of_leaks_is_cut() -> None:
    people = [f"p{i:02d}" for i in range(20)]
    with pytest.raises(DatasetError, match="p11 and 8 more"):
        check_disjoint(people, people)


items = st.lists(
    st.tuples(st.sampled_from([f"p{i}" for i in range(9)]), st.integers(0, 3)),
    min_size=12,
    max_size=80,
)


@given(items, st.integers(2, 5), st.integers(0, 99))
def test_folds_judge_everything_once(rows, folds: int, seed: int) -> None:
    persons, labels = zip(*rows, strict=True)
    made = []
    if len(set(persons)) >= folds:
        made.append(person_folds(persons, folds))
        assert all(split.person_disjoint for split in made[0])
    if min(labels.count(x) for x in set(labels)) >= folds:
        made.append(random_folds(persons, labels, folds, seed))
        counts = [np.bincount(np.array(labels)[split.test], minlength=4) for split in made[-1]]
        assert np.ptp(counts, axis=0).max() <= 1
    for splits in made:
        judged = np.concatenate([split.test for split in splits])
        assert sorted(judged) == list(range(len(rows)))
        for split in splits:
            assert sorted([*split.train, *split.test]) == list(range(len(rows)))


def test_a_random_split_takes_its_share_of_every_class_and_repeats() -> None:
    labels = np.repeat(np.arange(4), 25)
    persons = [f"p{i % 10}" for i in range(100)]
    first, again, other = (random_split(persons, labels, seed=s) for s in (0, 0, 1))
    assert np.bincount(labels[first.test]).tolist() == [5, 5, 5, 5]
    np.testing.assert_array_equal(first.test, again.test)
    assert not np.array_equal(first.test, other.test)
    assert first.name == RANDOM


def test_too_many_folds_are_refused() -> None:
    with pytest.raises(DatasetError, match="2 to 3 with 3 people; got 4"):
        person_folds(PEOPLE, 4)
