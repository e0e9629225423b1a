"""The lean executor serves what rclpy's own serves, on the real middleware."""

from __future__ import annotations

import time

import pytest
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.task import Future
from std_msgs.msg import Int32, String
from std_srvs.srv import Trigger


def test_every_kind_of_entity_is_served(either):
    node = either.node
    heard: list[int] = []
    told: list[dict] = []
    ticks: list[float] = []
    mismatches: list[object] = []
    asked: list[object] = []
    node.create_subscription(Int32, "numbers", lambda message: heard.append(message.data), 50)
    node.create_subscription(Int32, "told", lambda message, info: told.append(info), 50)
    node.create_subscription(
        Int32, "strict", lambda message: None, 5,
        event_callbacks=SubscriptionEventCallbacks(incompatible_qos=mismatches.append),
    )  # fmt: skip
    node.create_timer(0.02, lambda: ticks.append(time.monotonic()))
    guard = node.create_guard_condition(lambda: asked.append("guard"))

    def answer(request, response):
        response.success = True
        return response

    node.create_service(Trigger, "ask", answer)
    own = node.create_client(Trigger, "ask")
    either.start()
    one, two = either.publisher("numbers"), either.publisher("told")
    either.other.create_publisher(
        Int32, "strict", QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    )
    for number in range(20):
        one.publish(Int32(data=number))
        two.publish(Int32(data=number))
    either.wait(lambda: len(heard) == 20 and len(told) == 20, "the messages")
    assert heard == list(range(20))
    assert "source_timestamp" in told[0]
    either.wait(own.service_is_ready, "the service")
    answered = own.call_async(Trigger.Request())
    either.wait(answered.done, "the answer")
    assert answered.result().success
    guard.trigger()
    either.wait(lambda: asked == ["guard"], "the guard condition")
    either.wait(lambda: mismatches and len(ticks) > 3, "the event and the timer")
    task = either.executor.create_task(lambda: "done")
    either.wait(task.done, "the task")
    assert task.result() == "done"
    assert either.ended == []


def test_what_comes_while_it_spins_is_served_and_what_goes_is_not(spun):
    heard: list[int] = []
    spun.start()
    made = spun.node.create_subscription(Int32, "late", lambda m: heard.append(m.data), 50)
    publisher = spun.publisher("late")
    publisher.publish(Int32(data=1))
    spun.wait(lambda: heard == [1], "the first message")
    spun.node.destroy_subscription(made)
    spun.wait(lambda: publisher.get_subscription_count() == 0, "the subscription to go")
    publisher.publish(Int32(data=2))
    ticks: list[int] = []
    timer = spun.node.create_timer(0.01, lambda: ticks.append(1))
    spun.wait(lambda: len(ticks) > 2, "a timer that came late")
    spun.node.destroy_timer(timer)
    late = Node("late", context=spun.context)
    try:
        late.create_timer(0.01, lambda: ticks.append(2))
        spun.executor.add_node(late)
        spun.wait(lambda: 2 in ticks, "the timer of a node that came late")
        spun.executor.remove_node(late)
    finally:
        late.destroy_node()
    assert heard == [1] and spun.ended == []


def test_entities_come_and_go_under_load_from_within_and_from_another_thread(spun):
    node, heard = spun.node, []
    events = SubscriptionEventCallbacks(
        incompatible_qos=lambda event: None, message_lost=lambda event: None
    )
    kept: list = []

    def churn() -> None:
        for subscription in kept:
            node.destroy_subscription(subscription)
        kept[:] = [
            node.create_subscription(
                Int32, f"churn_{k}", lambda m: heard.append(m.data), 5, event_callbacks=events
            )
            for k in range(3)
        ]

    node.create_timer(0.02, churn)
    spun.start()
    publishers = [spun.other.create_publisher(Int32, f"churn_{k}", 5) for k in range(3)]
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        passing = node.create_timer(0.001, lambda: None)
        for publisher in publishers:
            publisher.publish(Int32(data=1))
        time.sleep(0.003)
        node.destroy_timer(passing)
    assert spun.ended == []
    spun.wait(lambda: len(heard) > 10, "messages")


def test_what_a_callback_destroys_is_gone_when_it_returns(spun):
    service = spun.node.create_service(Trigger, "gone", lambda request, response: response)
    timer = spun.node.create_timer(10.0, lambda: None)
    seen: list[object] = []

    def destroy() -> None:
        spun.node.destroy_service(service)
        spun.node.destroy_timer(timer)
        names = spun.node.get_service_names_and_types_by_node("spun", "/")
        seen.append([name for name, _ in names if name == "/gone"])

    spun.start()
    task = spun.executor.create_task(destroy)
    spun.wait(task.done, "the task")
    assert seen == [[]]


def test_coroutines_are_suspended_and_resumed_and_hold_their_group(either):
    order: list[str] = []
    gate = Future()
    apart = ReentrantCallbackGroup()

    async def wait_for_gate(message) -> None:
        order.append("begun")
        await gate
        order.append("ended")

    either.node.create_subscription(Int32, "numbers", wait_for_gate, 5)
    held = either.node.create_subscription(String, "held", lambda m: order.append(m.data), 5)
    assert held.callback_group is not apart
    ticks: list[int] = []
    either.node.create_timer(0.01, lambda: ticks.append(1), callback_group=apart)
    either.start()
    numbers, texts = either.publisher("numbers"), either.publisher("held", String)
    numbers.publish(Int32(data=1))
    either.wait(lambda: order == ["begun"], "the coroutine")
    texts.publish(String(data="held"))
    before = len(ticks)
    either.wait(lambda: len(ticks) > before + 5, "timers of another group meanwhile")
    before_s = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before_s < 0.3  # nobody turns in circles for what is held
    assert order == ["begun"]
    gate.set_result(None)
    either.wait(lambda: order == ["begun", "ended", "held"], "the coroutine's end and what waited")
    texts.publish(String(data="after"))
    either.wait(lambda: order[-1] == "after", "a message after the coroutine")
    assert either.ended == []


def test_a_flood_on_one_topic_starves_nobody(spun):
    heard, quiet, ticks = [], [], []

    def slow(message) -> None:
        heard.append(message.data)
        time.sleep(0.004)

    spun.node.create_subscription(Int32, "flood", slow, 500)
    spun.node.create_subscription(Int32, "quiet", lambda m: quiet.append(m.data), 5)
    spun.node.create_timer(0.02, lambda: ticks.append(time.monotonic()))
    spun.start()
    flood, one = spun.publisher("flood", qos=500), spun.publisher("quiet")
    for number in range(400):
        flood.publish(Int32(data=number))
    one.publish(Int32(data=1))
    spun.wait(lambda: quiet, "the other topic")
    assert len(heard) < 300
    spun.wait(lambda: len(heard) == 400, "the flood")
    assert heard == sorted(heard)
    assert len(ticks) > 40


def test_timers_keep_their_rate(spun):
    ticks: list[float] = []
    spun.node.create_timer(0.02, lambda: ticks.append(time.monotonic()))
    spun.node.create_timer(0.007, lambda: None)
    spun.start()
    spun.wait(lambda: len(ticks) > 100, "a hundred ticks")
    assert (ticks[100] - ticks[0]) / 100 == pytest.approx(0.02, rel=0.1)


def test_a_timer_that_another_callback_cancels_or_resets_is_not_called(either):
    called: list[str] = []

    def first() -> None:
        called.append("first")
        cancelled.cancel()
        postponed.reset()
        time.sleep(0.02)

    either.node.create_timer(0.1, first)
    cancelled = either.node.create_timer(0.1, lambda: called.append("cancelled"))
    postponed = either.node.create_timer(0.1, lambda: called.append("postponed"))
    time.sleep(0.15)  # all are due when it begins
    either.start()
    either.wait(lambda: called.count("first") >= 3, "the first timer")
    assert set(called) == {"first"}
    assert either.ended == []


def test_what_another_thread_destroys_while_a_coroutine_is_suspended_goes(spun):
    gate = Future()

    async def suspended() -> None:
        await gate

    timer = spun.node.create_timer(0.01, suspended, callback_group=ReentrantCallbackGroup())
    goes = spun.node.create_subscription(Int32, "goes", lambda message: None, 5)
    spun.start()
    publisher = spun.publisher("goes")
    spun.wait(lambda: spun.executor._tasks, "the coroutine")
    spun.node.destroy_subscription(goes)
    spun.wait(lambda: publisher.get_subscription_count() == 0, "the subscription to go")
    spun.node.destroy_timer(timer)
    gate.set_result(None)


def test_it_sleeps_while_nothing_happens(spun):
    spun.start()
    time.sleep(0.5)
    before = time.process_time()
    time.sleep(1.0)
    assert time.process_time() - before < 0.2
