"""Bags that others made: remapped topics, types that are not installed, no stamps."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import numpy as np
import pytest
from foreign_bags import AUDIO_DIALECTS, chunks, foreign_writer

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, ParameterError
from emostress_ros.evaluation.bags.reader import bag_info, read_messages
from emostress_ros.evaluation.evaluate.adapt import adapt_bag
from emostress_ros.evaluation.evaluate.routes import Remap, read_remap, routes_of
from emostress_ros.evaluation.evaluate.samples import SteadyClock
from emostress_ros.evaluation.evaluate.senses import hear, routes
from emostress_ros.evaluation.evaluate.settings import Settings

START_NS = 1_700_000_000 * NANOSECONDS


def float32_bag(path, jitter_s=0.03):
    """A minute of an Empatica driver's bare numbers, received with a radio's delays."""
    random = np.random.default_rng(1)
    with foreign_writer(path) as bag:
        for n in range(64 * 70):
            late = int(NANOSECONDS * abs(random.normal(0, jitter_s)))
            value = 50 * np.sin(2 * np.pi * 1.2 * n / 64) + 15 * np.sin(4 * np.pi * 1.2 * n / 64)
            at = START_NS + n * NANOSECONDS // 64 + late
            bag.add("/biosensors/empatica_e4/bvp", "std_msgs/msg/Float32", at, data=float(value))
    return path


def test_a_wearable_without_stamps_is_heard_and_marked(tmp_path):
    bag = float32_bag(tmp_path / "bag")
    settings = Settings(remap=read_remap("biosensors"))
    hearing = hear(bag, routes(bag, settings), settings)
    assert hearing.unstamped == {"/biosensors/empatica_e4/bvp": 64 * 70}
    assert not hearing.rejected
    said = hearing.heard["physiology"]
    assert len(said) >= 9
    assert {item.embedding.source_id for item in said} == {"biosensors/empatica_e4"}
    assert abs(said[-1].embedding.stamp_ns - said[-1].arrival_ns) < 10 * NANOSECONDS
    assert said[-1].embedding.quality > 0.3


def test_steady_stamps_follow_a_rate_and_begin_anew_after_a_gap():
    clock, random = SteadyClock(64.0), np.random.default_rng(0)
    times = START_NS + np.arange(640) * NANOSECONDS // 64
    received = times + (NANOSECONDS * random.uniform(0, 0.05, 640)).astype(np.int64)
    stamps = np.array([clock.first_ns(int(t), 1) for t in received])
    steps = np.diff(stamps) / NANOSECONDS
    assert np.abs(steps - 1 / 64).max() < 0.002
    assert np.abs(stamps - times).max() < 0.06 * NANOSECONDS
    after_gap = int(times[-1] + 5 * NANOSECONDS)
    assert clock.first_ns(after_gap, 1) == after_gap


@pytest.mark.parametrize("dialect", AUDIO_DIALECTS)
def test_both_dialects_of_audio_common_are_heard_though_not_installed(tmp_path, dialect):
    bag = AUDIO_DIALECTS[dialect](tmp_path / "bag", START_NS)
    settings = Settings()
    (route,) = routes(bag, settings)
    assert route.role == "audio"
    hearing = hear(bag, [route], settings)
    assert hearing.used["/mic"] == 100 and not hearing.rejected
    assert bool(hearing.unstamped) == (dialect in ("AudioData", "Audio"))


@pytest.mark.parametrize("dialect", ["AudioStamped", "AudioDataStamped"])
def test_an_old_bag_without_definitions_is_heard(tmp_path, dialect):
    bag = AUDIO_DIALECTS[dialect](tmp_path / "bag", START_NS, "SQLITE3")
    (file,) = bag.glob("*.db3")
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("DELETE FROM message_definitions")
    hearing = hear(bag, routes(bag, Settings()), Settings())
    assert hearing.used["/mic"] == 100 and not hearing.rejected


def test_an_adapted_bag_says_the_same_in_messages_of_our_own(tmp_path):
    bag = float32_bag(tmp_path / "bag")
    remap = read_remap("biosensors")
    done = adapt_bag(bag, tmp_path / "adapted", remap)
    assert done.unstamped == {"/biosensors/empatica_e4/bvp": 64 * 70} and not done.rejected
    assert bag_info(done.bag.path).topics == {"/physiology": "emostress_ros/msg/PhysiologySamples"}
    theirs, ours = Settings(remap=remap), Settings()
    before = hear(bag, routes(bag, theirs), theirs).heard["physiology"]
    after = hear(done.bag.path, routes(done.bag.path, ours), ours).heard["physiology"]
    assert [x.arrival_ns for x in before] == [x.arrival_ns for x in after]
    assert [x.embedding.stress for x in before] == [x.embedding.stress for x in after]


@pytest.mark.parametrize("dialect", AUDIO_DIALECTS)
def test_adapted_sound_is_the_same_sound(tmp_path, dialect):
    bag = AUDIO_DIALECTS[dialect](tmp_path / "bag", START_NS)
    done = adapt_bag(bag, tmp_path / "adapted")
    heard = [item.message for item in read_messages(done.bag.path)]
    assert done.bag.counts == {"/audio": 100}
    assert {(x.sample_rate_hz, x.channels) for x in heard} == {(16000, 1)}
    sound = np.concatenate([x.data for x in heard])
    np.testing.assert_array_equal(sound, np.concatenate([tone for _, tone in chunks()]))


def test_what_a_remapping_gets_wrong_is_named(tmp_path):
    def remap(text):
        path = tmp_path / "remap.yaml"
        path.write_text(text, encoding="utf-8")
        return read_remap(path)

    with pytest.raises(ParameterError, match="none of those shipped: biosensors"):
        read_remap("nowhere")
    with pytest.raises(ParameterError, match="must map 'topics'"):
        remap("- a\n")
    with pytest.raises(ParameterError, match="need a mapping with 'role'"):
        remap("topics: {/a: {role: smell}}")
    with pytest.raises(ParameterError, match="no setting 'rate'"):
        remap("topics: {/a: {role: audio, rate: 3}}")
    with pytest.raises(ParameterError, match="'sample_rate_hz' must be a number; got 'fast'"):
        remap("topics: {/a: {role: audio, sample_rate_hz: fast}}")
    bare = {"/a": "std_msgs/msg/Float32"}
    with pytest.raises(ParameterError, match="'signal' must be one of bvp"):
        routes_of(bare, remap("topics: {a: {role: physiology}}"))
    with pytest.raises(ParameterError, match="'unit' of eda must be one of"):
        routes_of(bare, remap("topics: {a: {role: physiology, signal: eda, unit: V}}"))
    with pytest.raises(ParameterError, match="'sample_rate_hz' of eda must be 1 to 256"):
        routes_of(bare, remap("topics: {a: {role: physiology, signal: eda, unit: uS}}"))
    with pytest.raises(ParameterError, match="Float32 cannot be the image"):
        routes_of(bare, remap("topics: {a: {role: image}}"))


def test_topics_are_found_by_type_and_rivals_must_be_chosen():
    image, compressed = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    two = {"/left/image": image, "/right/image": compressed}
    with pytest.raises(BagError, match="several topics could be the image: /left/image"):
        routes_of(two)
    own = {**two, "/image": image}
    assert [x.topic for x in routes_of(own)] == ["/image"]
    told = Remap("told", {"/right/image": {"role": "image"}})
    assert [x.topic for x in routes_of(two, told)] == ["/right/image"]
    ignored = Remap("told", {"/right/image": {"role": "ignore"}})
    assert [x.topic for x in routes_of(two, ignored)] == ["/left/image"]
    with pytest.raises(BagError, match=r"no topic that a sense .* /n \(std_msgs/msg/Float32\)"):
        routes_of({"/n": "std_msgs/msg/Float32"})
