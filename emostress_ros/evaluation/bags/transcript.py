"""Transcripts with times: plain lines, JSON Lines and SubRip (SRT).

Plain lines: `0.00 1.20 hello there` (start, end, text) or `[00:01.200] hello` (one moment). A time
is in seconds (`71.2`) or clock form (`01:11.2`, `0:01:11,200`). Empty lines and lines that begin
with `#` are skipped. JSON Lines: `{"start": 0.0, "end": 1.2, "text": "hello there"}`, with
`person_id`, `locale` and `confidence` where known. SRT: as written by subtitle editors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emostress_ros.errors import MediaError

_CLOCK = r"(?:\d+:)?[0-5]?\d:[0-5]?\d(?:[.,]\d+)?"
_TIME = rf"(?:{_CLOCK}|\d+(?:\.\d+)?)"
_MOMENT = re.compile(rf"\[\s*({_TIME})\s*\]\s*(.*)")
_SPAN = re.compile(rf"({_TIME})\s+(?:-->\s+)?({_TIME})\s+(\S.*)")
_SRT_TIMES = re.compile(rf"({_CLOCK})\s*-->\s*({_CLOCK})(?:\s.*)?")
_LONGEST_S = 1e7
"""A recording is shorter than this (four months): what is longer is a wrong unit."""
_TAG = re.compile(r"</?[a-zA-Z][^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class Line:
    """What somebody said.

    Attributes:
        start_s: when the speaker began, seconds from the start of the clip, >= 0.
        end_s: when the speaker ended, >= `start_s`.
        text: the words, not empty.
        person_id: the speaker; empty when not known.
        locale: BCP 47 tag; empty when not known.
        confidence: the recogniser's, [0, 1]; None when not given.
    """

    start_s: float
    end_s: float
    text: str
    person_id: str = ""
    locale: str = ""
    confidence: float | None = None


def read_transcript(path: Path | str) -> list[Line]:
    """Read a transcript; the extension tells its form.

    Args:
        path: `.txt` (plain lines), `.jsonl` or `.ndjson` (JSON Lines), `.srt` (SubRip); UTF-8.

    Returns:
        The lines in order of their end.

    Raises:
        MediaError: no such file, another extension, not UTF-8, or a line that cannot be used; the
            message names the file and the number of the line.
    """
    path = Path(path)
    parsers = {
        ".txt": parse_lines,
        ".jsonl": parse_jsonl,
        ".ndjson": parse_jsonl,
        ".srt": parse_srt,
    }
    if path.suffix.lower() not in parsers:
        raise MediaError(
            f"{path}: a transcript ends in {', '.join(parsers)}; got '{path.suffix or path.name}'"
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise MediaError(f"{path}: cannot read the transcript: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MediaError(f"{path}: a transcript is UTF-8; byte {error.start} is not") from error
    return parsers[path.suffix.lower()](text, str(path))


def parse_lines(text: str, name: str = "transcript") -> list[Line]:
    """Parse plain lines with times.

    Raises:
        MediaError: names the first line that has neither form.
    """
    lines = []
    for number, raw in _numbered(text):
        where = f"{name}:{number}"
        if moment := _MOMENT.fullmatch(raw):
            time = _seconds(moment[1])
            lines.append(_line(where, time, time, moment[2]))
        elif span := _SPAN.fullmatch(raw):
            lines.append(_line(where, _seconds(span[1]), _seconds(span[2]), span[3]))
        else:
            raise MediaError(
                f"{where}: need 'START END TEXT' or '[TIME] TEXT', times in seconds or "
                f"[h:]mm:ss.fff; got {raw[:60]!r}"
            )
    return _sorted(lines)


def parse_jsonl(text: str, name: str = "transcript") -> list[Line]:
    """Parse JSON Lines; `start` and `text` are needed, `end` defaults to `start`.

    Raises:
        MediaError: names the first line that is not such an object.
    """
    lines = []
    for number, raw in _numbered(text):
        where = f"{name}:{number}"
        try:
            item = json.loads(raw)
        except json.JSONDecodeError as error:
            raise MediaError(f"{where}: not JSON: {error.msg} (column {error.colno})") from error
        if not isinstance(item, dict):
            raise MediaError(f"{where}: need a JSON object; got {raw[:60]!r}")
        lines.append(_from_object(where, item))
    return _sorted(lines)


def parse_srt(text: str, name: str = "transcript") -> list[Line]:
    """Parse SubRip: a number, `00:00:01,200 --> 00:00:03,400`, text, an empty line.

    Raises:
        MediaError: names the line where a block is not of that form.
    """
    lines: list[Line] = []
    for number, block in _blocks(text):
        # Some writers leave the counter out.
        skip = 1 if block[0].strip().isdigit() and len(block) > 1 else 0
        times = _SRT_TIMES.fullmatch(block[skip].strip())
        where = f"{name}:{number + skip}"
        if times is None:
            raise MediaError(
                f"{where}: need '00:00:01,200 --> 00:00:03,400'; got {block[skip][:60]!r}"
            )
        words = " ".join(_TAG.sub("", line).strip() for line in block[skip + 1 :]).strip()
        if words:
            lines.append(_line(where, _seconds(times[1]), _seconds(times[2]), words))
    return _sorted(lines)


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    """Lines that say something, with their numbers from 1."""
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if line and not line.startswith("#"):
            yield number, line


def _blocks(text: str) -> Iterator[tuple[int, list[str]]]:
    """Runs of lines between empty ones, with the number of their first line."""
    block: list[str] = []
    for number, raw in enumerate([*text.split("\n"), ""], start=1):
        if raw.strip():
            block.append(raw.strip())
        elif block:
            yield number - len(block), block
            block = []


def _seconds(text: str) -> float:
    seconds = 0.0
    for part in text.replace(",", ".").split(":"):
        seconds = seconds * 60.0 + float(part)
    return seconds


def _from_object(where: str, item: dict[str, Any]) -> Line:
    for key in ("start", "text"):
        if key not in item:
            raise MediaError(f"{where}: need the keys 'start' and 'text'; got {sorted(item)}")
    start, end = item["start"], item.get("end", item["start"])
    confidence = item.get("confidence")
    for key, value in (
        ("start", start),
        ("end", end),
        ("confidence", 0.0 if confidence is None else confidence),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise MediaError(f"{where}: '{key}' must be a number; got {value!r}")
        if not abs(value) <= _LONGEST_S:
            raise MediaError(f"{where}: '{key}' must lie within {_LONGEST_S:g}; got {value!r}")
    for key in ("text", "person_id", "locale"):
        if not isinstance(item.get(key, ""), str):
            raise MediaError(f"{where}: '{key}' must be a string; got {item[key]!r}")
    if confidence is not None and not 0.0 <= confidence <= 1.0:
        raise MediaError(f"{where}: 'confidence' must lie in [0, 1]; got {confidence!r}")
    speaker, locale = item.get("person_id", ""), item.get("locale", "")
    return _line(where, float(start), float(end), item["text"], speaker, locale, confidence)


def _line(
    where: str,
    start_s: float,
    end_s: float,
    text: str,
    person_id: str = "",
    locale: str = "",
    confidence: float | None = None,
) -> Line:
    if not text.strip():
        raise MediaError(f"{where}: no text after the times")
    if not 0.0 <= start_s <= end_s <= _LONGEST_S:
        raise MediaError(
            f"{where}: need 0 <= start <= end <= {_LONGEST_S:g} s; "
            f"got start {start_s:g}, end {end_s:g}"
        )
    return Line(start_s, end_s, text.strip(), person_id, locale, confidence)


def _sorted(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: (line.end_s, line.start_s))
