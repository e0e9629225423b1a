"""``emostress score voice DATASET DIR --protocol NAME``: the figures of the card, made again.

``folds`` trains the card's recipe without the people who are judged: five folds of RAVDESS's
actors, or each speaker of TESS in turn.  ``random`` is the literature's split, a voice may be on
both sides.  The recipe learns from both sets, so both have to be there, side by side.
"""

from __future__ import annotations

from pathlib import Path

from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.inference.card import ModelCard
from emostress_ros.metrics import Score
from emostress_ros.training.common import progress_bar
from emostress_ros.training.voice.fit import FitOptions
from emostress_ros.training.voice.nets import SHIPPED
from emostress_ros.training.voice.runs import (
    FOLD_RUNS,
    RANDOM_RUNS,
    SETS,
    TESS_RUNS,
    Run,
    held_run,
    load_corpus,
)
from emostress_ros.training.voice.train import across, evaluate, held_out

PROTOCOLS = ("folds", "random")
CACHE = Path.home() / ".cache/emostress/voice"


def score(
    dataset: str,
    path: Path | str,
    *,
    protocol: str,
    progress: bool = True,
    work: Path | None = None,
) -> Score:
    """Train the card's recipe anew and judge clips that it did not learn from.

    Args:
        dataset: ``ravdess`` or ``tess``.
        path: folder with ``ravdess/`` and ``tess/``, or one of the two.
        protocol: of :data:`PROTOCOLS`.
        progress: show bars.
        work: keeps what is trained.

    Returns:
        the figures; of ``folds`` on RAVDESS with ``slices`` by sex and by intensity.

    Raises:
        ParameterError: an unknown protocol, or a set that the recipe does not learn from.
        DatasetError: a set is missing or odd.
    """
    if protocol not in PROTOCOLS:
        allowed = ", ".join(("shipped", *PROTOCOLS))
        raise ParameterError(f"--protocol of voice must be one of {allowed}; got '{protocol}'")
    if dataset not in SETS:
        raise ParameterError(
            f"--protocol {protocol} of voice is judged on {', '.join(SETS)}; got '{dataset}'"
        )
    card = ModelCard.load(SHIPPED)
    options = FitOptions(seed=int(card.raw["training"]["seed"]))
    cache = work or CACHE
    corpus = load_corpus(folder_of_both(Path(path)), cache, options.seed, progress=progress)
    by_person = FOLD_RUNS if dataset == "ravdess" else TESS_RUNS
    names = by_person if protocol == "folds" else RANDOM_RUNS
    runs: dict[str, Run] = {}
    total = len(names) * (options.head_epochs + options.tuning_epochs)
    with progress_bar(total, "training", enabled=progress) as advance:
        for name in names:
            runs[name] = held_run(corpus, name, options, cache, advance)
    extra = {"protocol": protocol, "model": card.identifier}
    if names == FOLD_RUNS:
        scores, _ = evaluate(corpus, held_out(corpus, runs))
        slices = {name: part.to_json_dict() for name, part in scores.items() if name != "all"}
        return scores["all"].with_extra(slices=slices, **extra)
    temperature = float(card.raw["calibration"]["temperature"])
    return across(corpus, runs, dataset, temperature).with_extra(**extra)


def folder_of_both(path: Path) -> Path:
    """Return the folder that holds both sets, given it or one of them.

    Raises:
        DatasetError: one of the sets is not there.
    """
    for place in (path, path.parent):
        if all((place / name).is_dir() for name in SETS):
            return place
    raise DatasetError(
        f"{path}: the recipe learns from {' and '.join(SETS)}; "
        f"need {' and '.join(f'{path.parent / name}' for name in SETS)}"
    )
