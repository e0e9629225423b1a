"""Architectures for text, by name: from counted words to a fine-tuned transformer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emostress_ros.errors import ParameterError
from emostress_ros.training.datasets.splits import Split
from emostress_ros.training.text.calibrate import sigmoid, softmax
from emostress_ros.training.text.pretrained import Pretrained
from emostress_ros.training.text.tasks import Task

FloatArray = npt.NDArray[np.float64]
HEAD_OF = {"goemotions": "goemotions", "meld": "meld", "dreaddit": "stress"}
"""Set to the head that answers its question."""


@dataclass(frozen=True)
class Bench:
    """What every architecture may use, made once a set.

    Attributes:
        task: the set.
        ids: token ids of its texts.
        embeddings: (N, D) of the encoder as it is packaged; made when first asked for.
        pretrained: the encoder.
        run: folder of checkpoints.
        seed: of everything.
        epochs: passes of the fine-tuning.
        emotions: folder with GoEmotions and MELD, for the recipes that learn them first.
        emotion_embeddings: (N, D) of the encoder that did; made when first asked for.
    """

    task: Task
    ids: list[list[int]]
    embeddings: Callable[[], npt.NDArray[np.float32]]
    pretrained: Pretrained
    run: Path
    seed: int = 0
    epochs: int = 2
    emotions: Path = Path()
    emotion_embeddings: Callable[[], npt.NDArray[np.float32]] = field(
        default=lambda: np.zeros((0, 0), np.float32)
    )


@dataclass(frozen=True)
class Fitted:
    """What came of one fold: (m, K) probabilities of its judged texts, and how dear they were."""

    probabilities: FloatArray
    parameters: int
    seconds: float
    curves: Mapping[str, list[float]] = field(default_factory=dict)


Fit = Callable[[Bench, Split], Fitted]


@dataclass(frozen=True)
class Architecture:
    """A way to learn a set; ``fit`` learns one split's train side and answers its test side."""

    meaning: str
    fit: Fit


def fit_tfidf(bench: Bench, split: Split) -> Fitted:
    """Words and pairs of words, weighted by rarity (Spärck Jones 1972), logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts, truth, begun = bench.task.texts.texts, bench.task.truth, time.process_time()
    counter = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    rows = counter.fit_transform([texts[i] for i in split.train])
    learner = LogisticRegression(C=8.0, max_iter=300)
    learner.fit(rows, truth[split.train])
    spent = time.process_time() - begun
    answers = learner.predict_proba(counter.transform([texts[i] for i in split.test]))
    return Fitted(_full(answers, learner.classes_, bench), _size(learner), spent)


def fit_linear(bench: Bench, split: Split) -> Fitted:
    """Logistic regression on the sentence embedding of the encoder as it is."""
    return _logistic(bench, split, bench.embeddings())


def fit_emotions_linear(bench: Bench, split: Split) -> Fitted:
    """Logistic regression on the embedding of the encoder that learnt GoEmotions and MELD."""
    return _logistic(bench, split, bench.emotion_embeddings())


def _logistic(bench: Bench, split: Split, rows: npt.NDArray[np.float32]) -> Fitted:
    from sklearn.linear_model import LogisticRegression

    truth, begun = bench.task.truth, time.process_time()
    centre, scale = rows[split.train].mean(axis=0), rows[split.train].std(axis=0) + 1e-6
    rows = (rows - centre) / scale
    learner = LogisticRegression(C=0.03, max_iter=300)
    learner.fit(rows[split.train], truth[split.train])
    spent = time.process_time() - begun
    answers = learner.predict_proba(rows[split.test])
    return Fitted(_full(answers, learner.classes_, bench), _size(learner), spent)


def fit_hidden(bench: Bench, split: Split) -> Fitted:
    """One hidden layer of 320 on the sentence embedding of the encoder as it is."""
    from emostress_ros.training.text import heads as heading

    rows, task, begun = bench.embeddings(), bench.task, time.process_time()
    curves: dict[str, list[float]] = {"epoch": [], "training_loss": [], "macro_f1": []}

    def watch(epoch: int, loss: float, net: Any) -> None:
        answer = _answers(heading.head_logits(net.eval(), rows[split.test]), task.name)
        curves["epoch"].append(float(epoch))
        curves["training_loss"].append(loss)
        curves["macro_f1"].append(_macro_f1(task, split, answer))

    settings = heading.HeadOptions(epochs=24 if task.name == "dreaddit" else 12, seed=bench.seed)
    net = heading.train_heads(
        {task.name: rows[split.train]},
        {task.name: task.texts.targets[split.train]},
        settings,
        watch,
    )
    answers = _answers(heading.head_logits(net, rows[split.test]), task.name)
    width, outputs = rows.shape[1], 1 if task.name == "dreaddit" else len(task.texts.labels)
    size = (width + 1) * settings.hidden + (settings.hidden + 1) * outputs
    return Fitted(answers, size, time.process_time() - begun, curves)


def fit_finetuned(bench: Bench, split: Split) -> Fitted:
    """The encoder itself is trained with its head; its embeddings and lowest layers stay."""
    from emostress_ros.training.common import seed_everything
    from emostress_ros.training.text import finetune as finetuning
    from emostress_ros.training.text.data import Corpora
    from emostress_ros.training.weights import parameter_count

    task, begun = bench.task, time.process_time()
    kept = bench.run / f"{split.name.replace(' ', '-')}-{digest(split)}"
    encoder = bench.pretrained.bert()
    settings = finetuning.FinetuneOptions(
        epochs=bench.epochs, seed=bench.seed, frozen_layers=min(2, encoder.shape.layers // 3)
    )
    generator = seed_everything(bench.seed)
    net = finetuning.TextNet(encoder)
    corpora = Corpora({task.name: task.texts.take(split.train)}, {})
    ids = {task.name: [bench.ids[i] for i in split.train]}
    finetuning.train(net, corpora, ids, kept, settings, generator)
    logits = finetuning.predict(net, [bench.ids[i] for i in split.test])
    (kept / "net.pt").unlink()
    size = parameter_count(net, trained=True)
    spent = time.process_time() - begun
    return Fitted(_answers(logits, task.name), size, spent, finetuning.read_log(kept))


ARCHITECTURES: dict[str, Architecture] = {
    "tfidf": Architecture("TF-IDF of words and pairs, logistic regression", fit_tfidf),
    "minilm_linear": Architecture("frozen MiniLM, logistic regression", fit_linear),
    "minilm_hidden": Architecture("frozen MiniLM, one hidden layer of 320", fit_hidden),
    "emotions_linear": Architecture("MiniLM fine-tuned on the emotions, then frozen, logistic "
                                    "regression: for the stress of Dreaddit", fit_emotions_linear),
    "minilm_finetuned": Architecture("MiniLM fine-tuned, embeddings and two layers frozen",
                                     fit_finetuned),
    "transformers": Architecture("another BERT, DistilBERT or RoBERTa, fine-tuned: `emostress "
                                 "train text --encoder FOLDER_OR_NAME`", fit_finetuned),
}  # fmt: skip
"""Name to architecture; ``transformers`` needs an encoder that the user brings."""


def architecture(name: str) -> Architecture:
    """Return an architecture.

    Raises:
        ParameterError: names those that there are.
    """
    if name not in ARCHITECTURES:
        raise ParameterError(f"text architectures are {', '.join(ARCHITECTURES)}; got '{name}'")
    return ARCHITECTURES[name]


def _answers(logits: Mapping[str, npt.NDArray[np.float32]], task: str) -> FloatArray:
    """(m, K) probabilities from the head that answers a set's question."""
    rows = logits[HEAD_OF[task]]
    if task != "dreaddit":
        return softmax(rows)
    stressed = sigmoid(rows[:, 0])
    return np.stack([1.0 - stressed, stressed], axis=1)


def _macro_f1(task: Task, split: Split, answers: FloatArray) -> float:
    from emostress_ros.metrics import score_predictions

    return score_predictions(task.texts.labels, task.truth[split.test], answers).macro_f1


def _full(answers: FloatArray, classes: npt.NDArray[Any], bench: Bench) -> FloatArray:
    """Answers over every label, where a fold's train side lacks one."""
    rows = np.zeros((len(answers), len(bench.task.texts.labels)))
    rows[:, classes.astype(int)] = answers
    return rows


def _size(learner: Any) -> int:
    return int(learner.coef_.size + learner.intercept_.size)


def digest(split: Split) -> str:
    """Return a short name of what a split judges, for its folder."""
    import hashlib

    return hashlib.sha256(split.test.tobytes()).hexdigest()[:8]
