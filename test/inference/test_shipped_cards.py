"""Every shipped card says what has to be known of a model; `models/` stays small."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emostress_ros.cli.models import headline
from emostress_ros.errors import CardError
from emostress_ros.inference import ModelCard
from emostress_ros.inference.figure import Figure

MODELS = Path(__file__).parents[2] / "models"
CARDS = {path.parent.name: ModelCard.load(path.parent) for path in sorted(MODELS.glob("*/*.yaml"))}
ENCODERS = [name for name in CARDS if not name.startswith("fusion")]
RESTRICTED = re.compile(r"non-?commercial|\bNC\b|research|\bGPL", re.IGNORECASE)
SAYS_SO = re.compile(r"non-?commercial|NC|research|academic", re.IGNORECASE)
ECE = 0.05
MOST_BYTES = 40e6


def test_all_models_together_stay_small() -> None:
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= MOST_BYTES


@pytest.mark.parametrize("name", ENCODERS)
def test_the_data_is_named_with_its_licence_people_and_use(name: str) -> None:
    data = CARDS[name].raw["data"]
    assert data
    for entry in data:
        assert {"name", "licence", "persons", "use"} <= set(entry), entry
        assert entry["licence"]


@pytest.mark.parametrize("name", ENCODERS)
def test_restricted_data_makes_a_restricted_weight_and_the_card_says_it(name: str) -> None:
    card = CARDS[name]
    if any(RESTRICTED.search(str(entry["licence"])) for entry in card.raw["data"]):
        assert SAYS_SO.search(card.licence), card.licence


@pytest.mark.parametrize("modality", ["physiology", "text"])
def test_a_variant_learned_from_permissive_data_alone_ships(modality: str) -> None:
    free = [
        card
        for card in CARDS.values()
        if card.modality == modality
        and not any(RESTRICTED.search(str(entry["licence"])) for entry in card.raw["data"])
    ]
    assert free
    assert all("Apache-2.0" in card.licence for card in free)


@pytest.mark.parametrize("name", ENCODERS)
def test_figures_carry_intervals_over_people_or_say_why_not(name: str) -> None:
    figures = CARDS[name].measured
    assert figures
    for figure in figures:
        assert "ece" in figure.metrics, figure
        assert figure.ci95, figure
        for metric, (low, high) in figure.ci95.items():
            assert low <= figure.metrics[metric] <= high, (metric, figure)
        # Where an item is a person of its own, or nobody knows, the note says over what.
        assert figure.persons not in (None, figure.n) or figure.note, figure


@pytest.mark.parametrize("name", ENCODERS)
def test_the_whole_sets_are_calibrated(name: str) -> None:
    """A set that no person of was learned from is foreign: there the card says what it is."""
    first: dict[str, Figure] = {}
    for figure in CARDS[name].measured:
        if not figure.part and "," not in figure.dataset.split(" windows")[0].rstrip(","):
            first.setdefault(figure.dataset, figure)
    assert first
    known = {d: f for d, f in first.items() if "other" not in f.split and "without" not in f.split}
    for figure in known.values():
        assert figure.metrics["ece"] <= ECE, figure


@pytest.mark.parametrize("name", ENCODERS)
def test_limits_and_the_way_it_was_trained_are_written_down(name: str) -> None:
    raw = CARDS[name].raw
    assert len(raw["limits"]) >= 3
    assert raw["training"]["command"].startswith("emostress train ")
    assert "seed" in raw["training"]
    assert raw["training"]["split"]
    assert raw["calibration"]["method"]
    assert raw["calibration"]["fitted_on"]


@pytest.mark.parametrize("name", ENCODERS)
def test_the_headline_names_an_interval_and_a_split(name: str) -> None:
    figure, where = headline(CARDS[name])
    assert re.search(r"\[0\.\d{3}, [01]\.\d{3}\]", figure)
    assert CARDS[name].measured[0].split in where


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"command": ""}, "lacks command"),
        ({"ci95": {"uar": [0.6, 0.5]}}, r"ci95 of uar must be \[low, high\]"),
        ({"ci95": {"uar": 0.5}}, "ci95 of uar"),
    ],
)
def test_a_figure_that_hides_something_is_refused(change: dict, said: str) -> None:
    whole = {"dataset": "d", "split": "s", "n": 1, "metrics": {"uar": 0.5}, "command": "c"}
    assert Figure.from_mapping(whole, "here").text("uar") == "uar 0.500"
    with pytest.raises(CardError, match=said):
        Figure.from_mapping({**whole, **change}, "here")
