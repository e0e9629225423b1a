"""The lifecycle node that all nodes of the suite derive from."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from rcl_interfaces.msg import SetParametersResult
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.qos import HistoryPolicy, QoSProfile, ReliabilityPolicy, qos_policy_name_from_kind

from emostress_ros.errors import EmostressError, GraphError, ParameterError
from emostress_ros.msg import Progress
from emostress_ros.nodes import parameters
from emostress_ros.nodes.monitor import Monitor
from emostress_ros.nodes.parameters import NodeConfig
from emostress_ros.nodes.rclpy_events import SubscriptionEventCallbacks
from emostress_ros.nodes.transitions import TransitionsInTurn
from emostress_ros.nodes.worker import Worker
from emostress_ros.parameters import Config

_LEAST_DEPTH = 5
_LOSSLESS_DEPTH = 100


@dataclass(frozen=True)
class InputTopic:
    """One input of a node.

    Attributes:
        topic: relative name.
        message_type: class of its messages.
        handle: called with each message.
        depth: messages that may wait; 1 keeps only the latest.
        best_effort: whether 'auto' reliability is best effort (large, frequent data).
        group: inputs of one group stand for each other; default the topic itself.
    """

    topic: str
    message_type: type
    handle: Callable[[Any], None]
    depth: int = 10
    best_effort: bool = False
    group: str = ""


class ManagedNode(TransitionsInTurn):
    """A lifecycle node with checked parameters, counted inputs and ``/diagnostics``.

    A subclass names its :attr:`config_class` and implements :meth:`setup`, :meth:`inputs` and
    :meth:`teardown`.  Our own errors are caught here, counted and shown; nothing else is.

    Args:
        name: node name.
        kwargs: passed to ``rclpy.node.Node`` (namespace, parameter_overrides, ...).
    """

    config_class: type[Config] = Config

    def __init__(self, name: str, **kwargs: Any) -> None:
        super().__init__(name, **kwargs)
        self._configs = (NodeConfig, self.config_class)
        parameters.declare(self, self._configs)
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self.node_config = NodeConfig()
        self.monitor: Monitor | None = None
        self._subscriptions_made: list[Any] = []
        self._workers: list[Worker[Any]] = []
        self._timers_made: list[Any] = []
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self._progress = self.create_publisher(Progress, "progress", 100)
        self.configured = False
        self.lock = threading.Lock()  # between the workers and the executor's timers and services

    # What a subclass implements -------------------------------------------------------------

    def setup(self, config: Any) -> None:
        """Load models and create publishers; raises our own errors."""
        raise NotImplementedError

    def inputs(self) -> list[InputTopic]:
        """Return the inputs to listen to while active."""
        raise NotImplementedError

    def activated(self) -> None:
        """Start timers; called once the node is active."""

    def teardown(self) -> None:
        """Release what :meth:`setup` made."""

    # Lifecycle ------------------------------------------------------------------------------

    def autostart(self) -> None:
        """Configure and activate, when the parameter says so.

        Raises:
            ParameterError: the parameter is no bool.
        """
        if parameters.read(self, NodeConfig).autostart:  # type: ignore[attr-defined]
            if self.trigger_configure() == TransitionCallbackReturn.SUCCESS:
                self.trigger_activate()

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Check the parameters and load what they name."""
        try:
            parameters.check_names(self, self._configs)
            self.node_config = parameters.read(self, NodeConfig)  # type: ignore[assignment]
            config = parameters.read(self, self.config_class)
            self.monitor = Monitor(self, self.node_config.input_timeout_s)
            self.setup(config)
        except (EmostressError, FileNotFoundError) as error:
            self.get_logger().error(f"cannot be configured: {error}")
            return TransitionCallbackReturn.FAILURE
        self.configured = True
        return TransitionCallbackReturn.SUCCESS

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Start to listen and to report."""
        result = super().on_activate(state)
        assert self.monitor is not None
        for item in self.inputs():
            self._listen(item)
        self.every(self.node_config.diagnostics_period_s, self._report)
        self.activated()
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop to listen; what was configured stays."""
        self._stop()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Forget the configuration."""
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Stop everything."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured, so that the node can be mended and configured again."""
        self._stop()
        self._release()
        return TransitionCallbackReturn.SUCCESS

    def destroy_node(self) -> None:
        """Stop the threads before rclpy takes the node down."""
        self._stop()
        super().destroy_node()

    # For subclasses -------------------------------------------------------------------------

    def every(self, period_s: float, callback: Callable[[], None]) -> None:
        """Call back on the node's clock while active."""
        self._timers_made.append(self.create_timer(period_s, callback))

    def now_ns(self) -> int:
        """Return the node's clock in nanoseconds."""
        return int(self.get_clock().now().nanoseconds)

    # Inside ---------------------------------------------------------------------------------

    def _listen(self, item: InputTopic) -> None:
        assert self.monitor is not None
        self.monitor.watch(item.topic, item.group)
        depth = self.node_config.queue_depth or item.depth
        work = partial(self._work, item)
        if self.node_config.lossless:
            callback = partial(self._receive, item, work)
        else:
            worker: Worker[Any] = Worker(work, partial(self._drop, item), depth)
            self._workers.append(worker)
            callback = partial(self._receive, item, worker.put)
        events = SubscriptionEventCallbacks(
            incompatible_qos=partial(self._on_incompatible_qos, item.topic),
            message_lost=partial(self._on_lost, item.topic),
        )
        self._subscriptions_made.append(
            self.create_subscription(
                item.message_type,
                item.topic,
                callback,
                self._qos(item, depth),
                event_callbacks=events,
            )
        )

    def _qos(self, item: InputTopic, depth: int) -> QoSProfile:
        wanted = self.node_config.reliability
        if wanted == "auto":
            best_effort = item.best_effort and not self.node_config.lossless
        else:
            best_effort = wanted == "best_effort"
        reliability = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
        # A few more than the worker's queue: bursts wait in the middleware, not in a lost sample.
        least = _LOSSLESS_DEPTH if self.node_config.lossless else _LEAST_DEPTH
        return QoSProfile(
            history=HistoryPolicy.KEEP_LAST, depth=max(depth, least), reliability=reliability
        )

    def _receive(self, item: InputTopic, put: Callable[[Any], None], message: Any) -> None:
        assert self.monitor is not None
        self.monitor.received(item.topic)
        put(message)

    def _work(self, item: InputTopic, message: Any) -> None:
        monitor = self.monitor  # the node may be configured anew while this goes on
        assert monitor is not None
        began = time.perf_counter()
        try:
            item.handle(message)
        except EmostressError as error:
            if monitor.rejected(item.topic, error):
                self.get_logger().warning(f"{item.topic}: {type(error).__name__}: {error}")
        except rclpy_implementation.RCLError:
            if self.context.ok():  # otherwise the process ends while this is published
                raise
        received, handled = monitor.handled(item.topic, time.perf_counter() - began)
        if self.node_config.lossless:
            self._tell_progress(item, message, received, handled)

    def _drop(self, item: InputTopic, message: Any) -> None:
        assert self.monitor is not None
        self.monitor.dropped(item.topic)

    def _tell_progress(self, item: InputTopic, message: Any, received: int, handled: int) -> None:
        progress = Progress(
            node=self.get_fully_qualified_name(),
            topic=self.resolve_topic_name(item.topic),
            received=received,
            handled=handled,
        )
        progress.header.stamp = message.header.stamp
        self._progress.publish(progress)

    def _on_incompatible_qos(self, topic: str, event: Any) -> None:
        assert self.monitor is not None
        policy = qos_policy_name_from_kind(event.last_policy_kind)
        self.monitor.incompatible_qos(topic, str(policy))

    def _on_lost(self, topic: str, event: Any) -> None:
        assert self.monitor is not None
        self.monitor.lost(topic, int(event.total_count))

    def _report(self) -> None:
        assert self.monitor is not None
        if any(worker.died for worker in self._workers):
            # A node that has stopped working must not look alive: whoever started it restarts it.
            raise GraphError(f"{self.get_name()}: its worker died, see the traceback above")
        self._diagnostics.publish(self.monitor.report())

    def _stop(self) -> None:
        for subscription in self._subscriptions_made:
            self.destroy_subscription(subscription)
        for worker in self._workers:
            worker.stop()
        for timer in self._timers_made:
            self.destroy_timer(timer)
        for made in (self._subscriptions_made, self._workers, self._timers_made):
            made.clear()

    def _release(self) -> None:
        if self.configured:
            self.teardown()
        self.configured = False

    def _on_set_parameters(self, changed: list[Parameter]) -> SetParametersResult:
        try:
            parameters.check_change(self._configs, changed)
        except ParameterError as error:
            return SetParametersResult(successful=False, reason=str(error))
        names = {spec.name for config in self._configs for spec in config.specs()}
        if getattr(self, "configured", False) and names & {item.name for item in changed}:
            return SetParametersResult(
                successful=False,
                reason="parameters are read when the node is configured: deactivate it, clean it "
                "up, set them, and configure it again",
            )
        return SetParametersResult(successful=True)
