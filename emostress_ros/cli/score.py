"""Score a shipped model on a labelled data set in its official layout."""

from __future__ import annotations

import argparse
import importlib
import json
from pathlib import Path

DATASETS: dict[str, tuple[str, ...]] = {
    "face": ("fer2013", "ferplus"),
    "voice": ("ravdess", "tess"),
    "physiology": ("wesad", "stress_predict"),
    "text": ("goemotions", "dreaddit", "meld"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("modality", choices=list(DATASETS))
    parser.add_argument("dataset", choices=[name for names in DATASETS.values() for name in names])
    parser.add_argument("path", type=Path, help="the data set's file or folder")
    parser.add_argument("--split", help="score only this split of the set")
    parser.add_argument("--model", help="name or folder of another model than the shipped one")
    parser.add_argument(
        "--baseline",
        choices=("rest", "none"),
        default="rest",
        help="physiology: read against the person's first 120 s of rest, or against nothing",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    if args.dataset not in DATASETS[args.modality]:
        print(
            f"emostress score: {args.modality} is scored on "
            f"{', '.join(DATASETS[args.modality])}; got {args.dataset}"
        )
        return 2
    module = importlib.import_module(f"emostress_ros.evaluation.score_{args.modality}")
    score = module.score(
        args.dataset,
        args.path,
        split=args.split,
        model=args.model,
        baseline=args.baseline,
        progress=not args.json,
    )
    if args.json:
        print(json.dumps(score.to_json_dict()))
        return 0
    from rich.console import Console

    Console().print(score.render())
    return 0
