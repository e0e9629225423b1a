"""Run the command behind every figure of every model card again, and say which figures hold.

``--data`` holds ``face/`` (FER2013), ``voice/ravdess``, ``voice/tess``, ``physiology/`` (with
``wesad``, ``stress_predict`` and ``segments.csv``) and ``text/`` (``goemotions``, ``meld``,
``dreaddit``), each in its official layout. The exit status is 1 if a figure does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from rich.console import Console
from rich.table import Table

from emostress_ros.cli import score as scoring
from emostress_ros.cli.models import installed
from emostress_ros.errors import EmostressError, ParameterError
from emostress_ros.evaluation.card_figures import Check, Claim, claims, compare, score_words
from emostress_ros.metrics import Score


@dataclass(frozen=True)
class Outcome:
    """What became of one figure.

    Attributes:
        claim: of the card.
        checks: value by value; empty where nothing came of the command.
        problem: why nothing came of it; empty when something did.
        skipped: left out, as only quick ones were asked for.
    """

    claim: Claim
    checks: list[Check] = field(default_factory=list)
    problem: str = ""
    skipped: bool = False

    @property
    def holds(self) -> bool:
        """Whether every value was found again."""
        return self.skipped or (not self.problem and all(check.holds for check in self.checks))

    def to_json_dict(self) -> dict[str, Any]:
        """Return plain values."""
        values = {
            check.name: {
                "card": check.card,
                "found": check.found if check.found == check.found else None,
                "holds": check.holds,
            }
            for check in self.checks
        }
        claim = self.claim
        return {
            "model": claim.model, "dataset": claim.dataset, "split": claim.split,
            "part": list(claim.part), "command": claim.command, "values": values,
            "problem": self.problem, "skipped": self.skipped, "holds": self.holds,
        }  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_selection(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON list, nothing else")


def add_selection(parser: argparse.ArgumentParser) -> None:
    """Declare which figures are run and on what."""
    parser.add_argument("--data", type=Path, required=True, help="the folder of all data sets")
    parser.add_argument("--only", help="models, comma-separated; all where it is not given")
    parser.add_argument(
        "--quick", action="store_true", help="leave out commands that train (--protocol)"
    )
    parser.add_argument("--work", type=Path, help="folder in which trainings are kept and resumed")


def run(args: argparse.Namespace) -> int:
    """Run, print, and return 1 if a figure does not hold."""
    runner = Runner(args.data, args.work, quiet=args.json)
    outcomes = [_outcome(claim, runner, quick=args.quick) for claim in chosen(args.only)]
    if args.json:
        print(json.dumps([outcome.to_json_dict() for outcome in outcomes], indent=1))
    else:
        Console().print(_table(outcomes))
        Console().print(_verdict(outcomes), highlight=False, markup=False)
    return 0 if all(outcome.holds for outcome in outcomes) else 1


def chosen(only: str | None) -> list[Claim]:
    """Return the figures of all installed models, or of those that are named.

    Raises:
        ParameterError: a name that is not installed.
    """
    cards = {card.name: card for card in reversed(list(installed()))}
    names = [name.strip() for name in only.split(",")] if only else sorted(cards)
    unknown = [name for name in names if name not in cards]
    if unknown:
        raise ParameterError(
            f"--only must name models of {', '.join(sorted(cards))}; got {', '.join(unknown)}"
        )
    return [claim for name in names for claim in claims(cards[name])]


class Runner:
    """Runs the commands of figures, each once however many figures share it.

    Args:
        data: folder of all data sets.
        work: folder in which a protocol keeps what it trains.
        quiet: show no progress.
    """

    def __init__(self, data: Path, work: Path | None, *, quiet: bool = False) -> None:
        self._data, self._work, self._quiet = data, work, quiet
        self._done: dict[tuple[str, ...], Score | EmostressError] = {}

    def score(self, claim: Claim) -> Score:
        """Return the score that a claim's command gives.

        Raises:
            EmostressError: the command cannot be run, now or the first time.
        """
        words = tuple(score_words(claim, self._data))
        args = _parser().parse_args(words)
        if args.protocol == scoring.SHIPPED and not args.model:
            args.model = str(claim.folder)
            words = (*words, "--model", args.model)
        if words not in self._done:
            self._done[words] = self._run(words, args)
        done = self._done[words]
        if isinstance(done, EmostressError):
            raise done
        return done

    def _run(self, words: tuple[str, ...], args: argparse.Namespace) -> Score | EmostressError:
        args.json = self._quiet
        started = time.monotonic()
        self._say(f"emostress score {' '.join(words)}")
        try:
            result: Score | EmostressError = scoring.compute(args, offered_work=self._work)
        except EmostressError as error:
            result = error
        self._say(f"  {time.monotonic() - started:.0f} s")
        return result

    def _say(self, text: str) -> None:
        if not self._quiet:
            print(text, file=sys.stderr, flush=True)


class _Parser(argparse.ArgumentParser):
    """Refuses a card's command with our own error rather than by leaving."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"the command of a figure: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False)
    scoring.add_arguments(parser)
    return parser


def _outcome(claim: Claim, runner: Runner, *, quick: bool) -> Outcome:
    if quick and claim.trains:
        return Outcome(claim, skipped=True)
    try:
        return Outcome(claim, compare(claim, runner.score(claim).to_json_dict()))
    except EmostressError as error:
        return Outcome(claim, problem=str(error))


def _table(outcomes: Iterable[Outcome]) -> Table:
    table = Table("model", "on", "figure", "card", "found", "difference", "holds")
    for outcome in outcomes:
        inside = f"\n{' '.join(outcome.claim.part)}" if outcome.claim.part else ""
        where = f"{outcome.claim.dataset}\n{outcome.claim.split}{inside}"
        names = (outcome.claim.model, where)
        if not outcome.checks:
            reason = "not run" if outcome.skipped else "see below"
            table.add_row(*names, reason, "", "", "", _mark(outcome.holds))
        else:
            # One row a figure, one line a value: the split stands there but once.
            table.add_row(*names, *("\n".join(cell) for cell in zip(*_cells(outcome), strict=True)))
        table.add_section()
    return table


def _cells(outcome: Outcome) -> Iterable[tuple[str, ...]]:
    for check in outcome.checks:
        values = (f"{check.card:.4g}", f"{check.found:.4g}", f"{check.difference:+.4f}")
        yield (check.name, *values, _mark(check.holds))


def _mark(holds: bool) -> str:
    return "yes" if holds else "[bold red]NO[/]"


def _verdict(outcomes: Sequence[Outcome]) -> str:
    problems = {outcome.problem: None for outcome in outcomes if outcome.problem}
    count: Mapping[str, int] = {
        "hold": sum(o.holds and not o.skipped for o in outcomes),
        "do not hold": sum(not o.holds for o in outcomes),
        "were not run": sum(o.skipped for o in outcomes),
    }
    summary = "figures: " + ", ".join(f"{number} {what}" for what, number in count.items())
    return "\n".join([*problems, summary])
