"""Make a stress model for one person, of a few windows of theirs.

The recording is an Empatica E4 export (zip or folder) or a bag. ``--segments`` is a CSV with the
columns ``start_s``, ``end_s`` and ``stress`` (0 or 1), in seconds since the recording's first pulse
sample; rows with stress 0 alone are resting windows. The folder that is written is a model: give
its path to the physiology node as ``model`` (or ``model_rest``, if its base reads against a rest).

``--study`` shows what 1, 5 and 20 windows give on WESAD and Stress-Predict.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from emostress_ros.cli.train import needs_extra
from emostress_ros.errors import ParameterError
from emostress_ros.modalities.physiology import PhysiologyConfig
from emostress_ros.person.adaptation import CALIBRATION, METHODS
from emostress_ros.training.options import whole


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    base = PhysiologyConfig().model
    fitted = "what is fitted: the calibration, or with it a layer over the embedding (%(default)s)"
    sets = "with --study: folder with segments.csv, wesad/ and stress_predict/"
    add("recording", type=Path, nargs="?", help="Empatica E4 zip or folder, or a bag")
    add("--segments", type=Path, metavar="CSV", help="when the person was calm or stressed")
    add("-o", "--out", type=Path, metavar="DIR", help="folder of the person's model")
    add("--model", default=base, help="name or folder of the base model (%(default)s)")
    add("--method", choices=METHODS, default=CALIBRATION, help=fitted)
    add("--person", default="", metavar="ID", help="whose samples of a bag")
    add("--study", action="store_true", help="measure what windows of one's own give")
    add("--data", type=Path, metavar="DIR", help=sets)
    add("--work", type=Path, metavar="DIR", help="with --study: keeps held-out answers")
    add("--draws", type=whole(1), default=20, help="with --study: of each person (%(default)s)")
    add("--seed", type=whole(), default=0, help="with --study: of the draws")


def run(args: argparse.Namespace) -> int:
    """Personalise, or measure what it gives."""
    return _study(args) if args.study else _personalise(args)


def _personalise(args: argparse.Namespace) -> int:
    if args.recording is None or args.segments is None or args.out is None:
        raise ParameterError("give a recording, --segments and --out; or --study and --data")
    from emostress_ros.evaluation.personal_segments import read_segments
    from emostress_ros.evaluation.personalise import own_windows, write_personal

    windows = own_windows(args.recording, read_segments(args.segments), args.model, args.person)
    facts = write_personal(windows, args.model, args.out, method=args.method)
    print(
        f"{args.out}: {facts['base']} with {args.method} of {facts['windows']} windows, "
        f"{facts['stressed']} of them stressed"
    )
    after = facts.get("accuracy_left_one_out")
    if after is not None:
        print(
            f"right before: {facts['accuracy_before']:.0%}, each window left out of its own "
            f"adaptation: {after:.0%}"
        )
    return 0


def _study(args: argparse.Namespace) -> int:
    if args.data is None:
        raise ParameterError("--study needs --data, the folder with segments.csv")
    with needs_extra():
        from emostress_ros.training.personalisation_page import study

        print(study(args.data, args.out or Path("docs/studies"), args.work, args.draws, args.seed))
    return 0
