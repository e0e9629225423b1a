from __future__ import annotations

import math

import pytest

from emostress_ros.errors import DatasetError
from emostress_ros.evaluation.evaluate.labels import of_bag, read_labels, read_segments

HEAD = "bag,person,start_s,end_s,emotion,stress,valence,arousal\n"


def write(tmp_path, text):
    path = tmp_path / "labels.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_labels_are_read_in_order_of_time(tmp_path):
    rows = "b1,anna,10,20,happy,,0.5,\nb1,anna,0,10,,1,,-0.2\nb2,,0,5,sad,,,\n\n"
    labels = read_labels(write(tmp_path, HEAD + rows))
    first, second = of_bag(labels, "b1")
    assert (first.start_s, first.stress, first.states) == (0.0, 1.0, ("stress", "arousal"))
    assert second.emotion == "happy" and math.isnan(second.stress)
    assert of_bag(labels, "b2")[0].person == ""


def test_times_count_from_the_bags_zero_or_are_unix_time(tmp_path):
    rows = "b,,1.5,2,sad,,,\nb,,1700000000.5,1700000001,sad,,,\n"
    near, unix = read_labels(write(tmp_path, HEAD + rows))
    assert near.between_ns(10**18) == (10**18 + 1_500_000_000, 10**18 + 2_000_000_000)
    assert unix.between_ns(10**18)[0] == 1_700_000_000_500_000_000


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("bag,person,start_s,end_s\nb,,0,1\n", "one or more of emotion, stress"),
        ("bag,start_s,end_s,stress\nb,0,1,1\n", "need the columns bag, person"),
        ("bag,person,start_s,end_s,mood\nb,,0,1,x\n", "got bag, person, start_s, end_s, mood"),
        (HEAD + "b,,5,5,sad,,,\n", ":2: need 0 <= start_s < end_s"),
        (HEAD + "b,,0,inf,sad,,,\n", ":2: need 0 <= start_s < end_s <= .*; got 0, inf"),
        (HEAD.encode("utf-16"), "is not UTF-8"),
        (HEAD + "b,,0,x,sad,,,\n", ":2: 'end_s' must be a number; got 'x'"),
        (HEAD + "b,,0,1,bored,,,\n", "emotion must be one of neutral, angry"),
        (HEAD + "b,,0,1,,1.5,,\n", r"'stress' must lie in \[0, 1\]; got 1.5"),
        (HEAD + "b,,0,1,,,nan,\n", r"'valence' must lie in \[-1, 1\]; got nan"),
        (HEAD + "b,,0,1,,,,\n", ":2: says nothing"),
        (HEAD + ",,0,1,sad,,,\n", "'bag' must name a bag"),
        (HEAD + "b,,0,1,sad\n", ":2: need 8 values"),
        (HEAD + "b,,0,5,sad,,,\nb,,4,9,happy,,,\n", "two labels of emotion of '' in 'b' overlap"),
        (HEAD, "holds no label"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, told):
    with pytest.raises(DatasetError, match=told):
        read_labels(write(tmp_path, text))


def test_a_bag_without_labels_is_told_which_there_are(tmp_path):
    labels = read_labels(write(tmp_path, HEAD + "session1,,0,1,sad,,,\n"))
    with pytest.raises(DatasetError, match="did you mean 'session1'"):
        of_bag(labels, "sesion1")


def test_segments_of_the_stress_sets_are_labels(tmp_path):
    path = write(
        tmp_path,
        "dataset,subject,condition,stress,start_s,end_s\nwesad,S2,baseline,0,1,100\n"
        "wesad,S2,tsst,1,200,300\n",
    )
    labels = read_segments(path)
    assert [x.stress for x in of_bag(labels, "wesad_S2")] == [0.0, 1.0]
    assert of_bag(labels, "wesad_S2")[1].person == "S2"
