"""Times several contestants turn by turn in one process."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_STAT = Path("/proc/stat")
_STEAL = 7  # of user, nice, system, idle, iowait, irq, softirq, steal; guests are in user
_ROUND_S = 0.004  # shortest round: thousands of ticks of the clock
_LEAST_ROUNDS, _MOST_ROUNDS = 5, 200


@dataclass(frozen=True)
class Times:
    """What one contestant took, milliseconds a call: one value a round."""

    rounds_ms: tuple[float, ...]

    @property
    def min(self) -> float:
        """The round least disturbed."""
        return min(self.rounds_ms)

    @property
    def median(self) -> float:
        """The usual round."""
        return statistics.median(self.rounds_ms)

    @property
    def max(self) -> float:
        """The worst round."""
        return max(self.rounds_ms)

    def to_json(self) -> dict[str, float]:
        """Return the figures of the table."""
        shown = {"min_ms": self.min, "median_ms": self.median, "max_ms": self.max}
        return {name: round(value, 5) for name, value in shown.items()} | {
            "rounds": len(self.rounds_ms)
        }


def interleave(
    contestants: Mapping[str, Callable[[], object]],
    seconds: float,
    clock: Callable[[], int] = time.process_time_ns,
) -> dict[str, Times]:
    """Time each contestant in turn, round after round, in an order that is drawn for each round.

    Whoever runs behind a large one finds the caches cold; drawn orders share that out.

    The clock is the processor time of this process: what else runs on the machine costs nothing,
    and a peer that starts threads of its own pays for them. In one thread on an idle machine it
    is the time on the wall.

    Args:
        contestants: name to what is timed; each is called once before, unmeasured.
        seconds: how long all of it may take, about.
        clock: nanoseconds.
    """
    calls = {name: _calls_a_round(run, clock) for name, run in contestants.items()}
    rounds: dict[str, list[float]] = {name: [] for name in contestants}
    order = random.Random(0)
    end = time.monotonic() + seconds
    gc.collect()
    gc.disable()
    try:
        for number in range(_MOST_ROUNDS):
            if number >= _LEAST_ROUNDS and time.monotonic() > end:
                break
            for name in order.sample(list(contestants), len(contestants)):
                run = contestants[name]
                began = clock()
                for _ in range(calls[name]):
                    run()
                rounds[name].append((clock() - began) / 1e6 / calls[name])
    finally:
        gc.enable()
    return {name: Times(tuple(values)) for name, values in rounds.items()}


def ratios(ours: Times, peer: Times) -> tuple[float, float, float]:
    """Return min, median and max over the rounds of what the peer took over what ours took."""
    pairs = [theirs / own for own, theirs in zip(ours.rounds_ms, peer.rounds_ms, strict=True)]
    return min(pairs), statistics.median(pairs), max(pairs)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value under which a share of the values lies, [0, 1]."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Stolen:
    """How much of a virtual machine's time its host gives to others, from now on.

    A latency that no program on the machine can explain may have its cause there.

    Args:
        stat: Linux' account of all processors together.
    """

    def __init__(self, stat: Path = _STAT) -> None:
        self._stat = stat
        self._before = _ticks(stat)

    def percent(self) -> float | None:
        """Return the share since the start, of all processors' time; None where nobody tells."""
        after = _ticks(self._stat)
        if self._before is None or after is None:
            return None
        stolen, everything = (now - then for now, then in zip(after, self._before, strict=True))
        return 100 * stolen / max(1, everything)

    def __str__(self) -> str:
        share = self.percent()
        if share is None:
            return "what the host took away is not told here"
        return f"the host took {share:.1f} % of the machine's time away"


def _ticks(stat: Path) -> tuple[int, int] | None:
    """Return the stolen ticks and all ticks since the machine started."""
    try:
        name, *ticks = stat.read_text(encoding="ascii").partition("\n")[0].split()
        counts = [int(tick) for tick in ticks[: _STEAL + 1]]
    except (OSError, ValueError):
        return None
    # Kernels before 2.6.11 do not count it.
    return (counts[_STEAL], sum(counts)) if name == "cpu" and len(counts) > _STEAL else None


def _calls_a_round(run: Callable[[], object], clock: Callable[[], int]) -> int:
    run()
    began = clock()
    run()
    return max(1, int(_ROUND_S * 1e9 / max(1, clock() - began)))
