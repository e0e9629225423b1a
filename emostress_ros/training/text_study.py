"""``emostress study text``: architectures on three sets, with people or posts apart and not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from emostress_ros.training.study import Entry, Shelf, Study, StudyOptions
from emostress_ros.training.text_architectures import ARCHITECTURES, Bench
from emostress_ros.training.text_protocol import SHIPPED, judge, make_bench
from emostress_ros.training.text_tasks import Division, load_task

TITLES = {"goemotions": "GoEmotions (Ekman)", "dreaddit": "Dreaddit", "meld": "MELD"}
QUICK_TEXTS = 1500
DRAWN = {"goemotions": 10000}
"""Texts of a set that are compared, where it has many more: the order does not change."""
FINETUNED: dict[str, tuple[str, ...]] = {
    "goemotions": ("official",),
    "dreaddit": ("folds",),
    "meld": ("official", "folds"),
}
"""Set to the divisions in which the encoder is fine-tuned: half an hour of one core each."""
_SPLITS = (
    "Texts of one label each. GoEmotions and Dreaddit do not tell who wrote a text, so people "
    "cannot be kept apart for certain: *groups apart* keeps MELD's speakers, and Dreaddit's posts "
    "or subreddits, on one side; a *random* split, and the official ones, do not. In brackets the "
    "95 % interval of a bootstrap over speakers (MELD), posts (Dreaddit) and comments "
    "(GoEmotions)."
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
    table = {(e.dataset, e.split.split(" (")[0], e.model): 100 * e.score.macro_f1 for e in entries}

    def value(data: str, split: str, model: str) -> float | None:
        return table.get((TITLES[data], split, model))

    plain, deep = "minilm_hidden", SHIPPED
    rows = [value("dreaddit", split, plain) for split in ("random", "by post", "by subreddit")]
    if None not in rows:
        drawn, post, place = rows
        yield (
            f"Dreaddit, `{plain}`: {drawn:.1f} at random, {post:.1f} with posts apart, {place:.1f} "
            "with subreddits apart. Segments of one post on both sides hardly flatter, for five "
            "posts of six give one segment; another forum with other troubles is what costs."
        )
    rows = [value("meld", split, plain) for split in ("random", "by speaker")]
    if None not in rows:
        yield (
            f"MELD, `{plain}`: {rows[0]:.1f} over random lines, {rows[1]:.1f} on speakers never "
            "read. Words carry a person's habits far less than a voice does: the random split of "
            "text flatters by points, not by the tens that it does for RAVDESS."
        )
    rows = [value("goemotions", split, plain) for split in ("random, as large as dev",
                                                           "official dev")]  # fmt: skip
    if None not in rows:
        yield (
            f"GoEmotions, `{plain}`: {rows[0]:.1f} on a random division, {rows[1]:.1f} on the "
            "official dev. The official division is itself a random one of comments, so the two "
            "agree and neither tells of unseen writers."
        )
    honest = {
        "goemotions": "official dev",
        "dreaddit": "by post",
        "meld": "by speaker",
    }
    for data, split in honest.items():
        rows = [value(data, split, model) for model in ("tfidf", "minilm_linear", plain, deep)]
        if None not in rows:
            yield (
                f"{TITLES[data]}, {split}: TF-IDF {rows[0]:.1f}, frozen MiniLM with logistic "
                f"regression {rows[1]:.1f}, with a hidden layer {rows[2]:.1f}, fine-tuned "
                f"{rows[3]:.1f}."
            )
