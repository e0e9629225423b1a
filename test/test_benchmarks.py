"""What the benchmarks say of a row is what was measured, and a row that does not hold shows it."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.result import Check, Row, duel
from benchmarks.timing import Stolen, Times, interleave, percentile, ratios


def times(*values: float) -> Times:
    return Times(values)


def spend(iterations: int) -> None:
    total = 0
    for number in range(iterations):
        total += number * number


def test_a_contestant_that_does_five_times_the_work_takes_about_five_times_as_long():
    found = interleave({"one": lambda: spend(4_000), "five": lambda: spend(20_000)}, 0.3)
    low, middle, high = ratios(found["one"], found["five"])
    assert low <= middle <= high
    assert 3.5 < middle < 7.0
    assert len(found["one"].rounds_ms) == len(found["five"].rounds_ms) >= 5


def test_the_ratio_is_that_of_rounds_side_by_side():
    assert ratios(times(1, 2, 4), times(10, 40, 40)) == (10, 10, 20)
    assert percentile([5, 1, 3], 0.99) == 5


STAT = "cpu  100 0 50 800 10 5 5 {steal} 7 0\ncpu0 1 1 1 1 1 1 1 999 1 1\nintr 5\n"


def test_the_share_that_the_host_took_is_that_of_all_processors_since_the_start(tmp_path):
    stat = tmp_path / "stat"
    stat.write_text(STAT.format(steal=30))
    stolen = Stolen(stat)
    assert stolen.percent() == 0
    stat.write_text(STAT.format(steal=80).replace(" 800 ", " 950 "))
    assert stolen.percent() == pytest.approx(100 * 50 / 200)
    assert str(stolen) == "the host took 25.0 % of the machine's time away"


@pytest.mark.parametrize(
    "text", [None, "", "cpu  1 2 3 4 5 6 7\n", "cpu  a b\n", "cpu0 1 1 1 1 1 1 1 9\n"]
)
def test_a_machine_that_does_not_tell_what_the_host_took_has_no_share(tmp_path, text):
    stat = tmp_path / "stat"
    if text is not None:
        stat.write_text(text)
    stolen = Stolen(stat)
    assert stolen.percent() is None
    assert "not told" in str(stolen)


@pytest.mark.parametrize(
    ("value", "limit", "at_most", "holds"),
    [(10, 10, False, True), (9.9, 10, False, False), (1, 1, True, True), (2, 1, True, False),
     (float("nan"), 1, True, False), (float("nan"), 1, False, False)],
)  # fmt: skip
def test_a_check_holds_at_its_limit_and_never_for_nan(value, limit, at_most, holds):
    assert Check("x", value, limit, at_most).holds is holds


def test_a_row_that_does_not_hold_is_printed_as_such():
    rows = [
        duel("g", "fast one", "peer", times(1, 1, 1), times(20, 20, 20), 10.0),
        duel("g", "slow one", "peer", times(1, 1, 1), times(5, 5, 5), 10.0),
        Row("g", "absent one", "peer", skipped="peer is not installed"),
    ]
    assert [row.holds for row in rows] == [True, False, False]
    about = report.machine()
    console = Console(width=300, record=True, file=io.StringIO())
    report.print_table(rows, about, console)
    shown = console.export_text()
    assert "NO" in shown and "peer is not installed" in shown and "1 of 3 rows hold" in shown
    lines = report.markdown(rows, about).splitlines()
    (slow,) = (line for line in lines if "slow one" in line)
    assert "**no**" in slow and "× 5 (≥ 10)" in slow
    content = json.loads(report.to_json(rows, about))
    assert [row["holds"] for row in content["rows"]] == [True, False, False]
    assert content["rows"][1]["ratio"] == {"min": 5, "median": 5, "max": 5}
    assert content["machine"]["versions"]["numpy"]


def test_a_generated_section_is_replaced_and_the_rest_stays(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- generated: x -->\nold\n<!-- end: x -->\nb\n")
    report.write_section(page, "x", "new\n")
    report.write_section(page, "y", "never\n")
    assert page.read_text() == "a\n<!-- generated: x -->\nnew\n<!-- end: x -->\nb\n"


def test_a_crowd_gets_the_shipped_parameters_and_as_many_faces_as_there_are():
    yaml = pytest.importorskip("yaml")
    for module in ("rclpy", "psutil"):
        pytest.importorskip(module)
    from benchmarks.scale import CROWDS, Crowd, parameters
    from emostress_ros.resources import share_directory

    shipped = yaml.safe_load((share_directory() / "config" / "emostress.yaml").read_text())
    for crowd in (Crowd(), Crowd(faces=16)):
        with parameters(crowd) as path:
            raw = yaml.safe_load(path.read_text())
        assert raw["/**/face_node"]["ros__parameters"].pop("max_faces") == max(8, crowd.faces)
        assert raw == shipped and not path.exists()
    assert {crowd.faces for crowd in CROWDS} >= {1, 4, 16}
