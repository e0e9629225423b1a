"""A stress model for one person, from a recording of theirs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import yaml

from emostress_ros.cli.main import main
from emostress_ros.errors import BagError, CardError, DatasetError, ParameterError
from emostress_ros.evaluation.bags.builder import build_bag
from emostress_ros.evaluation.personal_segments import read_segments
from emostress_ros.evaluation.personalise import own_windows, write_personal
from emostress_ros.inference import ModelCard
from emostress_ros.modalities.physiology import (
    PhysiologyConfig,
    PhysiologyEncoder,
    PhysiologyPipeline,
)
from emostress_ros.training.datasets import stress_predict
from emostress_ros.training.datasets.empatica import E4Recording, read_e4

_SECONDS = 900.0
_UNITS_OF_FILE = {
    "bvp": "BVP.csv", "eda": "EDA.csv", "skin_temperature": "TEMP.csv", "acceleration": "ACC.csv",
}  # fmt: skip


@pytest.fixture(scope="module")
def recording(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first quarter of an hour of a recording, as an E4 folder: rest, then Stroop."""
    subject = next(
        s for s in stress_predict.subjects(shared_data / "physiology") if s.name == "S08"
    )
    folder = tmp_path_factory.mktemp("E4")
    _cut(read_e4(subject.path), folder)
    rows = [(s.start_s, min(s.end_s, _SECONDS), s.stress) for s in subject.segments]
    lines = [f"{a},{b},{stress}" for a, b, stress in rows if a < b]
    (folder.parent / "segments.txt").write_text("\n".join(["start_s,end_s,stress", *lines]) + "\n")
    return folder


def _cut(whole: E4Recording, folder: Path) -> None:
    for name, file in _UNITS_OF_FILE.items():
        signal = whole.signals[name]
        end_ns = whole.start_ns + round(_SECONDS * 1e9)
        stamp, data = signal.between(whole.start_ns, end_ns)
        data = data * 64.0 if name == "acceleration" else data
        head = np.full((2, data.shape[1]), [[stamp / 1e9], [signal.sample_rate_hz]])
        np.savetxt(folder / file, np.r_[head, data], delimiter=",", fmt="%.4f")


def segments_of(folder: Path) -> Path:
    return folder.parent / "segments.txt"


def test_the_node_s_pipeline_speaks_with_the_person_s_model(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "anna"
    words = ["personalise", str(recording), "--segments", str(segments_of(recording))]
    assert main([*words, "--method", "head", "-o", str(out)]) == 0
    assert "stressed" in capsys.readouterr().out
    card = ModelCard.load(out)
    card.check_weights()
    assert card.name == "anna"
    assert card.extra["personal"]["base"].startswith("physiology_wrist@")
    assert card.figures == ()
    segments = read_segments(segments_of(recording))
    before = own_windows(recording, segments, "physiology_wrist")
    pipeline = PhysiologyPipeline(PhysiologyConfig(model=str(out), model_rest=""))
    assert pipeline.encoder.card.identifier == card.identifier
    rows = before.logits
    as_it_was = np.logaddexp(rows[:, 0], rows[:, 1]) - rows[np.arange(len(rows)), before.stress]
    assert _loss(pipeline, recording, segments) < as_it_was.mean() - 0.02
    assert len(before.stress) == card.extra["personal"]["windows"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("start_s,end_s,stress\n0,inf,1\n", ":2: need stress 0 or 1 and 0 <= start < end"),
        ("start_s,end_s,stress\n0,1,1\n".encode("utf-16"), "is not UTF-8"),
    ],
)
def test_segments_that_are_none_are_refused(tmp_path: Path, text: str | bytes, told: str) -> None:
    path = tmp_path / "segments.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DatasetError, match=told):
        read_segments(path)
    path.write_bytes("\ufeffstart_s,end_s,stress\n0,60,1\n".encode())  # as Excel writes it
    assert read_segments(path)[0].end_s == 60.0


def _loss(pipeline: PhysiologyPipeline, recording: Path, segments: list) -> float:
    """Log-loss of what a pipeline says of a recording's labelled windows."""
    from emostress_ros.training.physiology.data import play

    whole, losses = read_e4(recording), []
    for view in play(pipeline, whole):
        end_s = (view.timed.stamp_ns - whole.start_ns) / 1e9
        inside = [s for s in segments if s.start_s + 60 <= end_s <= s.end_s]
        if inside and view.timed.window.channels:
            stress = pipeline.encode("", view).stress
            losses.append(-np.log(stress if inside[0].stress else 1.0 - stress))
    return float(np.mean(losses))


def test_resting_windows_alone_are_read_against_other_people_s_rest(
    recording: Path, tmp_path: Path
) -> None:
    calm = [s for s in read_segments(segments_of(recording)) if s.stress == 0]
    windows = own_windows(recording, calm, "physiology_wrist_rest")
    assert not windows.stress.any()
    assert len(windows.stress) < (calm[0].end_s - calm[0].start_s) / 60 - 1  # the rest is left out
    facts = write_personal(
        windows, "physiology_wrist_rest", tmp_path / "anna", method="calibration"
    )
    assert facts["stressed"] == 0
    card = ModelCard.load(tmp_path / "anna")
    shift = card.extra["adaptation"]["shift"][1]
    usual = card.extra["rest_population"]["mean"][1]
    assert np.sign(shift) == np.sign(usual - windows.logits[:, 1].mean())


def test_a_bag_gives_the_windows_of_the_person_that_is_named(
    recording: Path, tmp_path: Path
) -> None:
    bag = tmp_path / "bag"
    build_bag(bag, None, None, recording, 0.0, 400.0, None, person_id="anna", progress=False)
    segments = [s for s in read_segments(segments_of(recording)) if s.stress == 0]
    from_bag = own_windows(bag, segments, "physiology_wrist", "anna")
    from_e4 = own_windows(recording, segments, "physiology_wrist")
    count = len(from_bag.stress)
    assert count >= 5
    # The bag ends earlier; what both hold reads alike.
    assert np.allclose(from_bag.logits[:5], from_e4.logits[:5], atol=0.2)
    with pytest.raises(BagError, match="anna"):
        own_windows(bag, segments, "physiology_wrist", "bob")


def test_what_cannot_be_personalised_is_named(recording: Path, tmp_path: Path) -> None:
    table = tmp_path / "segments.csv"
    with pytest.raises(DatasetError, match="no such file"):
        read_segments(table)
    table.write_text("start_s,stress\n0,1\n")
    with pytest.raises(DatasetError, match="end_s"):
        read_segments(table)
    table.write_text("start_s,end_s,stress\n9,5,1\n")
    with pytest.raises(DatasetError, match="start < end"):
        read_segments(table)
    table.write_text("start_s,end_s,stress\n0,30,1\n")
    with pytest.raises(DatasetError, match="no whole window"):
        own_windows(recording, read_segments(table), "physiology_wrist")
    with pytest.raises(ParameterError, match="no segment is unstressed"):
        own_windows(recording, read_segments(table), "physiology_wrist_rest")
    base = ModelCard.load("physiology_wrist")
    twice = {**base.raw, "extra": {**base.extra, "adaptation": {}}}
    (tmp_path / "bob").mkdir()
    (tmp_path / "bob" / "model.yaml").write_text(yaml.safe_dump(twice))
    with pytest.raises(ParameterError, match="already"):
        own_windows(recording, read_segments(table), str(tmp_path / "bob"))
    with pytest.raises(CardError, match=r"extra\.adaptation"):
        PhysiologyEncoder(ModelCard.load(tmp_path / "bob"))
