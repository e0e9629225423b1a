from __future__ import annotations

import json
import math
import urllib.error
import urllib.request

import numpy as np
import pytest

from emostress_ros.affect import EMOTIONS, ContributionStatus, StressLevel
from emostress_ros.dashboard.board import PAST_S, Board
from emostress_ros.dashboard.server import DashboardServer
from emostress_ros.errors import GraphError
from emostress_ros.evaluation.report_data import AffectRecord, ContributionRecord, CueRecord


def state(person: str = "anna", stress: float = 0.4, stamp_s: float = 1.0) -> AffectRecord:
    given = ContributionRecord("face", "net@1", ContributionStatus.USED, 1.0, math.nan, 0.1)
    probabilities = dict(zip(EMOTIONS, np.full(7, 1 / 7).tolist(), strict=True))
    return AffectRecord(
        stamp_s, person, "happy", probabilities, 0.5, math.nan, stress, StressLevel.LOW,
        0.8, 0.7, 9.0, {"face": given},
    )  # fmt: skip


@pytest.fixture
def served():
    board = Board()
    server = DashboardServer(board, port=0, clock=lambda: 100.0)
    yield board, server
    server.close()


def get(url: str) -> tuple[str, bytes]:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return answer.headers["Content-Type"], answer.read()


def test_the_page_loads_nothing_from_elsewhere(served):
    kind, page = get(served[1].url)
    assert kind.startswith("text/html") and b"EventSource" in page
    for outside in (b"src=", b"href=", b"@import", b"url("):
        assert outside not in page
    assert page.count(b"http") == page.count(b"http://www.w3.org/2000/svg")


def test_what_comes_is_shown_and_nan_is_null(served):
    board, server = served
    board.affect(state(stress=math.nan), 100.0)
    board.measures(("anna",), {"heart_rate_bpm": 61.25})
    board.cue(CueRecord(1.0, "anna", "calm_down", 0.9, "stress > 0.7"))
    board.node("/face_node", 1, "no image for 5 s")
    shown = json.loads(get(server.url + "state")[1])
    person = shown["people"][0]
    assert person["person"] == "anna" and person["emotion"] == "happy"
    assert person["stress"] is None and person["contributions"][0]["quality"] is None
    assert person["measures"] == {"heart_rate_bpm": 61.25}
    assert shown["cues"][0]["cue"] == "calm_down"
    assert shown["nodes"] == {"/face_node": {"level": "warning", "message": "no image for 5 s"}}


def test_states_arrive_as_events(served):
    board, server = served
    board.affect(state(), 100.0)
    with urllib.request.urlopen(server.url + "events", timeout=5) as events:
        first = json.loads(events.readline().removeprefix(b"data: "))
        assert events.readline() == b"\n"
        board.affect(state("ben"), 100.3)
        second = json.loads(events.readline().removeprefix(b"data: "))
    assert [p["person"] for p in first["people"]] == ["anna"]
    assert [p["person"] for p in second["people"]] == ["anna", "ben"]


def test_the_past_is_bounded_and_whoever_left_is_no_longer_shown():
    board = Board()
    for tick in range(10_000):
        board.affect(state(), tick * 0.1)
    person = board.snapshot(1000.0)["people"][0]
    assert len(person["past"]) <= PAST_S / 0.2 + 1
    assert board.snapshot(1020.0)["people"] == []


def test_measures_of_nobody_are_shown_only_while_one_person_is_in_view():
    board = Board()
    board.measures(("",), {"pitch_hz": 200.0})
    board.affect(state("anna"), 1.0)
    assert board.snapshot(1.0)["people"][0]["measures"] == {"pitch_hz": 200.0}
    board.affect(state("ben"), 1.0)
    assert all(person["measures"] == {} for person in board.snapshot(1.0)["people"])


def test_other_paths_do_not_exist_and_a_taken_port_is_named(served):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(served[1].url + "../etc/passwd")
    port = int(served[1].url.rsplit(":", 1)[1].strip("/"))
    with pytest.raises(GraphError, match=str(port)):
        DashboardServer(Board(), port=port)
