"""The ``emostress`` command: one module a subcommand."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

import emostress_ros
from emostress_ros.errors import EmostressError

COMMANDS: dict[str, str] = {
    "up": "start the graph of nodes",
    "demo": "run the graph on a recording and write a report",
    "bag": "make a bag from media and wearables",
    "replay": "publish a bag's topics",
    "record": "write a bag from live topics",
    "dashboard": "show a running graph in the browser",
    "report": "write an HTML report of a recorded bag",
    "evaluate": "evaluate the graph on labelled bags and write a report",
    "source": "publish a webcam, a microphone or a heart-rate strap",
    "rest": "measure how a person is at rest",
    "personalise": "make a stress model for one person",
    "people": "show or forget those of whom something is kept",
    "models": "list the models and their figures",
    "score": "score a shipped model on a labelled data set",
    "train": "train a model",
    "figures": "reproduce the figures of the model cards",
    "compress": "make smaller variants of a model and measure them",
    "calibration": "measure how honest the models' confidences are",
    "study": "compare a modality's models under both splits",
    "engine": "build TensorRT engines before they are needed",
    "doctor": "check what the graph needs of this machine, and mend what can be",
    "docs": "generate the tables of the README",
}
"""Subcommand to its help; each is a module of ``emostress_ros.cli`` with ``add_arguments`` and
``run``, imported only when it is asked for."""

TRAINING = ("train", "study", "score", "figures", "compress")
"""Commands that train, which several processes can share: `torchrun ... emostress_ros train`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 well, 1 our own error, 2 wrong usage."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if not words or words[0] not in COMMANDS:
        parser.parse_args(words)  # prints the version, the help, or what is wrong
        parser.print_help()
        return 2
    if words[0] in TRAINING and "WORLD_SIZE" in os.environ:
        from emostress_ros.training.together import together

        return together(lambda: _run(words))
    return _run(words)


def _run(words: Sequence[str]) -> int:
    module = importlib.import_module(f"emostress_ros.cli.{words[0]}")
    command = argparse.ArgumentParser(
        prog=f"emostress {words[0]}", description=module.__doc__ or COMMANDS[words[0]]
    )
    module.add_arguments(command)
    try:
        return int(module.run(command.parse_args(words[1:])))
    except EmostressError as error:
        print(f"emostress: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output has gone; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a folder that is a file, no right to write, a full disk
        if error.filename is None:
            raise
        print(f"emostress: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:<11} {text}" for name, text in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="emostress",
        description="A person's emotion and stress from face, voice, wearable and words, in ROS 2.",
        epilog=f"commands:\n{listing}\n\n`emostress COMMAND --help` says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=emostress_ros.__version__)
    parser.add_argument("command", choices=list(COMMANDS), metavar="command", nargs="?")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
