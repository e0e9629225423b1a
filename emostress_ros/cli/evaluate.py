"""Evaluate the graph on labelled bags: an HTML report that stands alone, and a JSON beside it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from emostress_ros.errors import ParameterError

if TYPE_CHECKING:
    from emostress_ros.evaluation.evaluate.evaluation import Evaluation
    from emostress_ros.evaluation.evaluate.job import Job
    from emostress_ros.evaluation.evaluate.labels import Label
    from emostress_ros.evaluation.evaluate.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add = parser.add_argument
    add("bags", type=Path, nargs="+", metavar="BAG", help="rosbag2 folder, .mcap or .db3")
    truth = parser.add_mutually_exclusive_group(required=True)
    columns = "CSV: bag, person, start_s, end_s, and emotion, stress, valence, arousal"
    truth.add_argument("--labels", type=Path, metavar="CSV", help=columns)
    segments = "segments.csv of WESAD and Stress-Predict, for bags called wesad_S2 and the like"
    truth.add_argument("--segments", type=Path, metavar="CSV", help=segments)
    add("-o", "--out", type=Path, default=Path("evaluation"), metavar="DIR", help="(evaluation)")
    add("--title", default="Evaluation on labelled bags", help="heading of the report")
    add("--remap", metavar="YAML", help="which topic is what; a file, or 'biosensors'")
    add("--config-file", type=Path, metavar="YAML", help="parameter file of the nodes")
    model = "another model: face, voice, physiology, physiology_rest, text or fusion = folder or "
    model += "name; {bag} stands for the bag's name; may be repeated"
    add("--model", action="append", default=[], metavar="SENSE=MODEL", type=_pair, help=model)
    rest = "read physiology against the first 120 s of each person's first unstressed label, and "
    rest += "show what that gains (none)"
    add("--baseline", choices=("none", "rest"), default="none", help=rest)
    before = "read them against the rest in another bag, recorded before; {bag} stands for the name"
    add("--rest-bag", default="", metavar="BAG", help=before)
    add("--every", type=float, default=1.0, metavar="S", help="time between scored moments (1)")
    settle = "score nothing so soon after a label begins, such as a window's length (0)"
    add("--settle", type=float, default=0.0, metavar="S", help=settle)
    add("--quick", action="store_true", help="neither ablation nor sweeps")
    add("--no-noise", action="store_true", help="no noise sweep, which encodes again")
    add("--seed", type=int, default=0, help="of the noise (0)")
    add("--engine", choices=("serial", "process", "ray"), default="serial", help="(serial)")
    add("--workers", type=int, default=0, metavar="N", help="bags at once (one a core)")
    add("--resume", action="store_true", help="take results of bags that are there already")
    add("--live", action="store_true", help="also run the real graph on every bag, in real time")
    add("--pictures", action="store_true", help="also write the report's pictures as files")


def run(args: argparse.Namespace) -> int:
    """Evaluate; 0 when every bag could be, 1 when one could not."""
    from emostress_ros.evaluation.evaluate.evaluation import evaluate
    from emostress_ros.evaluation.evaluate.page import write_page

    if args.workers < 0:
        raise ParameterError(f"--workers must be >= 0; got {args.workers}")
    if args.live and args.model:
        raise ParameterError("--live takes other models from --config-file, not from --model")
    settings = _settings(args)
    labels = _labels(args)
    with _Bars(args.bags) as bars:
        evaluation = evaluate(
            args.bags, labels, args.out, settings, engine=args.engine, workers=args.workers,
            resume=args.resume, progress=bars.update,
        )  # fmt: skip
    live = None
    if args.live:
        from emostress_ros.cli.evaluate_live import evaluate_live

        live = evaluate_live(args.bags, args.out, settings, evaluation, args.config_file)
    if evaluation.results:
        page = write_page(evaluation, args.out, title=args.title, pictures=args.pictures, live=live)
        print(page)
    return _tell(evaluation)


def _settings(args: argparse.Namespace) -> Settings:
    from emostress_ros.evaluation.evaluate import settings as s
    from emostress_ros.evaluation.evaluate.routes import NO_REMAP, read_remap

    parameters = s.with_models(s.read_parameters(args.config_file), dict(args.model))
    return s.Settings(
        parameters=parameters,
        remap=read_remap(args.remap) if args.remap else NO_REMAP,
        baseline=args.baseline,
        rest_bag=args.rest_bag,
        every_s=args.every,
        settle_s=args.settle,
        ablation=not args.quick,
        offsets_ms=() if args.quick else s.OFFSETS_MS,
        noise_levels=() if args.quick or args.no_noise else s.NOISE_LEVELS,
        seed=args.seed,
    )


def _labels(args: argparse.Namespace) -> list[Label]:
    from emostress_ros.evaluation.evaluate.labels import read_labels, read_segments

    return read_labels(args.labels) if args.labels else read_segments(args.segments)


def _tell(evaluation: Evaluation) -> int:
    from rich.console import Console
    from rich.markup import escape

    console = Console(stderr=True)
    if evaluation.reused:
        console.print(f"taken from before: {', '.join(evaluation.reused)}", markup=False)
    for bag, reason in sorted(evaluation.failures.items()):
        said = f"[red]{escape(str(bag))}[/] could not be evaluated: {escape(reason)}"
        console.print(said, highlight=False, soft_wrap=True)
    return 1 if evaluation.failures else 0


class _Bars:
    """A bar for the whole, and one for each bag that is at work."""

    def __init__(self, bags: Sequence[Path]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
        from rich.progress import TimeRemainingColumn as Remaining

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), Remaining())
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._whole = self._bar.add_task("bags", total=len(bags))
        self._tasks: dict[str, int] = {}
        self._shares: dict[str, float] = {}

    def __enter__(self) -> _Bars:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, job: Job, share: float) -> None:
        """Show how far a bag is."""
        if job.name not in self._tasks:
            self._tasks[job.name] = self._bar.add_task(f"  {job.name}", total=1.0)
        self._shares[job.name] = share
        self._bar.update(self._tasks[job.name], completed=share)  # type: ignore[arg-type]
        self._bar.update(self._whole, completed=sum(self._shares.values()))
        if share >= 1.0:
            self._bar.remove_task(self._tasks[job.name])  # type: ignore[arg-type]


def _pair(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    if not (name and equals and model):
        raise argparse.ArgumentTypeError(f"need SENSE=MODEL; got '{text}'")
    return name, model
