"""A token of the running graph is the row that training makes of the same evidence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emostress_ros.affect import EMOTIONS, Embedding
from emostress_ros.fusion.evidence import IDENTITY, Known, Layout, ModalityTerms, rows
from emostress_ros.fusion.packing import Heard, Packer
from emostress_ros.fusion.verdict import combined_shares, wire_probabilities

LAYOUT = Layout((Known("face", 3, ("face_net@1",)), Known("voice", 2, ("voice_net@1",))))
UNIT = st.floats(0.0, 1.0)


@st.composite
def heards(draw, modality: str | None = None) -> Heard:
    raw = draw(st.none() | st.lists(st.floats(0.0, 1.0), min_size=7, max_size=7).filter(any))
    opinion = None if raw is None else [value / sum(raw) for value in raw]
    name = modality or draw(st.sampled_from(["face", "voice", "gait"]))
    embedding = Embedding(
        0, name, draw(st.sampled_from([f"{name}_net@1", f"{name}_other@1"])),
        np.arange(draw(st.integers(2, 3)), dtype=np.float32) + 1.0, draw(UNIT),
        stress=draw(UNIT | st.just(math.nan)),
    )  # fmt: skip
    terms = ModalityTerms(draw(st.floats(0.1, 60.0)), draw(st.floats(0.1, 60.0)))
    return Heard(embedding, opinion, draw(st.floats(-1.0, 100.0)), terms)


def as_row(item: Heard, has_embedding: bool) -> np.ndarray:
    return rows(
        np.full((1, 7), np.nan) if item.probabilities is None else np.array([item.probabilities]),
        np.array([item.embedding.stress]), np.array([item.embedding.quality]),
        np.array([item.age_s]), item.terms.max_age_s, item.terms.half_life_s,
        np.array([has_embedding]),
    )[0]  # fmt: skip


@given(people=st.lists(st.lists(heards(), max_size=4), min_size=1, max_size=3))
def test_a_token_is_the_row_that_training_sees(way, people):
    most = max(1, *map(len, people))
    embeddings = np.full((len(people), 5), 7.0, np.float32)
    evidence = np.full((len(people), most, 18), 7.0, np.float32)
    Packer(LAYOUT, embeddings, evidence).pack(people)
    for person, heard in enumerate(people):
        assert not evidence[person, len(heard) :].any()
        expected = np.zeros(5, np.float32)
        for row, item in zip(evidence[person], heard, strict=False):
            index = LAYOUT.index(item.embedding.modality)
            read = index >= 0 and LAYOUT.known[index].models[0] == item.embedding.model
            read = read and LAYOUT.known[index].width == len(item.embedding.vector)
            np.testing.assert_allclose(row[:IDENTITY], as_row(item, read), atol=1e-5)
            assert row[IDENTITY:].tolist() == [float(index == place) for place in (0, 1)]
            if read:
                expected[LAYOUT.part(index)] = item.embedding.vector
        assert np.array_equal(embeddings[person], expected)


def test_probabilities_are_ordered_whatever_the_order_of_the_labels():
    order = [3, 0, 6, 1, 2, 5, 4]
    values = np.arange(1, 8, dtype=np.float32) / 28
    turned = Embedding(
        0, "face", "m@1", np.zeros(1, np.float32), 1.0,
        labels=tuple(EMOTIONS[i] for i in order), probabilities=values[order],
    )  # fmt: skip
    assert wire_probabilities(turned) == pytest.approx(values)
    strange = Embedding(
        0, "face", "m@1", np.zeros(1, np.float32), 1.0, labels=("bored", "happy"),
        probabilities=np.array([0.9, 0.1], np.float32),
    )  # fmt: skip
    assert wire_probabilities(strange).tolist() == [float(name == "happy") for name in EMOTIONS]


def test_shares_are_the_mean_of_the_questions_that_were_answered():
    names = ["face", "physiology"]
    assert combined_shares(names, [0.0, 0.0], [1.0, 3.0]) == {"face": 0.25, "physiology": 0.75}
    assert combined_shares(names, [2.0, 0.0], [0.0, 3.0]) == {"face": 0.5, "physiology": 0.5}
    assert combined_shares(names, [0.0, 0.0], [0.0, 0.0]) == {}
