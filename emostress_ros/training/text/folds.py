"""Cross-validation of the fine-tuned encoder on Dreaddit, which has no official dev split.

The emotions are learnt once, from GoEmotions and MELD, which share nothing with Dreaddit; every
fold then goes on from there with its own training posts and no other.  Folds that are done are
read back, so that an interrupted run resumes.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.files import whole_file
from emostress_ros.training.common import seed_everything
from emostress_ros.training.datasets.labelled_text import LabelledTexts
from emostress_ros.training.text import finetune as finetuning
from emostress_ros.training.text.data import Corpora
from emostress_ros.training.text.encoder import Bert

logger = logging.getLogger(__name__)
IntArray = npt.NDArray[np.int64]
Ids = list[list[int]]


@dataclass(frozen=True)
class FoldOptions:
    """Settings of one cross-validation of the fine-tuned encoder.

    Attributes:
        emotion_epochs: passes over GoEmotions and MELD before the folds; 0 skips them.
        epochs: passes over the training posts of a fold.
        learning_rate: peak rate of the encoder within a fold.
        batch: posts a step.
        seed: of everything.
    """

    emotion_epochs: int = 1
    epochs: int = 2
    learning_rate: float = 1e-4
    batch: int = 24
    seed: int = 0


def emotion_net(
    encoder: Bert,
    emotions: Corpora,
    tokens: Mapping[str, Ids],
    run: Path,
    options: FoldOptions,
) -> finetuning.TextNet:
    """Return the encoder from which every fold starts: trained on emotions, or as packaged.

    Args:
        encoder: the pretrained encoder, which is changed.
        emotions: GoEmotions and MELD, train splits.
        tokens: token ids of their texts, by set.
        run: folder of the checkpoint; a finished one is read.
        options: settings.
    """
    if options.emotion_epochs == 0:
        seed_everything(options.seed)
        return finetuning.TextNet(encoder).eval()
    if not (run / "net.pt").is_file():
        settings = finetuning.FinetuneOptions(epochs=options.emotion_epochs, seed=options.seed)
        return finetuning.finetune(encoder, emotions, dict(tokens), run, settings)
    return finetuning.load_checkpoint(encoder, run)


def cross_validate(
    start: finetuning.TextNet,
    texts: LabelledTexts,
    tokens: Ids,
    fold: IntArray,
    run: Path,
    options: FoldOptions,
) -> npt.NDArray[np.float64]:
    """Train on all folds but one, and read the logit of stress on that one, fold by fold.

    Args:
        start: network whose weights every fold begins with.
        texts: Dreaddit.
        tokens: its token ids.
        fold: (N,) the fold in which a text is held out; -1 where it is only learnt from.
        run: folder of the folds' checkpoints.
        options: settings.

    Returns:
        (N,) logits, each from the network that never saw the text's fold; 0 where fold is -1.
    """
    begin = {name: value.clone() for name, value in start.state_dict().items()}
    logits = np.zeros(len(texts))
    for index in range(int(fold.max()) + 1):
        folder, held = run / f"fold-{index}", np.flatnonzero(fold == index)
        done = folder / "logits.npy"
        if not done.is_file():
            start.load_state_dict(begin)
            corpora = Corpora({"dreaddit": texts.take(fold != index)}, {})
            ids = [tokens[i] for i in np.flatnonzero(fold != index)]
            settings = finetuning.FinetuneOptions(
                epochs=options.epochs,
                long_batch=options.batch,
                learning_rate=options.learning_rate,
                seed=options.seed,
            )
            generator = seed_everything(options.seed + int(index))
            finetuning.train(start, corpora, {"dreaddit": ids}, folder, settings, generator)
            rows = finetuning.predict(start.eval(), [tokens[i] for i in held])["stress"][:, 0]
            with whole_file(done) as draft:
                np.save(draft, rows)
            (folder / "net.pt").unlink()
        logits[held] = np.load(done)
        logger.info("fold %d of %d: %d texts", index + 1, fold.max() + 1, len(held))
    return logits
