"""``emostress score fusion DATASET DATA --protocol folds``: the figures of a fusion's card again.

The recipe is trained in five folds by person, and asked about moments paired by label of people
whom neither it nor the encoders that it reads ever saw.  Judged are ``paired_emotion`` and
``paired_stress`` with everything there, and ``paired_subsets``: emotion under each of the 14
subsets of the senses that speak of it, all alike, for which the card's threshold is made.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np

from emostress_ros import metrics
from emostress_ros.affect import EMOTIONS
from emostress_ros.errors import ParameterError
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import Score
from emostress_ros.training.fusion.encode import tables
from emostress_ros.training.fusion.evaluate import EVERYTHING, Answers, name_of
from emostress_ros.training.fusion.figures import STRESS_LABELS
from emostress_ros.training.fusion.fit import FitOptions
from emostress_ros.training.fusion.pairs import joined_text, layout_of
from emostress_ros.training.fusion.validate import LATE, SPEAKING, Validation, cross_validate

logger = logging.getLogger("emostress.score.fusion")
PROTOCOL = "folds"
DATASETS = ("paired_emotion", "paired_stress", "paired_subsets")
CACHE = Path.home() / ".cache/emostress/fusion"


def score(
    dataset: str,
    path: Path | str,
    *,
    protocol: str,
    progress: bool = True,
    model: str | None = None,
    work: Path | None = None,
) -> Score:
    """Train the card's recipe in folds, and judge it on people never seen.

    Args:
        dataset: of :data:`DATASETS`.
        path: folder with ``face/``, ``voice/``, ``physiology/`` and ``text/``.
        protocol: ``folds``.
        progress: show bars, and each network as it is done.
        model: name or folder of the fusion; the shipped one by default.
        work: keeps what the encoders say and what is trained.

    Returns:
        the figures with every sense there; ``subsets`` has those of the other subsets, and
        ``noise`` those with one sense replaced by noise.

    Raises:
        ParameterError: an unknown protocol.
    """
    if protocol != PROTOCOL:
        raise ParameterError(
            f"--protocol of fusion must be '{PROTOCOL}' (the shipped weights learned from "
            f"everybody); got '{protocol}'"
        )
    if dataset not in DATASETS:
        raise ParameterError(f"fusion is judged on {', '.join(DATASETS)}; got '{dataset}'")
    card = ModelCard.load(model or "fusion_attention")
    strategy = str(card.extra.get("strategy", LATE))
    training = card.raw.get("training") or {}
    options = FitOptions(steps=int(training.get("steps", 500)), seed=int(training.get("seed", 0)))
    cache = work or CACHE
    joined = joined_text(tables(Path(path), cache, options.seed, progress=progress))
    found = cross_validate(
        joined, layout_of(joined), options, cache, (strategy,), int(training.get("draws", 1)),
        logger.info if progress else lambda text: None, str(card.folder),
    )  # fmt: skip
    return scored(found, dataset, strategy).with_extra(protocol=protocol, model=card.identifier)


def scored(found: Validation, dataset: str, strategy: str) -> Score:
    """Return the figures of a strategy on one of :data:`DATASETS`."""
    if dataset == "paired_subsets":
        answers = found.emotion
        rows = np.concatenate([answers.of(strategy, name_of(s)) for s in SPEAKING])
        truth, person = (
            np.tile(np.concatenate(part), len(SPEAKING)) for part in (answers.truth, answers.person)
        )
        return metrics.score_predictions(EMOTIONS, truth, rows, person)
    felt = dataset == "paired_stress"
    answers = found.stress if felt else found.emotion
    parts = {
        condition: _part(answers, condition, strategy, felt=felt)
        for name, condition in answers.said
        if name == strategy
    }
    whole = parts.pop(name_of(EVERYTHING))
    plain = {name: part.to_json_dict() for name, part in parts.items()}
    return whole.with_extra(
        subsets={name: part for name, part in plain.items() if not name.endswith("noise")},
        noise={name: part for name, part in plain.items() if name.endswith("noise")},
    )


def _part(answers: Answers, condition: str, strategy: str, *, felt: bool) -> Score:
    truth, person = np.concatenate(answers.truth), np.concatenate(answers.person)
    rows = answers.of(strategy, condition)
    if not felt:
        return metrics.score_predictions(EMOTIONS, truth, rows, person)
    found = metrics.score_predictions(STRESS_LABELS, truth, rows, person)
    return found.with_extra(auroc=metrics.auroc(truth, rows[:, 1]))
