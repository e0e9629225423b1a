"""Run the command behind every figure of every model card again, and say which figures hold.

``--data`` holds ``face/`` (FER2013), ``voice/ravdess``, ``voice/tess``, ``physiology/`` (with
``wesad``, ``stress_predict`` and ``segments.csv``) and ``text/`` (``goemotions``, ``meld``,
``dreaddit``), each in its official layout. The exit status is 1 if a figure does not hold.

In ``--work`` every score is kept as soon as it is there, so that a run that was stopped goes on
where it was; how many figures rest on such scores is told at the end.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import NoReturn

from rich.console import Console

from emostress_ros.cli import figures_table
from emostress_ros.cli import score as scoring
from emostress_ros.cli.models import installed
from emostress_ros.errors import EmostressError, ParameterError
from emostress_ros.evaluation.card_figures import Claim, Outcome, claims, compare, score_words
from emostress_ros.evaluation.kept_scores import Kept, KeptScores, key_of
from emostress_ros.metrics import Score
from emostress_ros.training.devices import use
from emostress_ros.training.options import add_device


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
    add_device(parser)


def run(args: argparse.Namespace) -> int:
    """Run, print, and return 1 if a figure does not hold."""
    use(args.device)
    runner = Runner(args.data, args.work, quiet=args.json)
    scores = Scores(runner, KeptScores(args.work))
    asked = chosen(args.only)
    outcomes = []
    for number, claim in enumerate(asked, start=1):
        outcomes.append(_outcome(claim, scores, quick=args.quick))
        if not args.json and (number == len(asked) or asked[number].command != claim.command):
            wrong = sum(not outcome.holds for outcome in outcomes)
            line = f"  {number} of {len(asked)} figures, {wrong} do not hold"
            print(line, file=sys.stderr, flush=True)
    if args.json:
        print(json.dumps([outcome.to_json_dict() for outcome in outcomes], indent=1))
    else:
        Console().print(figures_table.table(outcomes))
        Console().print(figures_table.summary(outcomes))
        Console().print(figures_table.verdict(outcomes), highlight=False, markup=False)
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
        words = self.words(claim)
        if words not in self._done:
            self._done[words] = self._run(words)
        done = self._done[words]
        if isinstance(done, EmostressError):
            raise done
        return done

    def words(self, claim: Claim) -> tuple[str, ...]:
        """Return the arguments of ``emostress score`` that are run for a claim.

        Raises:
            EmostressError: its command is none.
        """
        words = tuple(score_words(claim, self._data))
        args = _parser().parse_args(words)
        if args.protocol == scoring.SHIPPED and not args.model:
            return (*words, "--model", str(claim.folder))
        return words

    def _run(self, words: tuple[str, ...]) -> Score | EmostressError:
        args = _parser().parse_args(words)
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


class Scores:
    """The scores of figures: kept ones where they are still right, run and kept where not.

    Args:
        runner: runs what is not kept.
        kept: of earlier runs.
    """

    def __init__(self, runner: Runner, kept: KeptScores) -> None:
        self._runner, self._kept = runner, kept
        self._ran: set[str] = set()

    def find(self, claim: Claim) -> tuple[Kept, bool]:
        """Return the score of a claim's command, and whether an earlier run kept it.

        Raises:
            EmostressError: the command cannot be run.
        """
        words = self._runner.words(claim)
        # A fusion reads every shipped model, the others their own alone.
        read = [card.folder for card in installed()] if words[0] == "fusion" else []
        key = key_of(words, {claim.folder, *read})
        there = self._kept.find(key)
        if there:
            return there, key not in self._ran
        started = time.monotonic()
        score = self._runner.score(claim).to_json_dict()
        found = Kept(score, time.monotonic() - started)
        self._ran.add(key)
        self._kept.keep(key, " ".join(words), found)
        return found, False


class _Parser(argparse.ArgumentParser):
    """Refuses a card's command with our own error rather than by leaving."""

    def error(self, message: str) -> NoReturn:
        raise ParameterError(f"the command of a figure: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(add_help=False)
    scoring.add_arguments(parser)
    return parser


def _outcome(claim: Claim, scores: Scores, *, quick: bool) -> Outcome:
    if quick and claim.trains:
        return Outcome(claim, skipped=True)
    try:
        found, kept = scores.find(claim)
        return Outcome(claim, compare(claim, found.score), seconds=found.seconds, kept=kept)
    except EmostressError as error:
        return Outcome(claim, problem=str(error))
