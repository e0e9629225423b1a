"""How spinning ends, and which executor does it, on the real middleware."""

from __future__ import annotations

import time

import pytest
import rclpy
from bench import PATIENCE_S
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException
from std_msgs.msg import Int32
from std_srvs.srv import Trigger

from emostress_ros.errors import ParameterError
from emostress_ros.nodes import executor as module
from emostress_ros.nodes.executor import CHOICE, LeanExecutor, PatientExecutor, make_executor


@pytest.mark.parametrize("kind", ["timer", "subscription", "task", "service"])
def test_the_error_of_a_callback_ends_spin_and_comes_out(either, kind):
    def fail(*args):
        raise ValueError(kind)

    if kind == "timer":
        either.node.create_timer(0.01, fail)
    if kind == "subscription":
        either.node.create_subscription(Int32, "numbers", fail, 5)
    if kind == "service":
        either.node.create_service(Trigger, "ask", fail)
    either.start()
    if kind == "task":
        either.executor.create_task(fail)
    if kind == "subscription":
        either.publisher("numbers").publish(Int32(data=1))
    if kind == "service":
        client = either.other.create_client(Trigger, "ask")
        either.wait(client.service_is_ready, "the service")
        client.call_async(Trigger.Request())
    either.wait(lambda: either.ended, "the error")
    assert isinstance(either.ended[0], ValueError) and str(either.ended[0]) == kind


def test_shutdown_of_the_executor_ends_spin(either):
    either.start()
    either.executor.create_task(either.executor.shutdown)
    either.wait(lambda: either.ended, "the end")
    assert either.ended == [None]


@pytest.mark.parametrize("busy", [True, False])
def test_shutdown_of_the_context_ends_spin_and_is_told(spun, busy):
    begun: list[int] = []

    def tick() -> None:
        begun.append(1)
        time.sleep(0.2 if busy else 0.0)

    spun.node.create_timer(0.2, tick)
    spun.start()
    spun.wait(lambda: begun, "the timer")
    time.sleep(0.05)
    rclpy.shutdown(context=spun.context)
    spun.wait(lambda: spun.ended, "the end")
    assert isinstance(spun.ended[0], ExternalShutdownException)


def test_a_context_that_ends_after_its_wake_up_call_ends_the_spinning(either):
    # What rclpy's thread does after SIGTERM, with the executor faster than the second half of it.
    either.start()
    either.wait(lambda: either.executor._sigint_gc is not None, "the executor")
    time.sleep(0.2)
    either.executor._sigint_gc.trigger()
    time.sleep(0.2)
    either.context.handle.shutdown()
    either.thread.join(PATIENCE_S)
    assert not either.thread.is_alive()
    assert isinstance(either.ended[0], ExternalShutdownException)


def test_the_environment_chooses_and_an_unknown_name_is_refused(monkeypatch):
    context = Context()
    rclpy.init(context=context)
    try:
        chosen, why = make_executor(context)
        assert type(chosen) is LeanExecutor and why == ""
        monkeypatch.setenv(CHOICE, "rclpy")
        chosen, why = make_executor(context)
        assert type(chosen) is PatientExecutor and CHOICE in why
        monkeypatch.setenv(CHOICE, "fastest")
        with pytest.raises(ParameterError, match="lean or rclpy; got 'fastest'"):
            make_executor(context)
    finally:
        rclpy.shutdown(context=context)


def test_an_rclpy_of_other_insides_keeps_its_own_executor(monkeypatch):
    context = Context()
    rclpy.init(context=context)
    try:
        monkeypatch.setattr(module, "_NEEDED", (*module._NEEDED, "_of_another_version"))
        chosen, why = make_executor(context)
        assert type(chosen) is PatientExecutor
        assert "_of_another_version" in why
    finally:
        rclpy.shutdown(context=context)
