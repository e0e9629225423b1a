"""Exports the voice networks of the folds, with the clips they never heard, for ``compress``.

The shipped voice learned from everybody, so no clip can say what compressing costs it; its five
fold networks can. ``python -m emostress_ros.training.voice.compress --data DATA/voice --cache DIR
--out FOLDER`` reads the trainings of ``emostress train voice --cv`` from the cache (or makes them)
and writes a model folder a fold; ``emostress compress voice_speech --folds FOLDER`` judges them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.inference.card import ModelCard
from emostress_ros.inference.folds import save_held_out
from emostress_ros.modalities.voice.log_mel import LogMelStream
from emostress_ros.modalities.voice.pitch import PitchStream
from emostress_ros.training.common import progress_bar
from emostress_ros.training.compress import write_variant
from emostress_ros.training.devices import use
from emostress_ros.training.options import add_device
from emostress_ros.training.voice.export import DeployedVoiceNet, export
from emostress_ros.training.voice.fit import FitOptions
from emostress_ros.training.voice.runs import FOLD_RUNS, held_run, load_corpus
from emostress_ros.training.voice.train import circumplex_labels

SHIPPED = "voice_speech"


def main(argv: Sequence[str] | None = None) -> int:
    """Export every fold.

    Args:
        argv: arguments; None reads the command line.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with ravdess/ and tess/")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache/emostress/voice")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    add_device(parser)
    options = parser.parse_args(argv)
    use(options.device)
    corpus = load_corpus(options.data, options.cache, options.seed, progress=True)
    card = ModelCard.load(SHIPPED)
    temperature = float(card.raw["calibration"]["temperature"])
    with progress_bar(len(FOLD_RUNS), "exporting") as advance:
        for name in FOLD_RUNS:
            run = held_run(
                corpus, name, FitOptions(seed=options.seed), options.cache, lambda text: None
            )
            folder = options.out / name
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "model.onnx"
            export(DeployedVoiceNet(run.net, circumplex_labels(), temperature), file)
            write_variant(card, file, name, folder)
            feeds = [inputs_of(corpus.speech[i]) for i in run.index]
            persons = [corpus.clips[i].person for i in run.index]
            save_held_out(folder, feeds, corpus.labels[run.index], persons)
            advance(name)
    return 0


def inputs_of(speech: npt.NDArray[np.float32]) -> dict[str, npt.NDArray[np.float32]]:
    """Return what the exported model is fed for one clip, each with a first axis of one."""
    return {
        "waveform": speech[None],
        "log_mel": LogMelStream().push(speech)[None],
        "prosody": PitchStream().push(speech)[None],
    }


if __name__ == "__main__":
    raise SystemExit(main())
