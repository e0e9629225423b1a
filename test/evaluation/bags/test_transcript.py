from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emostress_ros.errors import MediaError
from emostress_ros.evaluation.bags.transcript import (
    Line,
    parse_jsonl,
    parse_lines,
    parse_srt,
    read_transcript,
)

milliseconds = st.integers(0, 10_000_000)
words = st.text(st.characters(categories=["L", "N"], exclude_characters="\x85"), min_size=1)
sentences = st.lists(words, min_size=1, max_size=5).map(" ".join)
lines = st.lists(
    st.builds(lambda a, b, text: Line(min(a, b) / 1000, max(a, b) / 1000, text),
              milliseconds, milliseconds, sentences)
)  # fmt: skip


def clock(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"


def times(items: list[Line]) -> list[tuple[int, int, str]]:
    ordered = sorted(items, key=lambda line: (line.end_s, line.start_s))
    return [(round(x.start_s * 1000), round(x.end_s * 1000), x.text) for x in ordered]


@given(lines)
def test_plain_lines_come_back(items: list[Line]) -> None:
    text = "\n".join(f"{x.start_s:.3f} {x.end_s:.3f} {x.text}" for x in items)
    assert times(parse_lines(text)) == times(items)


@given(lines)
def test_json_lines_come_back(items: list[Line]) -> None:
    text = "\n".join(
        json.dumps({"start": x.start_s, "end": x.end_s, "text": x.text}) for x in items
    )
    assert times(parse_jsonl(text)) == times(items)


@given(lines)
def test_subrip_comes_back(items: list[Line]) -> None:
    text = "\n\n".join(
        f"{i}\n{clock(x.start_s)} --> {clock(x.end_s)}\n<i>{x.text}</i>"
        for i, x in enumerate(items)
    )
    assert times(parse_srt(text)) == times(items)


@given(st.text(), st.sampled_from([parse_lines, parse_jsonl, parse_srt]))
def test_any_text_is_read_or_refused_with_its_line(text: str, parse) -> None:
    try:
        items = parse(text, "name")
    except MediaError as error:
        assert str(error).startswith("name:")
    else:
        assert all(0.0 <= x.start_s <= x.end_s and x.text.strip() for x in items)


@given(st.dictionaries(
    st.sampled_from(["start", "end", "text", "person_id", "locale", "confidence"]),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()),
))  # fmt: skip
@example({"start": 0, "end": 0, "text": "", "confidence": ""})
def test_any_json_object_is_read_or_refused(item: dict) -> None:
    try:
        (line,) = parse_jsonl(json.dumps(item), "name")
    except MediaError as error:
        assert str(error).startswith("name:1: ")
    else:
        assert line.text == item["text"].strip()


def test_forms_of_time() -> None:
    items = parse_lines("# a remark\n\n[00:01.200] one\n01:01 1:02:03.5 two\n[ 7 ] three\n")
    assert [(x.start_s, x.end_s, x.text) for x in items] == [
        (1.2, 1.2, "one"), (7.0, 7.0, "three"), (61.0, 3723.5, "two")
    ]  # fmt: skip


def test_json_names_the_speaker() -> None:
    (line,) = parse_jsonl('{"start": 1, "end": 2, "text": "hi", "person_id": "ada", "tokens": [3]}')
    assert line == Line(1.0, 2.0, "hi", "ada")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", "0.0 1.0 fine\nhello", r"a.txt:2: need 'START END TEXT'.*'hello'"),
        ("a.txt", "2.0 1.0 back", r"a.txt:1: need 0 <= start <= end.*start 2, end 1"),
        ("a.txt", "[3.0]   ", "a.txt:1: no text"),
        ("a.jsonl", "{}", r"a.jsonl:1: need the keys 'start' and 'text'"),
        ("a.jsonl", "{", "a.jsonl:1: not JSON"),
        ("a.jsonl", "[1]", "a.jsonl:1: need a JSON object"),
        ("a.jsonl", '{"start": "1", "text": "x"}', "a.jsonl:1: 'start' must be a number; got '1'"),
        ("a.jsonl", '{"start": -1, "text": "x"}', r"a.jsonl:1: need 0 <= start"),
        ("a.jsonl", '{"start": 1, "text": "x", "confidence": 2}', "'confidence' must lie in"),
        ("a.srt", "1\n00:00:01 -> 00:00:02\nhi", r"a.srt:2: need '00:00:01,200 -->"),
        ("a.vtt", "WEBVTT", r".txt, .jsonl, .ndjson, .srt; got '.vtt'"),
    ],
)
def test_odd_lines_are_named(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(MediaError, match=words):
        read_transcript(tmp_path / name)


def test_missing_and_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot read the transcript"):
        read_transcript(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("0 1 schön".encode("latin-1"))
    with pytest.raises(MediaError, match="UTF-8; byte 7"):
        read_transcript(tmp_path / "latin.txt")
    (tmp_path / "bom.txt").write_bytes("0 1 schön".encode("utf-8-sig"))
    assert read_transcript(tmp_path / "bom.txt")[0].text == "schön"
