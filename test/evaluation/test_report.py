from __future__ import annotations

import base64
import html
import re
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.affect import EMOTIONS, NANOSECONDS
from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.messages import Record
from emostress_ros.evaluation.bags.typestore import typestore
from emostress_ros.evaluation.bags.writer import write_bag
from emostress_ros.evaluation.report import DISCLAIMER, write_report
from emostress_ros.evaluation.report_data import read_session

USED, MISSING, STALE, LOW_QUALITY, NO_CONSENT = range(5)
START_S = 1_735_689_600


def make(msgtype: str, /, **fields):
    return typestore().types[msgtype](**fields)


def record(topic: str, msgtype: str, stamp_s: float, message) -> Record:
    data = typestore().serialize_cdr(message, msgtype)
    return Record(round(stamp_s * NANOSECONDS), topic, msgtype, data)


def header(stamp_s: float):
    stamp_ns = round(stamp_s * NANOSECONDS)
    stamp = make("builtin_interfaces/msg/Time", sec=stamp_ns // NANOSECONDS,
                 nanosec=stamp_ns % NANOSECONDS)  # fmt: skip
    return make("std_msgs/msg/Header", stamp=stamp, frame_id="")


def duration(seconds: float):
    return make("builtin_interfaces/msg/Duration", sec=0, nanosec=round(seconds * NANOSECONDS))


def affect(t: float, person: str, statuses: dict[str, int], random) -> Record:
    used = [name for name, status in statuses.items() if status == USED]
    logits = np.array([1.0, np.sin(t / 3), np.cos(t / 4), np.sin(t / 6), -1, -2, -1.5])
    logits += random.normal(0, 0.1, 7)
    values = (np.exp(1.6 * logits) / np.exp(1.6 * logits).sum()).astype(np.float32)
    stress = float(np.clip(0.45 + 0.4 * np.sin(t / 5), 0, 1))
    sure = values.max() > 0.4
    known = bool(used)
    kind = "emostress_ros/msg/AffectState"
    contributions = [
        make("emostress_ros/msg/ModalityContribution", modality=name,
             model=f"{name}_net@1.0.0" if status in (USED, STALE) else "", status=status,
             weight=1 / len(used) if status == USED else 0.0, quality=0.8, age=duration(0.1))
        for name, status in statuses.items()
    ]  # fmt: skip
    message = make(
        kind,
        header=header(START_S + t), person_id=person,
        emotion=EMOTIONS[int(values.argmax())] if sure and known else "unknown",
        labels=list(EMOTIONS) if known else [],
        probabilities=values if known else np.zeros(0, np.float32),
        valence=float(np.sin(t / 4)) * 0.5, arousal=float(np.cos(t / 5)) * 0.4,
        stress=stress if known else float("nan"),
        stress_level=0 if not known else 1 + int(stress > 0.45) + int(stress > 0.7),
        confidence=float(values.max()) if known else 0.0, stress_confidence=0.5 + abs(stress - 0.5),
        contributions=contributions, latency=duration(0.02 + 0.01 * random.gamma(2.0)),
    )  # fmt: skip
    return record("/affect", kind, START_S + t, message)


def cue(t: float, name: str) -> Record:
    kind = "emostress_ros/msg/BehaviourCue"
    message = make(kind, header=header(START_S + t), person_id="face_1", cue=name, intensity=0.7,
                   reason="stress above 0.6 for <3 s>")  # fmt: skip
    return record("/behaviour", kind, START_S + t, message)


def diagnostics(t: float) -> Record:
    kind = "diagnostic_msgs/msg/DiagnosticArray"
    values = {"provider": "CPUExecutionProvider", "image dropped": "12", "image received": "300",
              **{f"handling [ms] p{p}": f"{p / 10:.2f}" for p in (50, 90, 99)}}  # fmt: skip
    pairs = [make("diagnostic_msgs/msg/KeyValue", key=k, value=v) for k, v in values.items()]
    status = make("diagnostic_msgs/msg/DiagnosticStatus", level=0, name="ns/face_node",
                  message="running", hardware_id="", values=pairs)  # fmt: skip
    message = make(kind, header=header(START_S + t), status=[status])
    return record("/diagnostics", kind, START_S + t, message)


@pytest.fixture(scope="module")
def recording(tmp_path_factory) -> Path:
    """25 s of one person with all sorts of evidence, with a hole, and 6 s of another."""
    random = np.random.default_rng(0)
    records = [diagnostics(3.0), cue(4.0, "slow_down"), cue(4.1, "slow_down"), cue(9.0, "none")]
    for index in range(250):
        t = index / 10
        if 15.0 < t < 18.0:
            continue
        statuses = {
            "face": MISSING if 6.0 < t < 9.0 else USED,
            "voice": USED if int(t / 2) % 2 else STALE,
            "physiology": LOW_QUALITY if t < 2.0 else USED,
            "text": NO_CONSENT if t > 20.0 else USED,
        }
        records.append(affect(t, "face_1", statuses, random))
        if 10.0 < t < 16.0:
            nothing = dict.fromkeys(statuses, MISSING)
            records.append(affect(t, "face_2", nothing if t < 11.0 else statuses, random))
    out = tmp_path_factory.mktemp("recording") / "bag"
    return write_bag(out, sorted(records, key=lambda item: item.log_ns)).path


def test_the_recording_is_read_as_it_was_written(recording: Path) -> None:
    session = read_session(recording)
    assert session.people() == ["face_1", "face_2"]
    assert session.modalities() == ["face", "voice", "physiology", "text"]
    assert session.counts["/affect"] == len(session.affects)
    first = session.of("face_1")[0]
    assert first.used == ["face", "text"] and first.stamp_s == START_S
    assert sum(first.probabilities.values()) == pytest.approx(1.0, abs=1e-5)
    assert session.models["voice"] == {"voice_net@1.0.0"}
    assert session.diagnostics["face_node"]["image dropped"] == "12"


def test_the_report_stands_alone(recording: Path, tmp_path: Path) -> None:
    out = write_report(recording, tmp_path / "sub" / "report.html", notice="<made up>",
                       published={"/image": 300})  # fmt: skip
    text = out.read_text()
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 2 * 4 + 1
    assert all(base64.b64decode(x).startswith(b"\x89PNG") for x in pictures)
    assert not re.search(r'(src|href)="(?!data:)', text)
    for words in (html.escape(DISCLAIMER), "&lt;made up&gt;", "face_2", "voice_net@1.0.0",
                  "slow_down", "CPUExecutionProvider", "300", "face_node: 12 image dropped",
                  "p99 [ms]",
                  "stress above 0.6 for &lt;3 s&gt;"):  # fmt: skip
        assert words in text
    assert text.count("slow_down") == 1


def test_latency_is_that_of_new_evidence(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    times = (0.0, 0.1, 0.1, 0.05, 0.2)
    records = [affect(t, person, {"face": USED}, random) for t in times for person in "ab"]
    bag = write_bag(tmp_path / "bag", [Record(i, *list(vars(x).values())[1:])
                                       for i, x in enumerate(records)]).path  # fmt: skip
    assert len(read_session(bag).latencies_ms()) == 6


def test_a_lead_in_is_left_out(recording: Path, tmp_path: Path) -> None:
    start_ns = (START_S + 20) * NANOSECONDS
    text = write_report(recording, tmp_path / "report.html", from_ns=start_ns).read_text()
    assert "50 states" in text and "face_2" not in text and "slow_down" not in text


def test_one_state_is_enough_and_none_is_not(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    one = write_bag(tmp_path / "one", [affect(0.0, "", {"face": USED}, random)]).path
    assert "a person without an id" in write_report(one, tmp_path / "one.html").read_text()
    none = write_bag(tmp_path / "none", [diagnostics(0.0)]).path
    with pytest.raises(BagError, match="no AffectState"):
        write_report(none, tmp_path / "none.html")
    assert not (tmp_path / "none.html").exists()


def test_a_bag_of_something_else(tmp_path: Path) -> None:
    clock = record("/clock", "rosgraph_msgs/msg/Clock", 1.0,
                   make("rosgraph_msgs/msg/Clock", clock=header(1.0).stamp))  # fmt: skip
    other = write_bag(tmp_path / "other", [clock]).path
    with pytest.raises(BagError, match=r"holds no states.*it holds /clock"):
        write_report(other, tmp_path / "report.html")


def test_people_who_know_nothing(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    nothing = {"face": MISSING, "voice": MISSING}
    records = [affect(t, "p", nothing, random) for t in (0.0, 0.1, 0.2)]
    bag = write_bag(tmp_path / "bag", records).path
    assert "unknown 100 %" in write_report(bag, tmp_path / "report.html").read_text()
