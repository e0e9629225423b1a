"""Score a shipped model on a labelled data set in its official layout.

With ``--protocol`` other than ``shipped``, the recipe of the modality's card is trained anew and
cross-validated, person-disjoint unless the protocol is called ``random``: this is how a card's
figure on people never seen is reproduced where the shipped weights learned from everybody.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
from pathlib import Path

from emostress_ros.errors import MissingExtraError, ParameterError
from emostress_ros.metrics import Score
from emostress_ros.training.devices import AUTO, use
from emostress_ros.training.options import add_device

DATASETS: dict[str, tuple[str, ...]] = {
    "face": ("fer2013", "ferplus"),
    "voice": ("ravdess", "tess", "crema_d"),
    "physiology": ("wesad", "stress_predict"),
    "text": ("goemotions", "dreaddit", "meld"),
    "fusion": ("paired_emotion", "paired_stress", "paired_subsets"),
}
SHIPPED = "shipped"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("modality", choices=list(DATASETS), help="whose model")
    names = [name for names in DATASETS.values() for name in names]
    parser.add_argument("dataset", choices=names, help="a set that the modality is scored on")
    parser.add_argument("path", type=Path, help="the data set's file or folder")
    parser.add_argument("--split", help="score only this split of the set")
    parser.add_argument("--model", help="name or folder of another model than the shipped one")
    parser.add_argument(
        "--baseline",
        choices=("rest", "none"),
        help="physiology: read against the person's first 120 s of rest (default), or nothing",
    )
    parser.add_argument(
        "--protocol",
        default=SHIPPED,
        metavar="NAME",
        help="'shipped' (default): score the shipped file; any other name cross-validates the "
        "card's recipe, which trains and takes long: such as 'folds' (voice, text, fusion: "
        "held-out people or posts in turn), 'loso' (physiology: leave one subject out) and "
        "'random' (the literature's split, a person may be on both sides); a wrong name lists the "
        "modality's own",
    )
    parser.add_argument(
        "--work", type=Path, help="folder that keeps what a protocol trains, so that it resumes"
    )
    add_device(parser, None)
    parser.add_argument("--json", action="store_true", help="print one JSON object, nothing else")


def run(args: argparse.Namespace) -> int:
    """Score and print."""
    if args.dataset not in DATASETS[args.modality]:
        print(
            f"emostress score: {args.modality} is scored on "
            f"{', '.join(DATASETS[args.modality])}; got {args.dataset}"
        )
        return 2
    use(args.device or AUTO)
    score = compute(args)
    if args.json:
        print(json.dumps(score.to_json_dict()))
        return 0
    from rich.console import Console

    Console().print(score.render())
    return 0


def compute(args: argparse.Namespace, offered_work: Path | None = None) -> Score:
    """Score as the arguments say.

    Args:
        args: of :func:`add_arguments`.
        offered_work: working folder for a protocol that takes one, where none is named.

    Raises:
        ParameterError: an option that the protocol does not take, or no such protocol.
        MissingExtraError: a protocol needs a package that is not installed.
    """
    if args.protocol == SHIPPED:
        return _score_shipped(args)
    return _score_protocol(args, offered_work)


def _score_shipped(args: argparse.Namespace) -> Score:
    if args.baseline and args.modality != "physiology":
        raise ParameterError(f"--baseline is for physiology alone; got it for {args.modality}")
    if args.device:
        raise ParameterError("--device belongs to a --protocol that trains; 'shipped' does not")
    if args.work:
        raise ParameterError("--work belongs to a --protocol that trains; 'shipped' does not")
    if args.modality == "fusion":
        raise ParameterError(
            "a fusion learned from everybody who could judge it: score it with --protocol folds"
        )
    module = importlib.import_module(f"emostress_ros.evaluation.score_{args.modality}")
    score: Score = module.score(
        args.dataset,
        args.path,
        split=args.split,
        model=args.model,
        baseline=args.baseline or "rest",
        progress=not args.json,
    )
    return score


def _score_protocol(args: argparse.Namespace, offered_work: Path | None) -> Score:
    """Hand over to ``training/<modality>/protocol.py``, with the options that were given."""
    name = f"emostress_ros.training.{args.modality}.protocol"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise _not_there(error, args) from error
    given = {key: getattr(args, key) for key in ("split", "model", "baseline", "work")}
    given = {key: value for key, value in given.items() if value is not None}
    taken = inspect.signature(module.score).parameters
    if offered_work is not None and "work" in taken:
        given.setdefault("work", offered_work)
    odd = [f"--{key}" for key in given if key not in taken]
    if odd:
        raise ParameterError(
            f"{args.modality}: --protocol {args.protocol} takes no {', '.join(odd)}"
        )
    try:
        score: Score = module.score(
            args.dataset, args.path, protocol=args.protocol, progress=not args.json, **given
        )
    except ModuleNotFoundError as error:
        raise _not_there(error, args) from error
    return score


def _not_there(error: ModuleNotFoundError, args: argparse.Namespace) -> Exception:
    """Say what is missing: the modality's protocols, or a package that training needs."""
    missing = error.name or ""
    if missing == f"emostress_ros.training.{args.modality}.protocol":
        return ParameterError(
            f"--protocol of {args.modality} must be '{SHIPPED}'; got '{args.protocol}'"
        )
    if missing.startswith("emostress_ros"):
        return error
    return MissingExtraError(
        f"--protocol {args.protocol} trains and needs '{missing}', which is not installed: "
        f"`pip install 'emostress_ros[train]'`"
    )
