"""The aligner as a message filter, to be chained with those of ``message_filters``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from emostress_ros.errors import ParameterError
from emostress_ros.sync.aligner import Aligner, SyncConfig
from emostress_ros.sync.stream import StreamPolicy


class SimpleFilter(Protocol):
    """What is asked of an upstream filter, such as ``message_filters.Subscriber``."""

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802
        """Call ``cb(message, *args)`` for every message."""


class SignalingFilter:
    """The downstream side of a message filter: those to call back, in the order they came."""

    def __init__(self) -> None:
        self._callbacks: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []

    def registerCallback(self, cb: Callable[..., Any], *args: Any) -> int:  # noqa: N802
        """Call ``cb(message_0, ..., message_n, *args)`` for every set; return its number."""
        self._callbacks.append((cb, args))
        return len(self._callbacks) - 1

    def signalMessage(self, *messages: Any) -> None:  # noqa: N802
        """Hand a set to everyone who registered."""
        for callback, args in self._callbacks:
            callback(*messages, *args)


def stamp_ns_of(stamp: Any) -> int:
    """Return a ``builtin_interfaces/Time`` or an ``rclpy.time.Time`` in nanoseconds."""
    if hasattr(stamp, "nanoseconds"):
        return int(stamp.nanoseconds)
    return int(stamp.sec * 1_000_000_000 + stamp.nanosec)


class SubsetSynchronizer(SignalingFilter):
    """Calls back with one message a stream, None where a stream has nothing fresh.

    Unlike ``message_filters.ApproximateTimeSynchronizer`` it speaks on a deadline although a
    stream is silent.  Messages need ``header.stamp``.

    Args:
        fs: upstream filters, one a stream.
        max_age_s: how old a message of each stream may be; one number serves all.
        config: when a set is due.
        queue_size: messages kept of each stream.
        names: of the streams; the numbers of the filters by default. With ``fs`` empty, messages
            come by :meth:`add`.

    Raises:
        ParameterError: other numbers of filters, names and ages, or none at all.

    Example:
        >>> sync = SubsetSynchronizer([], max_age_s=0.5, names=["camera", "wearable"])
        >>> sync.registerCallback(lambda camera, wearable: None)
        0
    """

    def __init__(
        self,
        fs: Sequence[SimpleFilter],
        max_age_s: float | Sequence[float] = 0.5,
        config: SyncConfig | None = None,
        queue_size: int = 64,
        names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.names = list(names or [str(index) for index in range(len(fs))])
        ages = [max_age_s] * len(self.names) if isinstance(max_age_s, (int, float)) else max_age_s
        if fs and len(fs) != len(self.names):
            raise ParameterError(
                f"every filter needs a name; got {len(fs)} filters and {len(self.names)} names"
            )
        if len(ages) != len(self.names):
            raise ParameterError(
                f"every stream needs a max_age_s; got {len(self.names)} names and {len(ages)} ages"
            )
        policies: Mapping[str, StreamPolicy[Any]] = {
            name: StreamPolicy(round(1e9 * age), queue_size)
            for name, age in zip(self.names, ages, strict=True)
        }
        self._aligner: Aligner[Any] = Aligner(policies, config)
        self.connectInput(fs)

    def connectInput(self, fs: Sequence[SimpleFilter]) -> None:  # noqa: N802
        """Listen to upstream filters."""
        for name, upstream in zip(self.names, fs, strict=False):
            upstream.registerCallback(self.add, name)

    def add(self, message: Any, name: str) -> None:
        """Take a message in, and speak when a set is due."""
        self._aligner.add(name, stamp_ns_of(message.header.stamp), message)
        newest = self._aligner.newest_ns()
        if newest is not None:
            self.advance(newest)

    def advance(self, now_ns: int) -> None:
        """Speak of every moment that is due; call it from a timer to keep the deadline."""
        for aligned in self._aligner.advance(now_ns):
            self.signalMessage(*(aligned.items.get(name) for name in self.names))
