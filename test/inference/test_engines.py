"""Engines are kept by all that they depend on, and what cannot be had is said aloud."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest

from emostress_ros.cli.main import main
from emostress_ros.errors import ParameterError, SignalError
from emostress_ros.inference import ModelCard, Session, ort_backend
from emostress_ros.inference.engines import (
    EngineKey,
    engine_key,
    gpu_name,
    provider_options,
)

CARD = "physiology_wrist"
without_gpu = pytest.mark.skipif(
    "TensorrtExecutionProvider" in onnxruntime.get_available_providers(),
    reason="this machine builds engines: its fallback cannot be seen",
)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSTRESS_ENGINES", str(tmp_path / "engines"))
    return tmp_path / "engines"


def features(session: Session) -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    return {
        name: random.uniform(size=[s if isinstance(s, int) else 3 for s in shape]).astype("f4")
        for name, shape in ((item.name, item.shape) for item in session._inputs.values())
    }


@pytest.mark.parametrize(
    "change",
    [{"gpu": "Orin"}, {"tensorrt": "11.0"}, {"precision": "fp32"}, {"model_sha256": "b" * 64}],
)
def test_an_engine_is_not_found_for_another_gpu_version_precision_or_model(cache, change):
    key = EngineKey("NVIDIA H100 80GB", "10.3", "fp16", "a" * 64)
    key.folder.mkdir(parents=True)
    assert not key.built
    (key.folder / "net.engine").write_bytes(b"compiled")
    assert key.built and not replace(key, **change).built
    assert key.folder.is_relative_to(cache) and len(key.folder.relative_to(cache).parts) == 4


def test_a_name_of_a_gpu_makes_no_path_of_its_own(cache):
    key = EngineKey("../../etc/Tesla V100/32", "10.3", "fp16", "a" * 64)
    assert key.folder.resolve().is_relative_to(cache)


def test_the_provider_is_told_folder_and_precision():
    key = engine_key(b"model", "tensorrt", "fp16")
    options = provider_options("tensorrt", key)
    assert options["trt_engine_cache_path"] == str(key.folder)
    assert (options["trt_fp16_enable"], options["trt_int8_enable"]) == ("1", "0")
    exact = provider_options("tensorrt", engine_key(b"model", "tensorrt", "fp32"))
    assert exact["trt_fp16_enable"] == "0"
    assert provider_options("tensorrt_rtx", key) == {"nv_runtime_cache_path": str(key.folder)}


def test_a_precision_that_cannot_be_is_refused():
    with pytest.raises(ParameterError, match="one of fp32, fp16, int8; got 'fp8'"):
        engine_key(b"model", "tensorrt", "fp8")
    with pytest.raises(ParameterError, match="quantisation scales"):
        engine_key(b"a model of floats", "tensorrt", "int8")
    assert engine_key(b"... DequantizeLinear ...", "tensorrt", "int8").precision == "int8"


def test_the_gpu_is_named_by_its_driver_or_its_board(tmp_path):
    assert gpu_name(tmp_path) == "none"
    board = tmp_path / "proc/device-tree/model"
    board.parent.mkdir(parents=True)
    board.write_bytes(b"NVIDIA Jetson Orin Nano\0")
    assert gpu_name(tmp_path) == "NVIDIA Jetson Orin Nano"
    card = tmp_path / "proc/driver/nvidia/gpus/0000:01:00.0/information"
    card.parent.mkdir(parents=True)
    card.write_text("Model: \t NVIDIA H100\nIRQ: 7\n")
    assert gpu_name(tmp_path) == "NVIDIA H100"


@pytest.mark.parametrize("provider", ["tensorrt", "tensorrt_rtx"])
def test_where_no_engine_can_be_kept_the_model_is_run_all_the_same(cache, caplog, provider):
    cache.write_text("a file where the folder should be")
    options = ort_backend._options(provider, b"model", "fp16")
    assert not [name for name in options if "cache" in name]
    assert f"{provider} builds its engine at every start" in caplog.text


def test_bound_inputs_and_outputs_say_the_same():
    plain, bound = (Session(ModelCard.load(CARD), bind=bind) for bind in (False, True))
    feed = features(plain)
    for name, value in plain.run(feed).items():
        np.testing.assert_array_equal(bound.run(feed)[name], value)


def test_a_run_over_arrays_that_stay_says_the_same_of_whatever_they_hold():
    session = Session(ModelCard.load(CARD))
    first = features(session)
    run = session.bound({name: np.zeros_like(value) for name, value in first.items()})
    for scale in (1.0, 0.5):
        for name, value in first.items():
            run.inputs[name][...] = scale * value
        said = dict(zip(session.output_names, run.run(), strict=True))
        for name, value in session.run({n: scale * v for n, v in first.items()}).items():
            np.testing.assert_array_equal(said[name], value)
    with pytest.raises(SignalError, match="lacks the inputs"):
        session.bound({})


def test_a_warm_up_runs_the_model_and_changes_nothing():
    session = Session(ModelCard.load(CARD))
    before = session.run(features(session))
    assert session.warm_up()
    for name, value in session.run(features(session)).items():
        np.testing.assert_array_equal(before[name], value)


def test_a_model_of_stretches_of_any_length_is_not_warmed_up():
    assert not Session(ModelCard.load("voice_speech")).warm_up()


@without_gpu
def test_building_without_a_gpu_says_what_is_missing(capsys):
    assert main(["engine", "build", "--models", CARD]) == 1
    said = capsys.readouterr().err
    assert "tensorrt is not installed" in said and "CPUExecutionProvider" in said


@without_gpu
def test_a_session_that_falls_back_says_so(caplog):
    session = Session(ModelCard.load(CARD), ("tensorrt", "cpu"))
    assert session.provider == "cpu"
    assert "wanted tensorrt, runs on cpu" in session.fallback
    assert any("wanted tensorrt" in record.message for record in caplog.records)


def test_a_plug_in_that_is_there_but_cannot_be_loaded_is_named_each_time(monkeypatch):
    plugin = types.ModuleType("onnxruntime_ep_nv_tensorrt_rtx")
    plugin.get_library_path = lambda: "/nowhere/libonnxruntime_providers_nv_tensorrt_rtx.so"
    monkeypatch.setitem(sys.modules, plugin.__name__, plugin)
    for _ in range(2):
        session = Session(ModelCard.load(CARD), ("tensorrt_rtx", "cpu"))
        assert session.provider == "cpu"
        assert "tensorrt_rtx is installed, but cannot be loaded" in session.fallback
        assert "/nowhere/lib" in session.fallback


@without_gpu
def test_providers_are_measured_and_those_that_do_not_run_say_why(tmp_path, capsys):
    file = tmp_path / "table.md"
    words = ["--batches", "1,3", "--seconds", "0.01", "-o", str(file)]
    assert main(["engine", "measure", "--models", f"{CARD},face_mobilenet", *words]) == 0
    text = file.read_text()
    first, second = (ModelCard.load(name).identifier for name in (CARD, "face_mobilenet"))
    rows = [line.split(" | ") for line in text.splitlines() if " | cpu | " in line]
    assert [(row[0], row[4]) for row in rows] == [
        (f"| {name}", size) for name in (first, second) for size in "13"
    ]  # fmt: skip
    for row in rows:
        median, late, rate, difference = map(float, row[5:9])
        assert 0 < median <= late and float(difference) == 0
        assert rate == pytest.approx(1e3 * int(row[4]) / median, rel=0.05, abs=1)
    assert f"- cuda, {first}, {second}: wanted cuda" in text
    assert text in capsys.readouterr().out


@pytest.mark.parametrize(
    "words", [["--batches", "1,x"], ["--batches", "0"], ["--providers", "tpu"]]
)
def test_what_cannot_be_measured_is_refused(words, capsys):
    assert main(["engine", "measure", "--models", CARD, *words]) == 1
    assert "got '" in capsys.readouterr().err


def test_engines_are_listed_and_cleared(cache, capsys):
    card = ModelCard.load(CARD)
    key = engine_key(card.file.read_bytes(), "tensorrt")
    key.folder.mkdir(parents=True)
    (key.folder / "net.engine").write_bytes(bytes(1_500_000))
    assert main(["engine", "list"]) == 0
    assert "1.5" in capsys.readouterr().out
    assert main(["engine", "clear"]) == 0
    assert not cache.exists()
