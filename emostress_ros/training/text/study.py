"""``emostress study text``: architectures on three sets, with people or posts apart and not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from emostress_ros.training.study import Entry, Shelf, Study, StudyOptions
from emostress_ros.training.text.architectures import ARCHITECTURES, Bench
from emostress_ros.training.text.protocol import SHIPPED, judge, make_bench
from emostress_ros.training.text.tasks import Division, load_task

TITLES = {"goemotions": "GoEmotions (Ekman)", "dreaddit": "Dreaddit", "meld": "MELD"}
QUICK_TEXTS = 1500
DRAWN = {"goemotions": 20000}
"""Texts of a set that the architectures share, all of dev among them, where it has many more."""
FINETUNED: dict[str, tuple[str, ...]] = {
    "goemotions": ("official", "random"),
    "dreaddit": ("folds", "random"),
    "meld": ("folds", "random", "official"),
}
"""Set to the divisions in which the encoder is fine-tuned: 75 minutes of one idle core together.

``emostress score text SET DIR --protocol NAME`` does it under any of the others."""
_SPLITS = (
    "Texts of one label each; of GoEmotions all of dev and, but for the fine-tuned encoder, which "
    "learns from all, 15,000 comments of train. Of MELD's divisions the fine-tuned encoder learns "
    "MELD alone, but GoEmotions besides for the official one. GoEmotions and Dreaddit do not tell "
    "who wrote a text, so people cannot be kept apart for certain: *groups apart* keeps MELD's "
    "speakers, and Dreaddit's posts or subreddits, on one side; a *random* split, and the official "
    "ones, do not. In brackets the 95 % interval of a bootstrap over speakers (MELD), posts "
    "(Dreaddit) and comments (GoEmotions)."
)


def study(options: StudyOptions) -> Study:
    """Train and compare; entry by entry, so that it goes on where it stopped.

    Raises:
        DatasetError: a set is missing or odd.
        ParameterError: a model that is not in the registry.
    """
    names = [name for name in options.chosen(tuple(ARCHITECTURES)) if name != "transformers"]
    if options.quick and not options.models:
        names.remove(SHIPPED)
    shelf = Shelf("text", options, QUICK_TEXTS if options.quick else "")
    entries = [
        entry
        for task in ("dreaddit", "meld", "goemotions")
        for entry in _entries(task, names, shelf, options)
    ]
    return Study(
        "text",
        "Text: emotion of comments and spoken lines, stress of posts",
        options.command,
        options.seed,
        "macro_f1",
        tuple(entries),
        tuple(lessons(entries)),
        apart="groups apart",
        splits=_SPLITS,
    )


def _entries(
    name: str, models: Sequence[str], shelf: Shelf, options: StudyOptions
) -> Iterator[Entry]:
    """Every model under every division of one set."""
    folder = options.data / name
    limit = QUICK_TEXTS if options.quick else DRAWN.get(name, 0)
    task = load_task(name, folder, options.seed, limit)
    bench = make_bench(task, folder, options.work / "text", options.seed)
    for protocol, division in task.divisions.items():
        for model in models:
            if model == SHIPPED and protocol not in FINETUNED[name]:
                continue
            if model == "emotions_linear" and (name != "dreaddit" or options.quick):
                continue
            make = partial(_entry, bench, division, model)
            yield shelf.entry(model, division.name, make, TITLES[name])


def _entry(bench: Bench, division: Division, model: str) -> Entry:
    found = judge(bench, division, model)
    return Entry(
        model, division.name, division.apart, found.score, found.parameters, found.seconds,
        found.curves, found.note or division.note, TITLES[bench.task.name],
    )  # fmt: skip


def lessons(entries: Sequence[Entry]) -> Iterator[str]:
    """What the comparison teaches, in sentences that carry its own figures."""
    found = {(e.dataset, e.split.split(" (")[0], e.model): e for e in entries}
    for data, apart in (("dreaddit", "by post"), ("dreaddit", "by subreddit"),
                        ("meld", "by speaker"), ("goemotions", "official dev")):  # fmt: skip
        for model in ("minilm_hidden", SHIPPED):
            kinds = ("random", "random, as large as dev")
            drawn = next((e for k in kinds if (e := found.get((TITLES[data], k, model)))), None)
            honest = found.get((TITLES[data], apart, model))
            if drawn and honest:
                yield (
                    f"{TITLES[data]}, `{model}`: {_points(drawn)} on the random split, "
                    f"{_points(honest)} {apart}: {_verdict(drawn, honest)}."
                )
    yield (
        "Who wrote a text shows in its words far less than who speaks shows in a voice: where a "
        "random split of speech flatters by tens of points, that of text flatters by about one. "
        "What decides a figure here is which texts are learnt from."
    )
    yield (
        "The official division of GoEmotions is itself a random one of comments whose writers are "
        "not told: its dev figure says nothing of unseen writers."
    )
    for data, split in (("dreaddit", "by post"), ("meld", "by speaker"),
                        ("meld", "official dev"), ("goemotions", "official dev")):  # fmt: skip
        rows = [e for m in ARCHITECTURES if (e := found.get((TITLES[data], split, m)))]
        if len(rows) > 1:
            told = ", ".join(f"`{entry.model}` {_points(entry)}" for entry in rows)
            yield f"{TITLES[data]}, {split}: {told}."


def _points(entry: Entry) -> str:
    return f"{100 * entry.score.macro_f1:.1f}"


def _verdict(drawn: Entry, honest: Entry) -> str:
    """Whether two figures differ by more than their intervals."""
    one, other = (e.score.extra.get("ci95", {}).get("macro_f1") for e in (drawn, honest))
    if not one or not other:
        return "too few to tell"
    if one[0] > other[1]:
        return "the random split flatters"
    if other[0] > one[1]:
        return "the random split is the harder one"
    return "no more apart than chance explains"
