"""Fusions that never saw one wearer, a folder a person, for `emostress evaluate --model`.

The shipped fusion learned from everybody in WESAD and Stress-Predict. Here the people are dealt
into the folds of `emostress_ros.training.physiology.folds`, and the fusion in
`OUT/fusion_attention/wesad_S2` learned from all wearers but S2 (and the others of its fold). It
reads the embedding of S2's physiology fold as the shipped one's: both are features standardised by
the moments of their training persons, which no label enters.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import yaml

from emostress_ros.fusion.evidence import Layout
from emostress_ros.inference import ModelCard
from emostress_ros.training.datasets.splits import check_disjoint
from emostress_ros.training.devices import use
from emostress_ros.training.fusion.encode import tables
from emostress_ros.training.fusion.encode_physiology import FOLDS
from emostress_ros.training.fusion.export import export, write_card
from emostress_ros.training.fusion.fit import FitOptions, fit
from emostress_ros.training.fusion.nets import NETS, DeployedFusion
from emostress_ros.training.fusion.pairs import Pairs, joined_text, layout_of
from emostress_ros.training.fusion.tables import Table
from emostress_ros.training.fusion.train import SHIPPED
from emostress_ros.training.options import add_device
from emostress_ros.training.physiology.fit import subject_folds

logger = logging.getLogger("emostress.train.fusion.folds")
_WEARER = "physiology"


def main(argv: Sequence[str] | None = None) -> int:
    """Fit and write the models; return the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    torch.set_num_threads(1)
    args = _arguments(argv)
    use(args.device)
    joined = joined_text(tables(args.data, args.cache, args.seed))
    options = FitOptions(steps=args.steps, seed=args.seed)
    people = list(dict.fromkeys(joined[_WEARER].person.tolist()))
    for number, fold in enumerate(subject_folds(people, FOLDS)):
        written = write_fold(args.strategy, joined, fold, options, args.out)
        logger.info("fold %d of %d: %s", number + 1, FOLDS, ", ".join(map(str, written)))
    return 0


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m emostress_ros.training.fusion.folds", description=__doc__
    )
    add = parser.add_argument
    add_device(parser)
    add("--data", type=Path, required=True, help="as of `emostress train fusion`")
    add("--out", type=Path, required=True, help="folder of the models")
    add("--cache", type=Path, default=Path.home() / ".cache/emostress/fusion")
    add("--strategy", choices=list(NETS), default=SHIPPED, help=f"({SHIPPED})")
    add("--steps", type=int, default=500, help="as of the shipped model (500)")
    add("--seed", type=int, default=0)
    return parser.parse_args(argv)


def without(joined: Mapping[str, Table], fold: Sequence[str]) -> dict[str, Table]:
    """Return the tables without the wearers of a fold; nobody else is in two tables."""
    wearer = joined[_WEARER]
    kept = wearer.take(np.flatnonzero(~np.isin(wearer.person, list(fold))))
    check_disjoint(sorted(set(kept.person.tolist())), fold)
    return {**joined, _WEARER: kept}


def write_fold(
    strategy: str, joined: Mapping[str, Table], fold: Sequence[str], options: FitOptions, out: Path
) -> list[Path]:
    """Train one fusion, and write a folder for each wearer whom it never saw.

    Args:
        strategy: of ``NETS``.
        joined: the four modalities' tables of everybody.
        fold: wearers to leave out, such as ``wesad/S2``.
        options: of the training.
        out: folder of the models; each lies in ``fusion_<strategy>/<wearer>``.
    """
    learned = without(joined, fold)
    layout = layout_of(joined)
    pairs = Pairs(learned, layout)
    net = fit(strategy, pairs, options)
    moments = pairs.draw(64, np.random.default_rng(options.seed))
    written = []
    shipped = ModelCard.load(f"fusion_{strategy}")
    calibration = dict(shipped.raw["calibration"])
    deployed = DeployedFusion(net, float(calibration.get("temperature_emotion", 1.0)))
    for person in fold:
        folder = out / f"fusion_{strategy}" / person.replace("/", "_")
        parity = export(deployed, folder / "model.onnx", pairs, moments)
        facts = {
            "reliability": dict(shipped.reliability),
            "threshold_unknown": shipped.threshold_unknown,
            "calibration": calibration,
            "training": {
                "command": "python -m emostress_ros.training.fusion.folds --data DATA --out OUT "
                f"--steps {options.steps}",
                "seed": options.seed,
                "split": f"all wearers but {', '.join(fold)}",
                "onnx_parity": float(f"{parity:.1e}"),
            },
            "measured": {},
        }
        write_card(folder, strategy, learned, _reading_fold(layout, person), [], facts)
        _rename(folder / "model.yaml", strategy, person)
        written.append(folder)
    return written


def _reading_fold(layout: Layout, person: str) -> Layout:
    """Return the layout that also knows the physiology fold of a person."""
    known = [
        replace(item, models=(*item.models, *(f"{model}{_fold(person)}" for model in item.models)))
        if item.name == _WEARER
        else item
        for item in layout.known
    ]
    return Layout(tuple(known))


def _fold(person: str) -> str:
    return f"+without-{person.replace('/', '-')}"


def _rename(file: Path, strategy: str, person: str) -> None:
    """Name the card after the model, not after the folder of the person."""
    card = yaml.safe_load(file.read_text(encoding="utf-8"))
    card |= {"name": f"fusion_{strategy}", "version": f"{card['version']}{_fold(person)}"}
    text = yaml.safe_dump(card, sort_keys=False, allow_unicode=True, width=98)
    file.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
