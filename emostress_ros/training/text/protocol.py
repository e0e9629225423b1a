"""Trains and judges text architectures fold by fold: for ``emostress score --protocol``, studies.

The fine-tuned encoder on Dreaddit follows the shipped recipe: emotions are learnt first, once,
from GoEmotions and MELD, which share nothing with it; see :mod:`.folds`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from emostress_ros import metrics
from emostress_ros.errors import DatasetError, ParameterError
from emostress_ros.files import whole_file
from emostress_ros.modalities.text import TextConfig, TextEncoder
from emostress_ros.training.datasets.goemotions import load_goemotions
from emostress_ros.training.datasets.meld import load_meld
from emostress_ros.training.study import mean_curves
from emostress_ros.training.text.architectures import (
    ARCHITECTURES,
    HEAD_OF,
    Bench,
    architecture,
    digest,
)
from emostress_ros.training.text.calibrate import fit_platt, sigmoid, softmax
from emostress_ros.training.text.data import Corpora, emotions_without, load_corpora
from emostress_ros.training.text.pretrained import packaged_minilm
from emostress_ros.training.text.scores import encode_texts, score_published
from emostress_ros.training.text.tasks import TASKS, Division, Task, load_task
from emostress_ros.training.text.train import embedded
from emostress_ros.training.weights import parameter_count

if TYPE_CHECKING:
    from emostress_ros.training.text.finetune import TextNet

SHIPPED = "minilm_finetuned"
_EMOTIONS = {"goemotions": load_goemotions, "meld": load_meld}
_GROUPS = {"goemotions": "comments", "dreaddit": "posts", "meld": "speakers"}


@dataclass(frozen=True)
class Judged:
    """An architecture under a division: its score, size, training time and curves."""

    score: metrics.Score
    parameters: int
    seconds: float
    curves: dict[str, list[float]] = field(default_factory=dict)
    note: str = ""


def score(
    dataset: str,
    path: Path,
    *,
    protocol: str,
    progress: bool = True,
    split: str | None = None,
    model: str | None = None,
    work: Path = Path("runs/text-protocol"),
) -> metrics.Score:
    """Train and judge by a protocol.

    Args:
        dataset: ``goemotions``, ``dreaddit`` or ``meld``.
        path: its folder; beside that of Dreaddit those of the others, which its recipe needs.
        protocol: a division of :mod:`.tasks`, such as ``folds`` or ``random``; or
            ``published``, which trains nothing and scores the output ``probabilities`` of a model
            folder, which the graph publishes.
        progress: without meaning; the log tells.
        split: of ``published``; default ``dev``.
        model: an architecture's name (of ``published`` a model folder's); default the shipped one.
        work: keeps what was trained, so that it resumes.

    Raises:
        DatasetError: unknown set, or files that are missing or malformed.
        ParameterError: unknown protocol or architecture.
    """
    if dataset not in TASKS:
        raise DatasetError(f"text: no data set '{dataset}'; there are {', '.join(TASKS)}")
    if protocol == "published":
        return _published(dataset, Path(path), split or "dev", model)
    model = model or SHIPPED
    if model == "transformers":
        raise ParameterError(ARCHITECTURES[model].meaning)
    architecture(model)
    task = load_task(dataset, Path(path))
    division = task.division(protocol)
    found = judge(make_bench(task, Path(path), work), division, model)
    return found.score.with_extra(
        dataset=dataset, split=division.name, model=model, groups=_GROUPS[dataset],
        note=found.note or division.note,
    )  # fmt: skip


def _published(dataset: str, path: Path, split: str, model: str | None) -> metrics.Score:
    """Score what the graph publishes on a split of an emotion set."""
    if dataset not in _EMOTIONS:
        raise ParameterError(f"--protocol published takes {', '.join(_EMOTIONS)}; got {dataset}")
    texts = _EMOTIONS[dataset](path, split)
    encoder = TextEncoder(model or TextConfig().model)
    found = score_published(texts, encode_texts(encoder, texts.texts))
    return found.with_extra(
        dataset=dataset, split=split, model=encoder.card.identifier, output="probabilities"
    )


def make_bench(task: Task, folder: Path, work: Path, seed: int = 0) -> Bench:
    """Tokenise a set and promise its embeddings.

    Args:
        task: the set.
        folder: it was read from; the sets of the emotions lie beside it.
        work: folder of caches and checkpoints.
        seed: of everything.
    """
    pretrained = packaged_minilm()
    ids = pretrained.ids(task.texts)
    cache = work / f"{task.name}-{len(ids)}.npy"
    bench = Bench(
        task,
        ids,
        lambda: embedded(ids, cache),
        pretrained,
        work / f"{task.name}-{len(ids)}-finetuned-seed{seed}",
        seed,
        emotions=folder.parent,
    )
    return replace(bench, emotion_embeddings=lambda: _emotion_embeddings(bench))


def _emotion_embeddings(bench: Bench) -> npt.NDArray[np.float32]:
    """(N, D) embeddings of the encoder that learnt the emotions, kept in a file."""
    from emostress_ros.training.text import heads as heading

    cache = bench.run.parent / f"{bench.run.name}-emotions.npy"
    if not cache.is_file():
        rows = heading.pooled(_emotion_net(bench).encoder, bench.ids, halved=True)
        with whole_file(cache) as draft:
            np.save(draft, rows)
    kept: npt.NDArray[np.float32] = np.load(cache)
    return kept


def judge(bench: Bench, division: Division, model: str) -> Judged:
    """Train one architecture on every fold's train side and score all its test sides together."""
    if model == SHIPPED:
        if bench.task.name == "dreaddit":
            return _finetuned_dreaddit(bench, division)
        if division.name == "official dev" or bench.task.name == "goemotions":
            return _finetuned_emotions(bench, division)
    task, fit = bench.task, architecture(model).fit
    rows = np.zeros((len(task.texts), len(task.texts.labels)))
    fitted = [fit(bench, split) for split in division.folds]
    for split, one in zip(division.folds, fitted, strict=True):
        rows[split.test] = one.probabilities
    curves = mean_curves([one.curves for one in fitted]) if fitted[0].curves else {}
    return Judged(
        _score(task, division, rows), fitted[0].parameters, sum(one.seconds for one in fitted),
        curves,
    )  # fmt: skip


def _score(
    task: Task, division: Division, rows: npt.NDArray[np.float64], reach: float = 1e-9
) -> metrics.Score:
    """Score every judged text; intervals over speakers, posts or comments."""
    held = np.sort(np.concatenate([split.test for split in division.folds]))
    answers = rows[held] + reach
    answers = answers / answers.sum(axis=1, keepdims=True)
    persons = [task.texts.persons[i] for i in held]
    return metrics.score_predictions(task.texts.labels, task.truth[held], answers, persons)


def _emotion_net(bench: Bench) -> TextNet:
    """Learn emotions from GoEmotions and MELD's train splits, or read what was learnt."""
    return _taught(bench, load_corpora(bench.emotions, ("goemotions", "meld")), _emotion_run(bench))


def _taught(bench: Bench, corpora: Corpora, run: Path) -> TextNet:
    from emostress_ros.training.text import folds as folding

    tokens = {n: bench.pretrained.ids(t) for n, t in corpora.train.items() if n != "original"}
    options = folding.FoldOptions(seed=bench.seed)
    return folding.emotion_net(bench.pretrained.bert(), corpora, tokens, run, options)


def _emotion_run(bench: Bench) -> Path:
    return bench.run.parent / f"emotions-seed{bench.seed}"


def _finetuned_emotions(bench: Bench, division: Division) -> Judged:
    """The network that learnt both emotion sets but for what is judged.

    Of the official division that is their train splits; of another one of GoEmotions, its train
    and dev splits without the comments that are judged.
    """
    from emostress_ros.training.text import finetune as finetuning

    (split,) = division.folds
    if division.name == "official dev":
        run, net = _emotion_run(bench), _emotion_net(bench)
    else:
        run = bench.run / digest(split)
        comments = [bench.task.texts.groups[i] for i in split.test]
        net = _taught(bench, emotions_without(bench.emotions, comments), run)
    logits = finetuning.predict(net, [bench.ids[i] for i in split.test])[HEAD_OF[bench.task.name]]
    rows = np.zeros((len(bench.task.texts), len(bench.task.texts.labels)))
    rows[split.test] = softmax(logits)
    return Judged(
        _score(bench.task, division, rows),
        _trained(net),
        finetuning.steps_and_seconds(run)[1],
        finetuning.read_log(run),
        "GoEmotions and MELD learnt together, one epoch",
    )  # fmt: skip


def _finetuned_dreaddit(bench: Bench, division: Division) -> Judged:
    """Emotions first, then every fold; each fold calibrated on the answers of the others."""
    from emostress_ros.training.text import finetune as finetuning
    from emostress_ros.training.text import folds as folding

    net = _emotion_net(bench)
    fold = np.full(len(bench.task.texts), -1, dtype=np.int64)
    for index, split in enumerate(division.folds):
        fold[split.test] = index
    run = bench.run / division.folds[0].name.replace(" ", "-")
    logits = folding.cross_validate(
        net, bench.task.texts, bench.ids, fold, run, folding.FoldOptions(seed=bench.seed)
    )
    stressed = np.zeros(len(logits))
    for index in range(len(division.folds)):
        here, others = fold == index, (fold >= 0) & (fold != index)
        slope, shift = fit_platt(logits[others], bench.task.truth[others])
        stressed[here] = sigmoid(slope * logits[here] + shift)
    rows = np.stack([1.0 - stressed, stressed], axis=1)
    runs = [run / f"fold-{index}" for index in range(len(division.folds))]
    every = (_emotion_run(bench), *runs)
    seconds = sum(finetuning.steps_and_seconds(one)[1] for one in every)
    return Judged(
        _score(bench.task, division, rows), _trained(net), seconds,
        mean_curves([finetuning.read_log(one) for one in runs]),
        "emotions of GoEmotions and MELD first, then two epochs of the other folds; calibrated "
        "on the other folds' answers" + (f"; {division.note}" if division.note else ""),
    )  # fmt: skip


def _trained(net: TextNet) -> int:
    """Numbers that the training moves: all but the embeddings and the two lowest layers."""
    net.encoder.freeze(2)
    return parameter_count(net, trained=True)
