"""One command and several processes: the first runs it, the others train along.

``torchrun --nproc-per-node 2 -m -- emostress_ros train voice ...`` starts a command twice.  The
first process alone reads the data, keeps caches, judges, logs, shows bars, writes and exports; the
others wait until it trains a network, get what :class:`.trainer.Trainer` has, and take their share
of every batch.  So whatever goes through the trainer can be shared, whichever command it is in.
"""

from __future__ import annotations

import gc
import io
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from emostress_ros.errors import EmostressError, TrainingError
from emostress_ros.training.keep import put_back, state_of
from emostress_ros.training.workers import Workers, processes

if TYPE_CHECKING:
    from torch import nn

    from emostress_ros.training.trainer import Trainer

_LOST = ("closed by peer", "reset by peer", "Broken pipe", "gloo", "NCCL")
_within: list[Trainer] = []
"""The training under way in this process; more than one never is."""
_following: list[bool] = []


def together(lead: Callable[[], int]) -> int:
    """Run a command with all the processes that ``torchrun`` started; return the exit status.

    Args:
        lead: the command; only the first process runs it.
    """
    if processes() == 1:
        return lead()
    workers = Workers()
    if not workers.leads:
        return _follow(workers)
    try:
        return lead()
    finally:
        if not _within:  # else the others are in the middle of a training, which ends with this one
            workers.leaders(None)


@contextmanager
def joined(trainer: Trainer, judging: nn.Module) -> Iterator[nn.Module]:
    """Have the other processes train along; yields what gives the loss of a share.

    Args:
        trainer: at the beginning of a training, or where it is gone on with.
        judging: gives the loss, alone.

    Raises:
        TrainingError: the others cannot train along, or one of them has ended.
    """
    workers = trainer.workers
    if workers.count == 1:
        yield judging
        return
    if workers.leads:
        if _within:
            raise TrainingError(
                "a training was left before its end: the other processes wait there"
            )
        workers.leaders((str(trainer.device), _told(trainer)))
    elif not _following:
        raise TrainingError(
            f"process {workers.rank} of 0 ... {workers.count - 1} began a training by itself; only "
            f"the first one begins them: `torchrun ... -m -- emostress_ros COMMAND`"
        )
    _within.append(trainer)
    try:
        yield workers.wrap(judging, every_weight=trainer.task.every_weight)
    except (RuntimeError, ValueError) as error:
        raise _explained(error, workers.count) from error
    _within.clear()
    gc.collect()  # the wrapped network holds on to the weights, which may be wrapped anew


def _explained(error: Exception, count: int) -> Exception:
    """Return what to raise in place of what torch says of several processes."""
    if isinstance(error, EmostressError):
        return error
    if "more than 1 value per channel" in str(error):
        return TrainingError(
            f"a batch shared by {count} processes leaves one row to a batch normalisation, which "
            f"needs two; use larger batches or fewer processes"
        )
    if any(word in str(error) for word in _LOST):
        return TrainingError(
            f"another of the {count} processes has ended, and with it the training; what it said "
            f"stands above"
        )
    return error


def _told(trainer: Trainer) -> bytes:
    """Return what another process needs to train along."""
    import torch

    keep = trainer.keep and replace(trainer.keep, resume=False)
    told = {
        "net": trainer.net, "task": trainer.task, "options": trainer.options, "rng": trainer.rng,
        "keep": keep, "title": trainer.title, "state": state_of(trainer),
        "within": trainer.within, "threads": torch.get_num_threads(),
        "faster": (torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32),
    }  # fmt: skip
    stream = io.BytesIO()
    torch.save(told, stream)
    return stream.getvalue()


def _follow(workers: Workers) -> int:
    """Train along until the leader needs no more; return the exit status."""
    _following.append(True)
    try:
        while (told := workers.leaders(None)) is not None:
            _train_along(*told)
    except EmostressError as error:
        print(f"emostress, process {workers.rank}: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
    except RuntimeError as error:
        if any(word in str(error) for word in _LOST):  # the leader is gone, and has said why
            return 1
        raise
    return 0


def _train_along(device: str, told: bytes) -> None:
    import torch

    from emostress_ros.training.trainer import Trainer

    workers = Workers(torch.device(device).type)
    # What the leader holds on its GPU goes to the own one; what it holds on the CPU stays there.
    place = {device: str(workers.device)}
    heard: dict[str, Any] = torch.load(io.BytesIO(told), map_location=place, weights_only=False)
    torch.set_num_threads(heard["threads"])
    torch.backends.cudnn.benchmark, torch.backends.cuda.matmul.allow_tf32 = heard["faster"]
    trainer = Trainer(
        heard["net"], heard["task"], heard["options"], heard["rng"], keep=heard["keep"],
        workers=workers, title=heard["title"],
    )  # fmt: skip
    put_back(trainer, heard["state"])
    trainer.within = heard["within"]
    for _ in trainer.epochs():
        pass
