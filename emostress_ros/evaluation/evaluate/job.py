"""One bag, from its messages to its result.

The senses work once; what is tried after redoes only the alignment and the fusion. Corruptions, and
a run without the baseline, need one sense again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emostress_ros import __version__
from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import DatasetError, ModelError
from emostress_ros.evaluation.bags.reader import BagInfo, bag_info
from emostress_ros.evaluation.evaluate import playback
from emostress_ros.evaluation.evaluate.dynamics import changes_per_minute, onsets
from emostress_ros.evaluation.evaluate.items import HOLD_S, Answers, Moments, answers, moments
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.noise import Corruption
from emostress_ros.evaluation.evaluate.playback import Played, play
from emostress_ros.evaluation.evaluate.rests import rest_bag, rests_of
from emostress_ros.evaluation.evaluate.result import ALL, FORMAT, WITHOUT_REST, BagResult
from emostress_ros.evaluation.evaluate.routes import MODALITY_OF, Route
from emostress_ros.evaluation.evaluate.senses import (
    SENSES,
    Heard,
    Hearing,
    Rest,
    hear,
    routes,
    zero_ns,
)
from emostress_ros.evaluation.evaluate.settings import MODELS, Settings, bag_name
from emostress_ros.evaluation.evaluate.states import States
from emostress_ros.inference import ModelCard

Tick = Callable[[float], None]
_DRAWN = 3000  # states of a bag that are kept for drawing


@dataclass(frozen=True)
class Job:
    """One bag to be evaluated; it can be sent to another process.

    Attributes:
        bag: the bag.
        labels: of this bag.
        settings: how.
    """

    bag: Path
    labels: tuple[Label, ...]
    settings: Settings

    @property
    def name(self) -> str:
        """The bag's name, by which labels call it."""
        return bag_name(self.bag)

    def fingerprint(self) -> str:
        """Of all that the result depends on; a bag is told by its files' names, sizes and times.

        Raises:
            BagError: the bag cannot be read.
        """
        stats = [*_stats(self.bag), *_stats(rest_bag(self.bag, self.settings))]
        told = {
            "format": FORMAT, "version": __version__, "files": stats, "models": self._models(),
            "labels": [asdict(label) for label in self.labels],
            "settings": self.settings.describe(),
        }  # fmt: skip
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    def _models(self) -> dict[str, str]:
        found = {}
        used = {"fusion", *(MODALITY_OF[x.role] for x in routes(self.bag, self.settings))}
        for name, (sense, parameter) in MODELS.items():
            if sense not in used:
                continue
            model = getattr(self.settings.config(sense, self.name), parameter)
            try:
                card = ModelCard.load(model) if model else None
            except ModelError:  # said when the bag is evaluated
                card = None
            found[name] = f"{card.identifier} {card.sha256}" if card else ""
        return found


def _stats(bag: Path | None) -> list[tuple[str, int, int]]:
    """Names, sizes and times of a bag's files; none without a bag."""
    if bag is None:
        return []
    files = sorted(bag.rglob("*")) if bag.is_dir() else [bag]
    return [(x.name, x.stat().st_size, x.stat().st_mtime_ns) for x in files if x.is_file()]


def evaluate_bag(job: Job, tick: Tick | None = None) -> BagResult:
    """Evaluate one bag.

    Args:
        job: what and how.
        tick: told how much of the work is done, [0, 1].

    Raises:
        BagError, DatasetError, ModelError, ParameterError: the bag, its labels, a model or a
            setting cannot be used.
    """
    began = time.perf_counter()
    work = _Work(job, tick or (lambda share: None))
    result = work.run()
    seconds = time.perf_counter() - began
    recorded = result.facts["duration_s"]
    result.timing |= {
        "seconds": seconds,
        "main_run_times_faster_than_real_time": recorded / max(1e-9, work.main_s),
    }
    return result


class _Work:
    """The evaluation of one bag, step by step."""

    def __init__(self, job: Job, tick: Tick) -> None:
        self.job, self.settings = job, job.settings
        self.info: BagInfo = bag_info(job.bag)
        self.routes: list[Route] = routes(job.bag, self.settings)
        self.zero_ns = zero_ns(job.bag, self.routes)
        self.fusion = self.settings.config("fusion", job.name)
        self.rests = rests_of(job.bag, job.labels, self.settings, self.zero_ns)
        self._unrested: list[dict[str, Any]] = []
        self.main_s = 0.0
        self._tick, self._passes, self._done = tick, 1, 0

    def run(self) -> BagResult:
        """Hear, fuse, try, and gather."""
        corruptions = [
            (sense, level)
            for sense in SENSES
            if sense in {MODALITY_OF[x.role] for x in self.routes}
            for level in self.settings.noise_levels
        ]
        self._passes = 2 + len(corruptions) + bool(self.rests)
        began = time.perf_counter()
        hearing = self._hear(self.routes, self.rests)
        merged = playback.merge(hearing.heard)
        played = play(merged, self.fusion, self.info.end_ns, self.rests)
        self.main_s = time.perf_counter() - began
        asked = self._moments()
        runs = {ALL: self._answers(played.states, asked)}
        heard = playback.owned(merged, played.owners, self.fusion.default_person)
        for name, tried in self._tries(hearing, heard):
            runs[name] = self._fused(tried, asked, self.rests)
        if self.rests:
            unread = self._again(hearing, "physiology", None, ())
            unrested = play(unread, self.fusion, self.info.end_ns).states
            runs[WITHOUT_REST] = self._answers(unrested, asked)
            self._unrested = onsets(unrested, self.job.labels, self.zero_ns)
        for sense, level in corruptions:
            spoilt = self._again(hearing, sense, Corruption(level, self.settings.seed), self.rests)
            runs[f"noise:{sense}:{level}"] = self._fused(spoilt, asked, self.rests)
        return self._result(hearing, played, asked, runs)

    def _moments(self) -> Moments:
        unscored = {
            x.person: (x.start_ns, x.start_ns + round(x.duration_s * NANOSECONDS))
            for x in self.rests
            if not x.kept
        }
        asked = moments(
            self.job.labels, self.zero_ns, self.info.end_ns, every_s=self.settings.every_s,
            settle_s=self.settings.settle_s, unscored=unscored,
        )  # fmt: skip
        if not len(asked):
            raise DatasetError(
                f"{self.job.name}: no label covers a moment of its {self.info.duration_s:.1f} s; "
                f"the labels begin at {self.job.labels[0].start_s:g} s"
            )
        return asked

    def _hear(
        self, chosen: Sequence[Route], rests: Sequence[Rest], corruption: Corruption | None = None
    ) -> Hearing:
        done = self._done

        def tick(share: float) -> None:
            self._tick((done + share) / self._passes)

        hearing = hear(
            self.job.bag, chosen, self.settings, rests=rests, corruption=corruption, tick=tick
        )
        self._done += 1
        return hearing

    def _again(
        self, hearing: Hearing, sense: str, corruption: Corruption | None, rests: Sequence[Rest]
    ) -> list[Heard]:
        """All embeddings, those of one sense made anew."""
        chosen = [route for route in self.routes if MODALITY_OF[route.role] == sense]
        if not chosen:
            return playback.merge(hearing.heard)
        anew = self._hear(chosen, rests, corruption).heard
        return playback.merge({**hearing.heard, **anew})

    def _tries(
        self, hearing: Hearing, heard: Sequence[Heard]
    ) -> Iterator[tuple[str, Sequence[Heard]]]:
        """What is tried on the embeddings as they are."""
        present = [sense for sense, items in hearing.heard.items() if items]
        if self.settings.ablation and len(present) > 1:
            for size in range(1, len(present) + 1):
                for subset in itertools.combinations(present, size):
                    yield f"subset:{'+'.join(subset)}", playback.only(heard, subset)
        if {"face", "voice"} <= set(present):
            for offset_ms in self.settings.offsets_ms:
                yield f"offset:{offset_ms}", playback.shifted(heard, "voice", offset_ms)

    def _fused(self, heard: Sequence[Heard], asked: Moments, rests: Sequence[Rest]) -> Answers:
        played = play(heard, self.fusion, self.info.end_ns, rests)
        return self._answers(played.states, asked)

    def _answers(self, states: States, asked: Moments) -> Answers:
        return answers(states, asked, max(HOLD_S, 2.5 / self.fusion.rate_hz))

    def _result(
        self, hearing: Hearing, played: Played, asked: Moments, runs: dict[str, Answers]
    ) -> BagResult:
        states = played.states
        new = np.r_[True, np.diff(states.stamp_ns) > 0] if len(states) else np.zeros(0, bool)
        thin = max(1, -(-len(states) // _DRAWN))
        return BagResult(
            self.job.name,
            self.job.fingerprint(),
            self._facts(hearing, played, asked),
            {"seconds_by_sense": dict(sorted(hearing.seconds.items()))},
            asked,
            runs,
            states.chosen(np.arange(0, len(states), thin)),
            # A chunk is recorded with its last sample, a hair before the end that its stamp says.
            (np.maximum(0, states.at_ns - states.stamp_ns)[new] / 1e6).astype(np.float32),
        )

    def _facts(self, hearing: Hearing, played: Played, asked: Moments) -> dict[str, Any]:
        models = {
            sense: sorted({item.embedding.model for item in items})
            for sense, items in hearing.heard.items()
        }
        unused = {name: kind for name, kind in self.info.topics.items() if name not in hearing.used}
        return {
            "duration_s": self.info.duration_s,
            "zero_ns": self.zero_ns,
            "moments": len(asked),
            "messages": dict(sorted(hearing.used.items())),
            "messages_in_bag": {x: self.info.counts[x] for x in sorted(hearing.used)},
            "topics_not_used": dict(sorted(unused.items())),
            "rejected": {x: dict(sorted(y.items())) for x, y in sorted(hearing.rejected.items())},
            "recording_time_used_as_stamp": dict(sorted(hearing.unstamped.items())),
            "embeddings": {sense: len(items) for sense, items in hearing.heard.items()},
            "models": {sense: names for sense, names in models.items() if names},
            "fusion": self.fusion.model,
            "fusion_counts": dict(sorted(Counter(played.counts).items())),
            "people": list(played.states.people),
            "states": len(played.states),
            "states_using": played.states.used(),
            "changes": changes_per_minute(played.states),
            "onsets": onsets(played.states, self.job.labels, self.zero_ns),
            "onsets_without_rest": self._unrested,
            "labels": [self._label(label) for label in self.job.labels],
            "rest": [
                {
                    "person": x.person,
                    "start_ns": x.start_ns,
                    "duration_s": x.duration_s,
                    "kept": sorted(x.kept),
                }
                for x in self.rests
            ],
        }

    def _label(self, label: Label) -> dict[str, Any]:
        start_ns, end_ns = label.between_ns(self.zero_ns)
        times = {
            "start_s": (start_ns - self.zero_ns) / NANOSECONDS,
            "end_s": (end_ns - self.zero_ns) / NANOSECONDS,
        }
        values = {name: getattr(label, name) for name in label.states}
        return {"person": label.person, **times, **values}
