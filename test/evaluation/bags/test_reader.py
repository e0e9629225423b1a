from __future__ import annotations

from pathlib import Path

import pytest

from emostress_ros.errors import BagError
from emostress_ros.evaluation.bags.builder import build_bag
from emostress_ros.evaluation.bags.reader import bag_info, read_messages, read_records


@pytest.fixture(params=["mcap", "sqlite3"])
def bag(request, film: Path, tmp_path: Path) -> Path:
    return build_bag(tmp_path / "bag", film, storage=request.param).path


def test_info_counts_what_is_there(bag: Path) -> None:
    info = bag_info(bag)
    assert info.counts == {"/image": 20, "/audio": 25}
    assert info.topics["/image"] == "sensor_msgs/msg/Image"
    assert info.duration_s == pytest.approx(1.9)


def test_records_come_in_order_of_time(bag: Path) -> None:
    times = [record.log_ns for record in read_records(bag)]
    assert len(times) == 45 and times == sorted(times)
    middle = times[20]
    assert all(record.log_ns >= middle for record in read_records(bag, from_ns=middle))


def test_topics_are_chosen_by_name(bag: Path) -> None:
    assert {m.topic for m in read_messages(bag, ["/audio"])} == {"/audio"}
    with pytest.raises(BagError, match=r"holds /audio, /image; got /touch"):
        list(read_messages(bag, ["/touch"]))


def test_no_bag(tmp_path: Path) -> None:
    with pytest.raises(BagError, match="no bag there"):
        bag_info(tmp_path / "none")
    with pytest.raises(BagError, match="no bag there"):
        bag_info(tmp_path)


@pytest.mark.parametrize("keep", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_a_bag_that_is_cut_off(bag: Path, keep: float) -> None:
    (file,) = [p for p in bag.iterdir() if p.suffix in (".mcap", ".db3")]
    file.write_bytes(file.read_bytes()[: int(keep * file.stat().st_size)])
    with pytest.raises(BagError, match="bag"):
        list(read_messages(bag))


def test_metadata_that_is_not_yaml(bag: Path) -> None:
    (bag / "metadata.yaml").write_text("{ [")
    with pytest.raises(BagError, match="not a bag that can be read"):
        bag_info(bag)


def test_a_bag_of_another_definition_is_refused(bag: Path) -> None:
    metadata = bag / "metadata.yaml"
    text = metadata.read_text()
    ours = text.index("RIHS01_", text.index("AudioChunk"))
    metadata.write_text(text[: ours + 7] + "0" * 64 + text[ours + 71 :])
    assert bag_info(bag).outdated == {"emostress_ros/msg/AudioChunk"}
    with pytest.raises(BagError, match="another definition of emostress_ros/msg/AudioChunk"):
        list(read_messages(bag, ["/audio"]))
