"""What `emostress figures` prints: every figure beside what was found, a summary, and a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table

from emostress_ros.evaluation.card_figures import Outcome


def table(outcomes: Iterable[Outcome]) -> Table:
    """Return every value of every figure beside what was found."""
    values = Table("model", "on", "figure", "card", "found", "difference", "holds")
    for outcome in outcomes:
        inside = f"\n{' '.join(outcome.claim.part)}" if outcome.claim.part else ""
        where = f"{outcome.claim.dataset}\n{outcome.claim.split}{inside}"
        names = (outcome.claim.model, where)
        if not outcome.checks:
            reason = "not run" if outcome.skipped else "see below"
            values.add_row(*names, reason, "", "", "", _mark(outcome.holds))
        else:
            # One row a figure, one line a value: the split stands there but once.
            values.add_row(
                *names, *("\n".join(cell) for cell in zip(*_cells(outcome), strict=True))
            )
        values.add_section()
    return values


def _cells(outcome: Outcome) -> Iterable[tuple[str, ...]]:
    for check in outcome.checks:
        values = (f"{check.card:.4g}", f"{check.found:.4g}", f"{check.difference:+.4f}")
        yield (check.name, *values, _mark(check.holds))


def _mark(holds: bool) -> str:
    return "yes" if holds else "[bold red]NO[/]"


def summary(outcomes: Sequence[Outcome]) -> Table:
    """Return, for each model, how many figures hold, how many not, and how long they took."""
    counts = Table(title="figures of the cards")
    counts.add_column("model", no_wrap=True)
    for name in ("n", "hold", "do not", "not run", "kept", "min"):
        counts.add_column(name, justify="right")
    models = list(dict.fromkeys(outcome.claim.model for outcome in outcomes))
    for name in models:
        counts.add_row(name, *_counted([o for o in outcomes if o.claim.model == name]))
    if len(models) > 1:
        counts.add_section()
        counts.add_row("all", *_counted(outcomes))
    return counts


def _counted(outcomes: Sequence[Outcome]) -> tuple[str, ...]:
    number = _numbers(outcomes)
    # Several figures of a model share a command, which is run once.
    took = {(o.claim.model, o.claim.command): o.seconds for o in outcomes}
    return (
        str(len(outcomes)), *(str(number[what]) for what in number),
        str(sum(outcome.kept for outcome in outcomes)), f"{sum(took.values()) / 60:.1f}",
    )  # fmt: skip


def _place(outcome: Outcome) -> str:
    claim = outcome.claim
    inside = f" ({' '.join(claim.part)})" if claim.part else ""
    names = ", ".join(check.name for check in outcome.checks if not check.holds)
    where = f"{claim.model} on {claim.dataset}, {claim.split}{inside}"
    return f"does not hold: {where}: {names or outcome.problem}"


def _numbers(outcomes: Sequence[Outcome]) -> Mapping[str, int]:
    return {
        "hold": sum(o.holds and not o.skipped for o in outcomes),
        "do not hold": sum(not o.holds for o in outcomes),
        "were not run": sum(o.skipped for o in outcomes),
    }


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return which figures do not hold, and how many do."""
    wrong = [_place(outcome) for outcome in outcomes if not outcome.holds]
    count = _numbers(outcomes)
    line = "figures: " + ", ".join(f"{number} {what}" for what, number in count.items())
    return "\n".join([*wrong, line])
