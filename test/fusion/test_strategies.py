from __future__ import annotations

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros.affect import (
    EMOTIONS,
    MODALITIES,
    UNKNOWN,
    AlignedSet,
    ContributionStatus,
    Embedding,
    StressLevel,
)
from emostress_ros.errors import CardError
from emostress_ros.fusion import STRATEGIES, FusionConfig, FusionPipeline, load_fusion
from emostress_ros.fusion.evidence import (
    COLUMNS,
    IDENTITY,
    PRESENT,
    SPEAKS_OF_EMOTION,
    SPEAKS_OF_STRESS,
    STRESS_LOGIT,
)
from emostress_ros.fusion.learned import LearnedFusion
from emostress_ros.fusion.verdict import Situation
from emostress_ros.inference import ModelCard, Session

LEARNED = ("fusion_attention", "fusion_hybrid", "fusion_early")
EVERY = (*LEARNED, "fusion_late")
SUBSETS = [s for n in range(1, 5) for s in itertools.combinations(MODALITIES, n)]
WEIGHTS = ("emotion_weights", "stress_weights")


def reliability(model: str, task: str) -> float | None:
    return 0.6


@functools.cache
def load(name: str):
    return load_fusion(name, reliability)


@functools.cache
def whole(name: str) -> Session:
    return Session(ModelCard.load(name))


@pytest.fixture(scope="module", params=LEARNED)
def learned(request) -> LearnedFusion:
    fusion = load(request.param)
    assert isinstance(fusion, LearnedFusion)
    return fusion


def embedding(modality, label="happy", confidence=0.8, stress=None, model="", seed=0, **more):
    """Return what one modality perceives; ``model`` empty: an encoder that nobody knows."""
    card = {} if not model else {"model": model}
    values = np.full(7, (1.0 - confidence) / 6, np.float32)
    values[EMOTIONS.index(label)] = confidence
    speaks = modality != "physiology"
    width = more.pop("width", 4)
    return Embedding(
        0,
        modality,
        card.get("model", f"{modality}_unheard@9"),
        np.random.default_rng(seed).normal(size=width).astype(np.float32),
        more.pop("quality", 0.9),
        labels=EMOTIONS if speaks else (),
        probabilities=values if speaks else np.empty(0, np.float32),
        stress=math.nan if stress is None else stress,
    )


def known(fusion: LearnedFusion, modality: str, **more) -> Embedding:
    item = fusion.layout.known[fusion.layout.index(modality)]
    return embedding(modality, model=item.models[0], width=item.width, **more)


def situation(*embeddings: Embedding, ages: dict[str, float] | None = None) -> Situation:
    items = {e.modality: e for e in embeddings}
    ages_ns = {name: round(1e9 * (ages or {}).get(name, 0.0)) for name in items}
    return Situation(AlignedSet(0, "anna", items, ages_ns, MODALITIES), {}, frozenset())


def arrays(fusion: LearnedFusion, people: int, tokens: int, seed: int):
    """Return inputs as rough as can be: any vectors, any opinions, any modalities.

    What does not speak of a question has no opinion on it, as ``evidence.rows`` makes it.
    """
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(0.0, 3.0, (people, fusion.layout.width)).astype(np.float32)
    evidence = np.zeros((people, tokens, fusion.layout.columns), np.float32)
    evidence[..., :IDENTITY] = rng.uniform(-1, 1, (people, tokens, IDENTITY))
    evidence[..., :7] *= 5.0
    for name in ("certainty", "quality", "age", "freshness"):
        evidence[..., COLUMNS.index(name)] = rng.random((people, tokens))
    for name in ("speaks_of_emotion", "speaks_of_stress", "has_embedding"):
        evidence[..., COLUMNS.index(name)] = rng.integers(0, 2, (people, tokens))
    evidence[..., :7] *= evidence[..., SPEAKS_OF_EMOTION, None]
    evidence[..., STRESS_LOGIT] *= evidence[..., SPEAKS_OF_STRESS]
    evidence[..., PRESENT] = 1.0
    for person in range(people):
        order = rng.permutation(len(fusion.layout.known))[:tokens]
        evidence[person, np.arange(len(order)), IDENTITY + order] = 1.0
    return {"embeddings": embeddings, "evidence": evidence}


def test_every_strategy_is_shipped_and_named_by_its_card():
    assert {ModelCard.load(name).extra.get("strategy", "late") for name in EVERY} == set(STRATEGIES)


def test_the_models_are_small():
    for name in LEARNED:
        assert ModelCard.load(name).file.stat().st_size <= 300_000


def test_the_order_of_the_tokens_does_not_matter(learned):
    feed = arrays(learned, 3, 4, seed=1)
    order = np.array([2, 0, 3, 1])
    said = learned.session.run(feed)
    turned = learned.session.run({**feed, "evidence": feed["evidence"][:, order]})
    for name, value in said.items():
        expected = value[:, order] if name in WEIGHTS else value
        np.testing.assert_allclose(turned[name], expected, atol=1e-5, err_msg=name)


def test_a_token_that_is_all_zero_is_a_token_that_is_not_there(learned):
    feed = arrays(learned, 2, 3, seed=2)
    nothing = np.zeros((2, 2, learned.layout.columns), np.float32)
    padded = np.concatenate([feed["evidence"], nothing], axis=1)
    said = learned.session.run(feed)
    more = learned.session.run({**feed, "evidence": padded})
    for name, value in said.items():
        got = more[name][:, :3] if name in WEIGHTS else more[name]
        np.testing.assert_allclose(got, value, atol=1e-5, err_msg=name)


def test_people_in_one_batch_do_not_touch_each_other(learned):
    feed = arrays(learned, 5, 4, seed=3)
    said = learned.session.run(feed)
    for person in range(5):
        alone = learned.session.run({k: v[person : person + 1] for k, v in feed.items()})
        for name, value in said.items():
            np.testing.assert_allclose(alone[name][0], value[person], atol=1e-5, err_msg=name)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(LEARNED))
def test_whatever_comes_the_answers_stay_in_their_bounds(people, tokens, seed, name):
    feed = arrays(load(name), people, tokens, seed)
    said = whole(name).run(feed)
    for output, value in load(name).session.run(feed).items():  # what the running graph asks for
        np.testing.assert_array_equal(value, said[output])
    assert all(np.isfinite(value).all() for value in said.values())
    np.testing.assert_allclose(said["probabilities"].sum(1), 1.0, atol=1e-4)
    assert (np.abs(said["valence"]) <= 1).all() and (np.abs(said["arousal"]) <= 1).all()
    assert ((said["stress"] >= 0) & (said["stress"] <= 1)).all()
    assert all((said[weights] >= 0).all() for weights in WEIGHTS)
    assert (said["valence_deviation"] >= 0).all()


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("subset", SUBSETS, ids="+".join)
def test_any_subset_gives_a_state_that_says_what_it_rests_on(name, subset):
    fusion = load(name)
    stress = {"physiology": 0.9, "text": 0.8}
    (state,) = fusion.fuse([situation(*(embedding(m, stress=stress.get(m)) for m in subset))])
    used = {c.modality for c in state.contributions if c.status is ContributionStatus.USED}
    assert used == set(subset)
    assert sum(c.weight for c in state.contributions) == pytest.approx(1.0)
    speaks = bool(set(subset) - {"physiology"})
    assert (len(state.probabilities) == 7) is speaks
    if speaks and name != "fusion_early":  # which needs the encoders that it knows
        assert EMOTIONS[int(np.argmax(state.probabilities))] == "happy"
    assert speaks or state.emotion == UNKNOWN
    felt = bool(set(subset) & set(stress))
    assert math.isnan(state.stress) is not felt
    assert (state.stress_level is not StressLevel.UNKNOWN) is felt


def stating(name: str, threshold: float | None) -> ModelCard:
    """Return a shipped card that states another threshold, or none."""
    card = ModelCard.load(name)
    raw = {key: value for key, value in card.raw.items() if key != "threshold_unknown"}
    stated = {} if threshold is None else {"threshold_unknown": threshold}
    return ModelCard.from_mapping(raw | stated, card.folder)


@pytest.mark.parametrize("name", EVERY)
def test_the_card_says_under_which_confidence_the_emotion_is_unknown(name):
    heard = [situation(embedding("face", confidence=0.6))]
    confidence = load(name).fuse(heard)[0].confidence
    above, under = stating(name, confidence + 0.01), stating(name, confidence - 0.01)
    assert load_fusion(above, reliability).fuse(heard)[0].emotion == UNKNOWN
    assert load_fusion(under, reliability).fuse(heard)[0].emotion == "happy"
    assert load_fusion(above, reliability, unknown_below=0.0).fuse(heard)[0].emotion == "happy"
    assert load_fusion(under, reliability, unknown_below=1.0).fuse(heard)[0].emotion == UNKNOWN
    assert load_fusion(stating(name, 0.0), reliability).unknown_below == 0.0
    assert load_fusion(stating(name, None), reliability).unknown_below == 0.4


def test_the_parameter_overrides_the_cards_threshold():
    card = ModelCard.load("fusion_attention")
    assert FusionPipeline(FusionConfig()).fusion.unknown_below == card.threshold_unknown
    assert FusionPipeline(FusionConfig(unknown_below=0.7)).fusion.unknown_below == 0.7


@pytest.mark.parametrize("name", EVERY)
def test_no_evidence_is_unknown(name):
    silent, poor = situation(), situation(embedding("face", quality=0.02))
    for state in load(name).fuse([silent, poor]):
        assert (state.emotion, state.confidence, len(state.probabilities)) == (UNKNOWN, 0.0, 0)
        assert math.isnan(state.stress) and math.isnan(state.valence)


@pytest.mark.parametrize("name", EVERY)
def test_several_people_are_one_batch_with_the_same_answers(name):
    fusion = load(name)
    anna = situation(embedding("face"), embedding("voice", "sad"))
    ben = situation(embedding("physiology", stress=0.8))
    together = fusion.fuse([anna, ben])
    for one, alone in zip(together, (fusion.fuse([anna])[0], fusion.fuse([ben])[0]), strict=True):
        np.testing.assert_allclose(one.probabilities, alone.probabilities, atol=1e-5)
        assert one.stress == pytest.approx(alone.stress, abs=1e-5, nan_ok=True)


@pytest.mark.parametrize("name", ("fusion_attention", "fusion_hybrid", "fusion_late"))
def test_two_senses_that_agree_are_surer_than_one(name):
    fusion = load(name)
    (one,) = fusion.fuse([situation(embedding("face", confidence=0.6))])
    (two,) = fusion.fuse([situation(embedding("face", confidence=0.6),
                                    embedding("voice", confidence=0.6))])  # fmt: skip
    assert two.confidence > one.confidence


def test_the_embedding_of_an_unknown_encoder_is_not_read(learned):
    one, other = (embedding("face", width=128, seed=seed) for seed in (1, 2))
    states = learned.fuse([situation(one), situation(other)])
    np.testing.assert_array_equal(states[0].probabilities, states[1].probabilities)


def test_the_embedding_of_a_known_encoder_is_read(learned):
    one, other = (known(learned, "voice", seed=seed) for seed in (1, 2))
    states = learned.fuse([situation(one), situation(other)])
    assert not np.array_equal(states[0].probabilities, states[1].probabilities)


def test_old_evidence_counts_less():
    fusion = load("fusion_attention")
    pair = embedding("face", "happy", 0.7), embedding("voice", "sad", 0.7)
    fresh, old = fusion.fuse([situation(*pair), situation(*pair, ages={"voice": 5.5})])
    sad = EMOTIONS.index("sad")
    assert old.probabilities[sad] < fresh.probabilities[sad]


def test_the_late_fusion_stays_selectable():
    pipeline = FusionPipeline(FusionConfig(model="fusion_late"))
    assert pipeline.fusion.identifier.startswith("fusion_late@")
    assert isinstance(FusionPipeline(FusionConfig()).fusion, LearnedFusion)


def test_a_model_that_is_no_fusion_is_refused_with_what_is_allowed():
    with pytest.raises(CardError, match="modality 'fusion', strategy late, early, hybrid"):
        load("voice_speech")
