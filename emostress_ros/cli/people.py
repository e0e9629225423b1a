"""Show, or forget, the people whose consents and resting baselines a store keeps.

A running graph forgets a person by its ``forget_person`` services; this is for a store at rest.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from emostress_ros.errors import ParameterError
from emostress_ros.person.store import PersonStore, StoreConfig, read_key


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("store", type=Path, help="folder of the store")
    parser.add_argument("--key", type=Path, default=Path(StoreConfig().store_key), help="key file")
    parser.add_argument(
        "--forget", metavar="PERSON", action="append", default=[],
        help="delete what is kept of them; may be repeated",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """Print who is kept, or delete what is kept of some."""
    if not args.store.is_dir():
        raise ParameterError(f"no store at {args.store}")
    store = PersonStore(args.store, read_key(args.key))
    for person in args.forget:
        known = store.forget(person)
        if not known:
            store.people()  # with another key nobody is found: that must not read as "not kept"
        print(f"{person}: {'deleted' if known else 'was not known'}")
    if not args.forget:
        for person, sections in store.people().items():
            print(f"{person}: {', '.join(sections)}")
    return 0
