from __future__ import annotations

import numpy as np
import pytest

from emostress_ros.affect import MODALITIES
from emostress_ros.training.datasets.empatica import E4Recording, E4Signal
from emostress_ros.training.fusion.spoil import (
    FACE_KINDS,
    PHYSIOLOGY_KINDS,
    TEXT_KINDS,
    VOICE_KINDS,
    spoil_faces,
    spoil_recording,
    spoil_speech,
    spoil_text,
)
from emostress_ros.training.fusion.tables import Table, nothing

torch = pytest.importorskip("torch")

KINDS = ("clean", "replaced")
WIDTHS = {"face": 6, "voice": 5, "physiology": 4, "text": 3, "post": 3}


def table(name: str, people: int = 20, each: int = 21) -> Table:
    """Return made-up answers: right in seven of ten, and noise where the signal is replaced."""
    rng = np.random.default_rng(len(name))
    count = people * each
    person = np.array([f"{name}/{i % people}" for i in range(count)])
    of_stress = name in ("physiology", "post")
    label = rng.integers(0, 2 if of_stress else 7, count)
    right = np.where(rng.random(count) < 0.7, label, rng.integers(0, 7, count) % (label.max() + 1))
    vectors = rng.normal(size=(2, count, WIDTHS[name])).astype(np.float32)
    vectors[0, :, 0] += right
    rows = np.full((2, count, 7), 1 / 7, np.float32)
    stress = nothing(2, count)
    if of_stress:
        stress[0] = np.where(right == 1, 0.8, 0.2)
        stress[1] = rng.random(count)
    else:
        rows[0] = np.where(np.arange(7) == right[:, None], 0.7, 0.05)
        rows[1] = rng.dirichlet(np.ones(7), count)
    if name == "physiology":
        rows[:] = np.nan
    if name == "text":
        stress[:] = 0.4
    quality = np.stack([np.full(count, 0.9), np.full(count, 0.3)]).astype(np.float32)
    nobody = np.full(count, -1)
    modality = "text" if name == "post" else name
    emotion, stressed = (nobody, label) if of_stress else (label, nobody)
    return Table(
        modality, f"{modality}@1", KINDS, vectors, rows, stress, quality, emotion, stressed, person
    )


@pytest.fixture(scope="module")
def joined():
    from emostress_ros.training.fusion.pairs import joined_text

    return joined_text({name: table(name) for name in WIDTHS})


def test_a_table_outlives_its_file(tmp_path):
    made = table("voice")
    made.save(tmp_path / "t.npz")
    read = Table.load(tmp_path / "t.npz")
    assert (read.model, read.kinds, len(read)) == (made.model, KINDS, len(made))
    np.testing.assert_allclose(read.vectors, made.vectors, atol=1e-2)


def test_nobody_is_on_both_sides_of_a_fold(joined):
    from emostress_ros.training.fusion.evaluate import FOLDS, fold_tables

    judged = {name: 0 for name in joined}
    for fold in range(FOLDS):
        train, test = fold_tables(joined, fold)
        for name in joined:
            assert not set(train[name].person) & set(test[name].person)
            judged[name] += len(test[name])
    assert judged == {name: len(whole) for name, whole in joined.items()}


def test_paired_people_share_the_label(joined):
    from emostress_ros.training.fusion.trials import trial_moments

    emotion, stress = trial_moments(joined, np.random.default_rng(0), draws=2)
    for m in (0, 1, 3):
        labels = joined[MODALITIES[m]].emotion[emotion.items[:, m]]
        np.testing.assert_array_equal(labels, emotion.emotion)
    for m in (2, 3):
        labels = joined[MODALITIES[m]].stressed[stress.items[:, m]]
        np.testing.assert_array_equal(labels, stress.stressed)


def test_old_evidence_of_the_training_may_belong_to_another_state(joined):
    from emostress_ros.training.fusion.pairs import Pairs, layout_of

    drawn = Pairs(joined, layout_of(joined)).draw(4000, np.random.default_rng(0))
    of_emotion = drawn.emotion >= 0
    shown = joined["voice"].emotion[drawn.items[:, 1]]
    same = shown == drawn.emotion
    fresh, old = drawn.age_s[:, 1] < 0.5, drawn.age_s[:, 1] > 4.0
    assert same[of_emotion & fresh].mean() > 0.9
    assert 0.3 < same[of_emotion & old].mean() < 0.8


@pytest.mark.parametrize("strategy", ["early", "hybrid", "attention"])
def test_a_short_training_learns_to_fuse_and_exports_what_it_learned(joined, tmp_path, strategy):
    from emostress_ros.training.common import CsvLog
    from emostress_ros.training.fusion.evaluate import Answers, fold_tables, judge, predictor
    from emostress_ros.training.fusion.export import export
    from emostress_ros.training.fusion.fit import FitOptions, fit
    from emostress_ros.training.fusion.nets import DeployedFusion
    from emostress_ros.training.fusion.pairs import Pairs, layout_of
    from emostress_ros.training.fusion.trials import trial_moments

    layout = layout_of(joined)
    train, test = fold_tables(joined, 0)
    log = CsvLog(tmp_path / "log.csv")
    options = FitOptions(steps=90, batch=128, log_every=30)
    net = fit(strategy, Pairs(train, layout), options, log)
    columns = log.read()
    assert {"classification", "consistency", "regularisation"} <= set(columns)
    assert columns["training_loss"][-1] < columns["training_loss"][0]
    pairs = Pairs(test, layout)
    emotion, stress = trial_moments(test, np.random.default_rng(0), 1)
    answers = Answers(), Answers()
    judge(strategy, predictor(net), pairs, (emotion, answers[0]), (stress, answers[1]))

    def right(condition: str) -> float:
        rows = answers[0].of(strategy, condition)
        return float((rows.argmax(axis=1) == emotion.emotion).mean())

    assert right("face + voice + physiology + text") > right("face") + 0.05
    export(DeployedFusion(net), tmp_path / "model.onnx", pairs, emotion)


def test_spoilt_signals_keep_their_form_and_clean_ones_themselves():
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (3, 48, 48), dtype=np.uint8)
    for kind in FACE_KINDS:
        spoilt = spoil_faces(faces, kind, rng)
        assert (spoilt.shape, spoilt.dtype) == (faces.shape, faces.dtype)
        assert np.array_equal(spoilt, faces) is (kind == "clean")
    speech = [rng.normal(0, 0.1, 8000).astype(np.float32) for _ in range(3)]
    for kind in VOICE_KINDS:
        wave, _ = spoil_speech(speech, 0, kind, rng)
        assert wave.shape == speech[0].shape and np.isfinite(wave).all()
        assert np.array_equal(wave, speech[0]) is (kind == "clean")
    texts = ["I really did not expect that to happen today", "what a day"]
    assert spoil_text(texts, 0, "clean", rng) == texts[0]
    for kind in TEXT_KINDS[1:]:
        assert any(spoil_text(texts, 0, kind, rng) != texts[0] for _ in range(5))


@pytest.mark.parametrize("kind", PHYSIOLOGY_KINDS)
def test_a_spoilt_recording_keeps_its_signals_and_stamps(kind):
    rng = np.random.default_rng(0)
    signals = {
        "bvp": E4Signal("bvp", "au", 64.0, 5, rng.normal(size=(6400, 1)).astype(np.float32)),
        "eda": E4Signal("eda", "uS", 4.0, 5, np.ones((400, 1), np.float32)),
        "heart_rate": E4Signal("heart_rate", "bpm", 1.0, 5, np.full((100, 1), 70, np.float32)),
    }
    beats = np.array([10], np.int64), np.array([800.0], np.float32)
    spoilt = spoil_recording(E4Recording("S1", 5, signals, *beats), kind, rng)
    assert spoilt.signals["bvp"].start_ns == 5
    assert spoilt.signals["bvp"].data.shape == (6400, 1)
    changed = not np.array_equal(spoilt.signals["bvp"].data, signals["bvp"].data)
    assert changed is (kind != "clean")
    assert ("heart_rate" in spoilt.signals) is (kind == "clean")


def test_smoothing_is_measured_in_changes_and_delay(joined):
    from emostress_ros.training.fusion.stream import SMOOTHING_S, lines, study

    rows = study("fusion_late", joined, seed=0, length_s=60.0)
    assert [row["smoothing_s"] for row in rows] == list(SMOOTHING_S)
    changes = [row["emotion_changes_per_min"] for row in rows]
    assert changes[-1] < changes[0]
    assert all(row["emotion_onset_delay_s"] >= 0.0 for row in rows)
    assert rows[-1]["emotion_onset_delay_s"] > rows[0]["emotion_onset_delay_s"]
    assert len(lines(rows)) == 2 + len(rows)


class TinyFace(torch.nn.Module):
    """A face network of one layer, with the two parts that the third stage trains through."""

    def __init__(self) -> None:
        super().__init__()
        self.project = torch.nn.Linear(48 * 48, 6)
        self.emotion = torch.nn.Linear(6, 7)

    def embed(self, faces):
        return self.project(faces.flatten(1) / 255.0)


def test_the_third_stage_trains_a_face_network_through_the_fusion(joined, tmp_path):
    from emostress_ros.training.common import CsvLog
    from emostress_ros.training.fusion.fit import FitOptions, fit
    from emostress_ros.training.fusion.pairs import Pairs, layout_of
    from emostress_ros.training.fusion.tune import TuneOptions, face_rows, tune

    torch.manual_seed(0)
    faces = table("face", people=140, each=1)
    rng = np.random.default_rng(0)
    shown = rng.integers(0, 60, (140, 48, 48), dtype=np.uint8)
    for image, label in zip(shown, faces.emotion, strict=True):
        image[:, 6 * label : 6 * label + 6] += 190  # a bright stripe for each emotion
    noise = rng.integers(0, 256, shown.shape, dtype=np.uint8)
    net = TinyFace()
    tables = {**joined, "face": face_rows(net, [shown, noise], faces)}
    layout = layout_of(tables)
    fusion = fit("attention", Pairs(tables, layout), FitOptions(steps=20, batch=64))
    before = net.project.weight.detach().clone()
    log = CsvLog(tmp_path / "tune.csv")
    options = TuneOptions(steps=40, batch=32, face_rate=1e-2)
    tune(net, fusion, shown, Pairs(tables, layout), options, log)
    columns = log.read()
    assert {"classification", "face", "consistency", "regularisation"} <= set(columns)
    assert columns["face"][-1] < columns["face"][0]
    assert not torch.equal(before, net.project.weight)


def test_a_cut_face_network_answers_as_the_whole_one():
    from emostress_ros.training.face.mobilenet import MobileNetV1
    from emostress_ros.training.face.nets import FaceNet
    from emostress_ros.training.fusion.end_to_end import UpperFace, lower_features

    torch.manual_seed(0)
    body = MobileNetV1(3, 48)
    net = FaceNet(body, body.channels).eval()
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    with torch.no_grad():
        whole = net.embed(torch.from_numpy(faces[:, None].astype(np.float32)))
        lower = lower_features(net, faces, units=2)
        cut = UpperFace(net, units=2).embed(torch.from_numpy(lower.astype(np.float32)))
    torch.testing.assert_close(cut, whole, atol=5e-3, rtol=5e-3)


def test_a_fusion_is_scored_by_folds_of_people_never_seen(joined, tmp_path, monkeypatch):
    from emostress_ros.errors import ParameterError
    from emostress_ros.training.fusion import protocol
    from emostress_ros.training.fusion.fit import FitOptions

    monkeypatch.setattr(protocol, "joined_text", lambda made: joined)
    monkeypatch.setattr(protocol, "tables", lambda *args, **more: {})
    monkeypatch.setattr(
        protocol, "FitOptions", lambda steps, seed: FitOptions(steps=40, batch=64, seed=seed)
    )
    asked = {"protocol": "folds", "progress": False, "work": tmp_path}
    whole = protocol.score("paired_emotion", tmp_path, **asked)
    assert (whole.n, whole.extra["persons"]) == (420, 20)  # all voice clips of all speakers
    face = whole.extra["subsets"]["face"]
    assert whole.uar > face["uar"] > 1 / 7
    assert "face noise" in whole.extra["noise"]
    again = protocol.score("paired_emotion", tmp_path, **asked)  # from the networks kept
    assert again.to_json_dict() == whole.to_json_dict()
    any_subset = protocol.score("paired_subsets", tmp_path, **asked)
    assert any_subset.n == 14 * whole.n
    assert face["uar"] < any_subset.uar < whole.uar
    assert "auroc" in protocol.score("paired_stress", tmp_path, **asked).extra
    with pytest.raises(ParameterError, match="'folds'"):
        protocol.score("paired_emotion", tmp_path, protocol="loso")


def test_the_directions_tell_noise_from_a_signal():
    from emostress_ros.training.fusion.directions import telling

    faces = table("face")
    rows = telling(faces, np.ones(WIDTHS["face"]))
    assert rows.shape == (2, WIDTHS["face"])  # noise, and one less than the kinds
    clean, noise = faces.vectors @ rows[0]
    assert noise.mean() > clean.mean() + 0.5


def test_a_fold_is_calibrated_by_the_people_of_the_others_alone():
    from emostress_ros.training.calibrate import fit_temperature, soften
    from emostress_ros.training.fusion.evaluate import ALONE, name_of
    from emostress_ros.training.fusion.validate import SPEAKING, Validation, calibrate

    def answers(skill: float) -> Validation:
        """Five folds; of the last fold's people so many answers are right."""
        rng, found = np.random.default_rng(0), Validation()
        for fold in range(5):
            truth = rng.integers(0, 7, 300)
            found.emotion.truth.append(truth)
            for subset in SPEAKING:
                right = rng.random(300) < (skill if fold == 4 else 0.9)
                top = np.where(right, truth, (truth + 1) % 7)
                rows = np.where(np.arange(7) == top[:, None], 0.4, 0.1)
                for name in ("early", ALONE):
                    found.emotion.add(name, name_of(subset), rows)
        calibrate(found, "early")
        return found

    easy, hard = answers(0.9), answers(0.3)
    everything = name_of(SPEAKING[-1])
    surer = easy.emotion.said["early", everything]
    for fold, rows in enumerate(surer):  # right in nine of ten, and said 0.4: it was too modest
        assert 0.85 < rows.max(axis=1).mean() < 0.95
        before = easy.emotion.said[ALONE, everything][fold]
        np.testing.assert_array_equal(rows.argmax(axis=1), before.argmax(axis=1))
    assert easy.emotion.said[ALONE, everything][0].max() == 0.4  # others are left alone
    # How the last fold's people were answered changes the calibration of the others, not theirs.
    last = hard.emotion.said["early", everything]
    assert last[4].max() == pytest.approx(surer[4].max(), abs=1e-6)
    assert last[0].max() < surer[0].max() - 0.05
    truth = np.concatenate(hard.emotion.truth)
    rows = np.concatenate([hard.emotion.of(ALONE, name_of(s)) for s in SPEAKING])
    ships = fit_temperature(np.tile(truth, len(SPEAKING)), rows)
    assert hard.temperature == {"early": pytest.approx(ships)}
    assert soften(rows[:1], ships).max() < surer[4].max()
