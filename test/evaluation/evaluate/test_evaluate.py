"""A bag and its labels in, a report out."""

from __future__ import annotations

import json
import math
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emostress_ros.affect import NANOSECONDS, Embedding
from emostress_ros.cli.main import main
from emostress_ros.errors import BagError, MissingExtraError, ParameterError
from emostress_ros.evaluation.bags.sample import build_sample
from emostress_ros.evaluation.evaluate import engines, playback
from emostress_ros.evaluation.evaluate.evaluation import evaluate
from emostress_ros.evaluation.evaluate.job import Job, evaluate_bag
from emostress_ros.evaluation.evaluate.labels import Label
from emostress_ros.evaluation.evaluate.page import write_page
from emostress_ros.evaluation.evaluate.result import ALL, WITHOUT_REST, BagResult
from emostress_ros.evaluation.evaluate.senses import Heard
from emostress_ros.evaluation.evaluate.settings import NODE_ONLY, Settings, with_models
from emostress_ros.evaluation.evaluate.summary import summarise
from emostress_ros.fusion import FusionConfig

SLOW = {"fusion": {"rate_hz": 2.0}}
BRIEF = Settings(parameters=SLOW, ablation=False, offsets_ms=(), noise_levels=())
SAMPLE_LABELS = (
    Label("sample", "", 0.0, 3.0, emotion="neutral", stress=0.0, valence=0.1),
    Label("sample", "", 3.0, 6.0, emotion="happy", stress=1.0, valence=0.5),
)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    return build_sample(tmp_path_factory.mktemp("sample") / "sample", duration_s=6.0).path


@pytest.fixture(scope="module")
def everything(sample) -> BagResult:
    settings = Settings(parameters=SLOW, offsets_ms=(-500, 0, 500), noise_levels=(3,))
    return evaluate_bag(Job(sample, SAMPLE_LABELS, settings))


def test_no_message_is_lost_and_every_sense_is_heard(everything):
    facts = everything.facts
    assert facts["messages"] == facts["messages_in_bag"]
    assert set(facts["messages"]) == {"/audio", "/image", "/physiology", "/utterance"}
    assert min(facts["embeddings"].values()) > 0 and not facts["rejected"]
    assert everything.timing["main_run_times_faster_than_real_time"] > 1.0


def test_all_that_is_tried_has_answers_of_its_own(everything):
    runs = everything.runs
    present = [x for x, n in everything.facts["embeddings"].items() if n]
    subsets = [name for name in runs if name.startswith("subset:")]
    assert len(subsets) == 2 ** len(present) - 1
    assert {"offset:-500", "offset:0", "offset:500"} <= set(runs)
    assert {f"noise:{sense}:3" for sense in present} <= set(runs)
    assert np.isnan(runs["subset:physiology"].probabilities).all()
    assert not np.array_equal(
        runs["subset:face"].probabilities, runs["noise:face:3"].probabilities, equal_nan=True
    )
    assert not np.array_equal(
        runs["offset:-500"].values["valence"], runs["offset:500"].values["valence"], equal_nan=True
    )


def test_a_result_survives_its_file(everything):
    again = BagResult.from_bytes(everything.to_bytes())
    assert again.to_bytes() == everything.to_bytes()
    with pytest.raises(ValueError, match="damaged"):
        BagResult.from_bytes(everything.to_bytes()[:-40])


def test_the_command_writes_the_same_json_twice_and_a_page_that_stands_alone(
    bags, labels, tmp_path
):
    rows = [f"{x.bag},{x.person},{x.start_s},{x.end_s},{x.stress}" for x in labels]
    csv = tmp_path / "labels.csv"
    csv.write_text("bag,person,start_s,end_s,stress\n" + "\n".join(rows) + "\n")
    config = tmp_path / "nodes.yaml"
    config.write_text("/**/fusion_node:\n  ros__parameters:\n    rate_hz: 2.0\n")
    words = ["evaluate", *map(str, bags[:2]), "--labels", str(csv), "--no-noise"]
    words += ["--config-file", str(config)]
    for name in ("one", "two"):
        assert main([*words, "-o", str(tmp_path / name), "--pictures"]) == 0
    one, two = ((tmp_path / name / "report.json").read_bytes() for name in ("one", "two"))
    assert one == two
    summary = json.loads(one)
    assert set(summary["bags"]) == {"p0", "p1"} and len(summary["persons"]) == 2
    assert summary["overall"]["stress"]["n"] > 50
    page = (tmp_path / "one" / "report.html").read_text()
    assert "data:image/png;base64" in page and 'src="http' not in page
    assert list((tmp_path / "one" / "pictures").glob("*.png"))


def test_engines_give_the_same_and_list_what_fails(bags, labels, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "metadata.yaml").write_text("no bag")
    stated = [*labels, Label("broken", "", 0.0, 1.0, stress=0.0)]
    found = [*bags[:2], broken, tmp_path / "unlabelled"]
    done = {
        engine: evaluate(found, stated, tmp_path / engine, BRIEF, engine=engine, workers=2)
        for engine in ("serial", "process")
    }
    texts = [(tmp_path / engine / "report.json").read_text() for engine in done]
    assert texts[0] == texts[1]
    failures = done["process"].failures
    assert "not a bag" in failures["broken"] and "no label of the bag" in failures["unlabelled"]
    assert len(done["process"].results) == 2
    assert (
        "broken: could not be evaluated"
        in write_page(done["process"], tmp_path / "process", title="t").read_text()
    )


def test_ray_gives_the_same(bags, labels, tmp_path):
    pytest.importorskip("ray")
    for engine in ("serial", "ray"):
        evaluate(bags[:2], labels, tmp_path / engine, BRIEF, engine=engine, workers=2)
    assert (tmp_path / "serial/report.json").read_text() == (
        tmp_path / "ray/report.json"
    ).read_text()


def test_an_engine_that_is_not_there_is_named(bags, labels, tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match="engine must be one of serial, process, ray"):
        evaluate(bags, labels, tmp_path, BRIEF, engine="cloud")
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'emostress_ros\[ray\]'"):
        evaluate(bags, labels, tmp_path, BRIEF, engine="ray")


def test_what_was_done_is_not_done_again(bags, labels, tmp_path):
    evaluate(bags[:1], labels, tmp_path, BRIEF)
    grown = evaluate(bags[:2], labels, tmp_path, BRIEF, resume=True)
    assert grown.reused == ["p0"] and len(grown.results) == 2
    changed = evaluate(bags[:2], labels, tmp_path, replace(BRIEF, settle_s=5.0), resume=True)
    assert changed.reused == []


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from emostress_ros.evaluation.evaluate import engines
    from emostress_ros.evaluation.evaluate.job import Job
    from emostress_ros.evaluation.evaluate.labels import Label
    from emostress_ros.evaluation.evaluate.settings import Settings

    def main():
        settings = Settings(ablation=False, offsets_ms=(), noise_levels=())
        jobs = [Job(Path(x), (Label(Path(x).name, "", 0, 100, stress=0.0),), settings)
                for x in sys.argv[1:]]
        start = engines._start

        def start_and_kill(context, job, attempt):
            worker = start(context, job, attempt)
            if job.name == "p0" or attempt == 1:
                os.kill(worker.process.pid, signal.SIGKILL)
            return worker

        engines._start = start_and_kill
        for outcome in engines.run_jobs(jobs, "process", 2):
            print(outcome.job.name, outcome.data is not None, outcome.reason)

    if __name__ == "__main__":
        main()
"""


def test_a_killed_worker_costs_another_try_and_does_not_end_the_run(bags, tmp_path):
    script = tmp_path / "killed.py"
    script.write_text(textwrap.dedent(KILLED))
    done = subprocess.run(
        [sys.executable, str(script), *map(str, bags[:2])],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "p1 True" in done.stdout
    how = f"exit status -{signal.SIGKILL:d}"
    assert f"p0 False its worker died 2 times, the last time with {how}" in done.stdout


def test_the_resting_baseline_is_measured_not_scored_and_compared(bags, labels):
    own = tuple(x for x in labels if x.bag == "p0")
    brief = replace(BRIEF, parameters={**SLOW, "physiology": {"baseline_s": 60.0}})
    with_rest = evaluate_bag(Job(bags[0], own, replace(brief, baseline="rest")))
    without = evaluate_bag(Job(bags[0], own, BRIEF))
    assert with_rest.facts["models"]["physiology"] != without.facts["models"]["physiology"]
    assert set(with_rest.runs) == {ALL, WITHOUT_REST}
    assert len(with_rest.moments) == len(without.moments) - 59
    assert min(with_rest.moments.at_ns) >= with_rest.facts["zero_ns"] + 60 * NANOSECONDS


def test_a_rest_recorded_before_is_read_against_from_the_first_moment(bags, labels, tmp_path):
    own = tuple(x for x in labels if x.bag == "p0")
    (tmp_path / "rests").mkdir()
    shutil.copytree(bags[0], tmp_path / "rests" / "p0")
    before = replace(BRIEF, rest_bag=str(tmp_path / "rests" / "{bag}"))
    rested, without = (evaluate_bag(Job(bags[0], own, s)) for s in (before, BRIEF))
    assert [x["kept"] for x in rested.facts["rest"]] == [["physiology"]]
    assert rested.facts["models"]["physiology"] != without.facts["models"]["physiology"]
    assert len(rested.moments) == len(without.moments)
    unread = rested.runs[WITHOUT_REST].values["stress"]
    assert np.array_equal(unread, without.runs[ALL].values["stress"], equal_nan=True)
    assert rested.facts["onsets_without_rest"] == without.facts["onsets"]
    (found,) = summarise([rested], {}, before)["baseline"]["persons"]
    assert set(found["onset"]) == {"on", "off"}
    with pytest.raises(ParameterError, match="not both"):
        replace(before, baseline="rest")
    with pytest.raises(BagError):
        evaluate_bag(Job(bags[0], own, replace(BRIEF, rest_bag=str(tmp_path / "none"))))


def embedding(modality, stamp_ns, happy, person="anna") -> Heard:
    rest = (1.0 - happy) / 6
    probabilities = np.array([rest, rest, rest, happy, rest, rest, rest], np.float32)
    labels = ("neutral", "angry", "sad", "happy", "surprised", "disgusted", "scared")
    made = Embedding(stamp_ns, modality, "face_resnet_small@1", np.zeros(4, np.float32), 0.9,
                     person_id=person, labels=labels, probabilities=probabilities)  # fmt: skip
    return Heard(stamp_ns + 20_000_000, made)


def test_states_are_those_of_the_fusion_at_its_rate_until_the_bag_ends():
    start = 10**18
    heard = [embedding("face", start + n * 40_000_000, 0.9) for n in range(100)]
    played = playback.play(heard, FusionConfig(), start + 5 * NANOSECONDS)
    states = played.states
    assert states.people == ("anna",) and set(played.owners) == {"anna"}
    assert 45 <= len(states) <= 56
    assert np.all(np.diff(states.at_ns) >= 0)
    assert (states.at_ns - states.stamp_ns)[:35].max() < 200_000_000
    late = playback.shifted(heard, "face", 500)
    assert late[0].embedding.stamp_ns - heard[0].embedding.stamp_ns == 500_000_000
    assert playback.only(heard, ("voice",)) == []


def test_models_may_differ_by_bag(tmp_path):
    settings = Settings(parameters=with_models({}, {"physiology": "folds/{bag}"}))
    assert settings.config("physiology", "S2").model == "folds/S2"
    assert settings.config("physiology", "S2").model_rest == "physiology_wrist_rest"
    with pytest.raises(ParameterError, match="--model must name one of face"):
        with_models({}, {"nose": "x"})


def test_parameters_of_the_nodes_alone_are_known():
    parameters = pytest.importorskip("emostress_ros.nodes.parameters")
    assert {spec.name for spec in parameters.NodeConfig.specs()} <= NODE_ONLY


def test_the_default_engine_waits_for_nobody(bags, labels):
    began = time.monotonic()
    jobs = [Job(bags[0], tuple(x for x in labels if x.bag == "p0"), BRIEF)]
    (outcome,) = engines.run_jobs(jobs, "serial")
    assert outcome.data is not None
    assert time.monotonic() - began < 50.0  # a bag of 100 s, at more than twice its pace
    assert not math.isnan(BagResult.from_bytes(outcome.data).timing["seconds"])
