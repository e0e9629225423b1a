"""``emostress train fusion``: learn to fuse, judge on people never seen, export, write the study.

Stage 1 runs the shipped encoders over held-out items, clean and spoilt, and keeps what they say.
Stage 2 trains every strategy over those frozen encoders: five folds by person for the figures, all
people for the weights.  Stage 3 (``--finetune``) trains a face network through the fusion.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from emostress_ros.fusion.evidence import Layout
from emostress_ros.training.common import CsvLog, load_checkpoint
from emostress_ros.training.devices import use
from emostress_ros.training.fusion.encode import describe, tables
from emostress_ros.training.fusion.evaluate import FOLDS, fold_tables
from emostress_ros.training.fusion.export import export, latency_us, write_card
from emostress_ros.training.fusion.figures import checks, figures_of
from emostress_ros.training.fusion.fit import FitOptions, fit
from emostress_ros.training.fusion.nets import NETS, DeployedFusion
from emostress_ros.training.fusion.pairs import Pairs, joined_text, layout_of
from emostress_ros.training.fusion.protocol import scored
from emostress_ros.training.fusion.report import card_figures, reliability, stress_speakers, write
from emostress_ros.training.fusion.stream import study
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.validate import LATE, Validation, cross_validate, threshold
from emostress_ros.training.options import add_device, whole
from emostress_ros.training.weights import parameter_count

logger = logging.getLogger("emostress.train.fusion")
SHIPPED = "attention"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    torch.set_num_threads(1)
    options = _parser().parse_args(argv)
    use(options.device)
    if options.finetune:
        load_checkpoint(options.finetune)  # now, not after an hour of the first two stages
    made = tables(options.data, options.cache, options.seed, progress=not options.no_progress)
    for line in describe(made):
        logger.info("%s", line)
    joined, layout = joined_text(made), layout_of(made)
    fitting = FitOptions(steps=options.steps, seed=options.seed)
    found = cross_validate(
        joined, layout, fitting, options.cache, draws=options.draws, say=logger.info
    )
    results: dict[str, Any] = {
        "emotion": {"table": figures_of(found.emotion, "emotion"),
                    "checks": checks(found.emotion, "emotion", SHIPPED)},
        "stress": {"table": figures_of(found.stress, "stress"),
                   "checks": checks(found.stress, "stress", SHIPPED)},
        "subsets": {name: _any_subset(found, name) for name in (LATE, *NETS)},
        "time": in_time(found, joined, layout, options),
    }  # fmt: skip
    if options.finetune:
        from emostress_ros.training.fusion.end_to_end import end_to_end

        results["stage3"] = end_to_end(options, joined)
    models = {name: _train(name, joined, layout, fitting, results, options) for name in NETS}
    _state_late(results, options.out / "fusion_late" / "model.yaml")
    results["speakers"] = stress_speakers(models[SHIPPED], joined, layout)
    print(write(results, options, describe(made), options.study))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="emostress train fusion", description=__doc__)
    add = parser.add_argument
    add("--data", type=Path, required=True,
        help="folder with face/, voice/, physiology/ and text/ in the sets' layouts")  # fmt: skip
    add("--cache", type=Path, default=Path.home() / ".cache/emostress/fusion")
    add("--out", type=Path, default=Path("models"), help="folder of the models")
    add("--study", type=Path, default=Path("docs/studies"), help="folder of the page")
    add("--steps", type=whole(1), default=500, help="steps of each training")
    add("--draws", type=whole(1), default=1, help="pairings of each voice clip that is judged")
    add("--seed", type=whole(), default=0)
    add(
        "--finetune", type=Path, metavar="CHECKPOINT",
        help="stage 3: train this face network (of `emostress train face`) through the fusion",
    )  # fmt: skip
    add_device(parser)
    add("--no-progress", action="store_true")
    return parser


def in_time(
    found: Validation,
    joined: Mapping[str, Table],
    layout: Layout,
    options: argparse.Namespace,
) -> list[dict[str, Any]]:
    """Return how the states of the last fold's people behave in time; see :mod:`.stream`."""
    folder = options.cache / "fold" / f"fusion_{SHIPPED}"
    pairs = Pairs(joined, layout)
    deployed = DeployedFusion(found.last[SHIPPED], found.temperature[SHIPPED])
    export(deployed, folder / "model.onnx", pairs, pairs.draw(8, seeded(options)))
    nothing: dict[str, Any] = {
        "reliability": {}, "calibration": {}, "training": {}, "measured": {},
        "threshold_unknown": 0.4,
    }  # fmt: skip
    write_card(folder, SHIPPED, joined, layout, [], nothing)
    return study(str(folder), fold_tables(joined, FOLDS - 1, options.seed)[1], options.seed)


def _state_late(results: Mapping[str, Any], card: Path) -> None:
    """Put what was found onto the card of the late fusion, of which nothing is learned."""
    if not card.is_file():
        return
    raw = yaml.safe_load(card.read_text(encoding="utf-8"))
    raw |= {
        "reliability": reliability(results, LATE),
        "threshold_unknown": round(results["subsets"][LATE]["threshold"], 3),
        "figures": card_figures(results, LATE, raw["name"]),
    }
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True, width=98)
    card.write_text(text, encoding="utf-8")


def _any_subset(found: Validation, strategy: str) -> dict[str, Any]:
    """Return the figures over all subsets alike, and the calibration and threshold they give."""
    whole = scored(found, "paired_subsets", strategy)
    names = ("n", "uar", "accuracy", "ece")
    return {
        **{name: getattr(whole, name) for name in names},
        "persons": whole.extra["persons"],
        "ci95": {name: list(whole.extra["ci95"][name]) for name in ("uar", "accuracy")},
        "threshold": threshold(found, strategy),
        "temperature": found.temperature.get(strategy, 1.0),
    }


def seeded(options: argparse.Namespace) -> np.random.Generator:
    """Return a generator of the command's seed."""
    return np.random.default_rng(options.seed)


def _train(
    name: str,
    joined: Mapping[str, Table],
    layout: Layout,
    fitting: FitOptions,
    results: Mapping[str, Any],
    options: argparse.Namespace,
) -> torch.nn.Module:
    """Train a strategy on everybody, and write its folder."""
    pairs = Pairs(joined, layout)
    folder = options.out / f"fusion_{name}"
    log = CsvLog(folder / "training.csv")
    net = fit(name, pairs, fitting, log, lambda text: logger.info("%s", text))
    file = folder / "model.onnx"
    moments = pairs.draw(64, seeded(options))
    temperature = round(results["subsets"][name]["temperature"], 4)
    parity = export(DeployedFusion(net, temperature), file, pairs, moments)
    facts = {
        "reliability": reliability(results, name),
        "calibration": {
            "method": "temperature (Guo et al. 2017) of the emotion; stress is as learned",
            "temperature_emotion": temperature,
            "fitted_on": "answers of the five folds about people never seen, every subset that "
                         "speaks of emotion alike; in the figures each fold has that of the "
                         "other four",
        },
        "training": {
            "command": f"emostress train fusion --data DIR --steps {options.steps}",
            "seed": options.seed,
            "steps": options.steps,
            "draws": options.draws,
            "split": "figures: five folds, nobody on both sides on any side of the pairs; weights: "
                     "everybody",
            "loss": f"cross entropy + {fitting.consistency:g} x consistency + "
                    f"{fitting.regularisation:g} x regularisation; see training.csv",
            "parameters": parameter_count(net),
            "onnx_parity": float(f"{parity:.1e}"),
        },
        "threshold_unknown": round(results["subsets"][name]["threshold"], 3),
        "measured": {"one person, four modalities, one thread, µs": latency_us(file, layout)},
    }  # fmt: skip
    figures = card_figures(results, name, folder.name)
    write_card(folder, name, joined, layout, figures, facts)
    logger.info("wrote %s (%.0f kB)", file, file.stat().st_size / 1e3)
    return net


if __name__ == "__main__":
    raise SystemExit(main())
