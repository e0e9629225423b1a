"""TensorRT driven by its own module: what it says, what it keeps, and what it refuses aloud."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_cudart import Cudart
from fake_tensorrt import fake_tensorrt

from emostress_ros.cli.main import main
from emostress_ros.errors import SignalError
from emostress_ros.inference import ModelCard, Session
from emostress_ros.inference.card import Sizes
from emostress_ros.inference.engines import cache_folder
from emostress_ros.inference.native import cuda, runtime
from emostress_ros.inference.providers import NATIVE

pytest.importorskip("onnx")
FACE, FUSION, TEXT, TREES = "face_mobilenet", "fusion_attention", "text_minilm", "physiology_wrist"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EMOSTRESS_ENGINES", str(tmp_path / "engines"))
    runtime.load_runtime.cache_clear()
    yield tmp_path / "engines"
    runtime.load_runtime.cache_clear()


@pytest.fixture
def machine(monkeypatch):
    """Return what makes this machine one with a GPU and a version of TensorRT."""

    def make(version: str = "10.3.0", **gpu):
        cudart = Cudart(**gpu)
        trt = fake_tensorrt(cudart, version)
        monkeypatch.setitem(sys.modules, "tensorrt", trt)
        monkeypatch.setattr(cuda.ctypes, "CDLL", lambda name: cudart)
        runtime.load_runtime.cache_clear()
        return trt

    return make


def faces(count: int) -> dict[str, np.ndarray]:
    shape = (count, 1, 48, 48)
    return {"face": np.random.default_rng(count).integers(0, 256, shape).astype("u1")}


def people(count: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(count)
    return {
        "embeddings": random.random((count, 920)), "evidence": random.random((count, 3, 20)),
    }  # fmt: skip


def engine_files() -> list[Path]:
    return sorted(cache_folder().rglob("*.engine"))


def same(one: dict[str, np.ndarray], other: dict[str, np.ndarray], within: float = 1e-2) -> None:
    assert list(one) == list(other)
    for name, value in one.items():
        assert value.dtype == other[name].dtype and value.shape == other[name].shape
        np.testing.assert_allclose(
            value, other[name], atol=within * max(1, np.abs(value).max(initial=0))
        )


@pytest.mark.parametrize("version", ["8.6.2", "10.3.0", "11.4.0"])
def test_it_says_what_the_cpu_says_in_any_order_of_batches(machine, version):
    machine(version)
    ours, cpu = Session(ModelCard.load(FACE), (NATIVE, "cpu")), Session(ModelCard.load(FACE))
    assert ours.provider == NATIVE and not ours.fallback
    for count in (1, 3, 2, 5, 1):
        same(ours.run(faces(count)), cpu.run(faces(count)))


def test_no_faces_give_no_answers(machine):
    machine()
    ours, cpu = (Session(ModelCard.load(FACE), (name,)) for name in (NATIVE, "cpu"))
    same(ours.run(faces(0)), {name: value[:0] for name, value in cpu.run(faces(1)).items()})


@pytest.mark.parametrize("count", [33, 70])
def test_batches_that_no_engine_takes_are_run_in_parts(machine, count):
    machine()
    ours, cpu = (Session(ModelCard.load(FUSION), (name,)) for name in (NATIVE, "cpu"))
    same(ours.run(people(count)), cpu.run(people(count)), 1e-5)


def test_a_size_beyond_the_engines_is_refused_by_name_and_leaves_no_trace(machine):
    machine()
    ours = Session(ModelCard.load(FUSION), (NATIVE,))
    before = ours.run(people(1))
    feed = {"embeddings": np.zeros((2, 920)), "evidence": np.zeros((2, 9, 20))}
    with pytest.raises(SignalError, match=r"'evidence' must be \['1..32', '1..8', 20\].*9, 20"):
        ours.run(feed)
    same(ours.run(people(1)), before, 0)


@pytest.mark.parametrize(("version", "dtype"), [("8.6.2", "i4"), ("10.3.0", "i8")])
def test_ids_of_int64_reach_an_engine_of_int32_or_are_refused(machine, version, dtype):
    machine(version)
    ours, cpu = (Session(ModelCard.load(TEXT), (name,)) for name in (NATIVE, "cpu"))
    assert ours._inputs["input_ids"].dtype == dtype
    feed = {"input_ids": np.array([[101, 2023, 102]]), "attention_mask": np.ones((1, 3), "i8")}
    same(ours.run(feed), cpu.run(feed))
    feed["input_ids"] = np.array([[101, 1 << 40, 102]])
    if dtype == "i4":
        with pytest.raises(SignalError, match="'input_ids' holds numbers that int32 cannot"):
            ours.run(feed)


def test_a_run_over_arrays_that_stay_says_the_same(machine):
    trt = machine()
    ours, cpu = (Session(ModelCard.load(FUSION), (name,)) for name in (NATIVE, "cpu"))
    bound = ours.bound({"embeddings": np.zeros((2, 920)), "evidence": np.zeros((2, 4, 20))})
    for seed in (1, 2):
        for kept in bound.inputs.values():
            kept[...] = np.random.default_rng(seed).random(kept.shape)
        said = dict(zip(ours.output_names, bound.run(), strict=True))
        same(said, cpu.run(dict(bound.inputs)), 1e-5)
    trt.cudart.calls.clear()
    bound.run()
    assert not [name for name in trt.cudart.calls if "alloc" in name.lower()]


def test_threads_that_share_an_engine_get_their_own_answers(machine):
    machine()
    ours = Session(ModelCard.load(FUSION), (NATIVE,))
    feeds = [people(1 + number % 3) for number in range(24)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(ours.run, feeds))
    for feed, said in zip(feeds, together, strict=True):
        same(said, ours.run(feed), 0)


class Heard:
    def __init__(self):
        self.lines = []

    def phase_start(self, name, parent, steps):
        self.lines.append(f"{parent or '-'} > {name}, {steps}")

    def step_complete(self, name, step):
        self.lines.append(f"{name}: {step}")

    def phase_finish(self, name):
        self.lines.append(f"{name}: done")


@pytest.mark.parametrize(("version", "lines"), [("8.6.2", 0), ("10.3.0", 5)])
def test_who_waits_for_a_build_hears_how_it_gets_on(machine, version, lines):
    machine(version)
    heard = Heard()
    for _ in range(2):  # the second takes the engine that is there
        assert Session(ModelCard.load(FUSION), (NATIVE,), listener=heard).provider == NATIVE
    assert len(heard.lines) == lines
    if lines:
        assert heard.lines[1:3] == ["Building Engine > Tactics, 1", "Tactics: 0"]


def test_an_engine_is_built_once_and_kept_for_this_gpu_version_and_precision(machine, cache):
    trt = machine()
    for _ in range(2):
        Session(ModelCard.load(FUSION), (NATIVE,))
    assert trt.builds == 1
    (file,) = engine_files()
    assert file.relative_to(cache).parts[:3] == ("Orin-sm_87", "tensorrt-10.3.0-native", "fp16")
    assert trt.last.flags == ["FP16"] and trt.last.limits == {"WORKSPACE": 1 << 30}
    assert trt.last.profile["evidence"] == [[1, 1, 20], [1, 4, 20], [32, 8, 20]]
    Session(ModelCard.load(FUSION), (NATIVE,), precision="fp32")
    assert trt.builds == 2 and trt.last.flags == []
    assert trt.last.cache.content == b"timed"  # what the first build measured
    card = replace(ModelCard.load(FUSION), axes={"M": Sizes(1, 2, 4)})
    assert Session(card, (NATIVE,)).provider == NATIVE and trt.builds == 3
    newer = machine("10.7.0")
    Session(ModelCard.load(FUSION), (NATIVE,))
    assert newer.builds == 1 and len(engine_files()) == 4


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda plan: plan[:-100], "its hash is another"),
        (lambda plan: plan[:2000] + b"x" + plan[2001:], "its hash is another"),
        (lambda plan: b"not ours", "no engine of this package"),
        (lambda plan: b"", "no engine of this package"),
        (lambda plan: plan.replace(b'"Orin sm_87"', b'"Xavier sm_72"'), "something else"),
    ],
)
def test_a_damaged_or_foreign_engine_is_built_again(machine, caplog, damage, told):
    trt = machine()
    before = Session(ModelCard.load(FUSION), (NATIVE,)).run(people(2))
    (file,) = engine_files()
    file.write_bytes(damage(file.read_bytes()))
    same(Session(ModelCard.load(FUSION), (NATIVE,)).run(people(2)), before, 0)
    assert trt.builds == 2 and told in caplog.text and "built again" in caplog.text
    Session(ModelCard.load(FUSION), (NATIVE,))
    assert trt.builds == 2


def test_an_engine_that_cannot_be_kept_runs_all_the_same(machine, cache, caplog):
    machine()
    cache.touch()  # a file where the folder is to be stands for a disk that cannot be written
    ours = Session(ModelCard.load(FACE), (NATIVE, "cpu"))
    assert ours.provider == NATIVE and len(ours.run(faces(2))["valence"]) == 2
    assert "cannot be kept" in caplog.text


def test_a_model_that_tensorrt_cannot_take_falls_back_and_says_why(machine, caplog):
    machine()
    session = Session(ModelCard.load(TREES), (NATIVE, "cuda", "cpu"))
    assert session.provider == "cpu"
    assert "no importer registered for TreeEnsembleRegressor" in session.fallback
    assert "cuda is not installed" in session.fallback and session.fallback in caplog.text
    assert not engine_files()


def test_an_axis_of_unknown_size_falls_back_and_says_which(machine):
    machine()
    model = ModelCard.load(TEXT).file  # a path: no card that would name its axes
    session = Session(model, (NATIVE, "cpu"))
    assert session.provider == "cpu" and "axis 1 of the input 'input_ids'" in session.fallback


@pytest.mark.parametrize(("first", "used"), [("cpu", "cpu"), (NATIVE, NATIVE), ("cuda", NATIVE)])
def test_the_order_of_the_configuration_is_kept(machine, first, used):
    machine()
    rest = [name for name in (NATIVE, "cpu") if name != first]
    session = Session(ModelCard.load(FUSION), (first, *rest))
    assert session.provider == used
    assert session.fallback == ("" if used == first else f"wanted {first}, runs on {used}: "
                                f"{first} is not installed")  # fmt: skip


def test_int8_takes_the_variant_with_scales_rewritten_as_tensorrt_wants_it(machine):
    trt = machine()
    card = ModelCard.load(FACE).variant("int8")
    ours = Session(card, (NATIVE,))
    assert trt.last.flags == ["FP16", "INT8"] and not ours.fallback
    assert engine_files()[0].parts[-3] == "int8"
    exact = Session(ModelCard.load(FACE)).run(faces(8))["probabilities"]
    ours, theirs = (np.abs(s.run(faces(8))["probabilities"] - exact).max()
                    for s in (ours, Session(card)))  # fmt: skip
    assert ours <= 1.5 * theirs  # one bit less costs next to nothing


def test_half_precision_is_written_into_the_model_where_flags_are_gone(machine):
    trt = machine("11.4.0")
    session = Session(ModelCard.load(FACE), (NATIVE,))
    assert trt.last.flags == [] and session.provider == NATIVE
    got, wanted = session.run(faces(2)), Session(ModelCard.load(FACE)).run(faces(2))
    assert 0 < np.abs(got["probabilities"] - wanted["probabilities"]).max() < 1e-2


@pytest.mark.parametrize(
    ("version", "gpu", "told"),
    [
        ("8.4.1", {}, "TensorRT 8.4.1 is too old; 8.6 or newer"),
        ("10.3.0", {"devices": 0}, "cudaGetDeviceCount failed with 100: no CUDA-capable device"),
        ("10.3.0", {"memory": 100}, "cudaMalloc failed with 2: out of memory"),
    ],
)
def test_what_cannot_be_used_is_named(machine, version, gpu, told):
    machine(version, **gpu)
    session = Session(ModelCard.load(FUSION), (NATIVE, "cpu"))
    assert session.provider == "cpu" and told in session.fallback


def test_a_missing_module_or_library_is_named_with_what_mends_it(machine, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    said = Session(ModelCard.load(FUSION), (NATIVE, "cpu")).fallback
    assert "`tensorrt` is not installed" in said and "python3-libnvinfer" in said
    machine()
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "tensorrt", fake_tensorrt(Cudart()))
    monkeypatch.setenv("EMOSTRESS_CUDART", "/nowhere/libcudart.so")
    said = Session(ModelCard.load(FUSION), (NATIVE, "cpu")).fallback
    assert "libcudart is not found (/nowhere" in said and "nvidia-cuda-runtime" in said


@pytest.mark.parametrize("version", ["8.6.2", "10.3.0"])
def test_engines_are_built_and_listed_by_the_command(machine, capsys, version):
    trt = machine(version)
    build = ["engine", "build", "--provider", NATIVE, "--models", f"{FUSION},{TREES}"]
    assert main(build) == 1
    said = capsys.readouterr()
    assert "fusion_attention@" in said.out and "built in" in said.out
    assert "TreeEnsembleRegressor" in said.err and "pip install" not in said.err
    assert main([*build[:-1], FUSION]) == 0 and trt.builds == 1
    assert "there already" in capsys.readouterr().out
    assert main([*build[:-1], FUSION, "--rebuild"]) == 0 and trt.builds == 2
    assert main(["engine", "list"]) == 0
    listed = capsys.readouterr().out
    assert "Orin-sm_87" in listed and "fusion_attention@" in listed
