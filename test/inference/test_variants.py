"""A model's file for 8-bit products runs where it is worth it, and never by mistake."""

from __future__ import annotations

import shutil
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import yaml

from emostress_ros.errors import CardError, ModelCorruptError, ParameterError
from emostress_ros.inference import ModelCard, Session, variants
from emostress_ros.modalities.face import FaceConfig, FacePipeline


@lru_cache(maxsize=1)
def shipped() -> ModelCard:
    return ModelCard.load(FaceConfig().model)


@pytest.fixture
def folder(tmp_path) -> Path:
    """A face model whose card names a second file: here a copy of the first."""
    source = shipped()
    out = tmp_path / "face"
    out.mkdir()
    shutil.copyfile(source.file, out / source.file.name)
    shutil.copyfile(source.file, out / "small.onnx")
    write(out, {"file": "small.onnx", "sha256": source.sha256, "of": source.sha256})
    return out


def write(folder: Path, variant: dict[str, str] | None) -> ModelCard:
    raw = {**shipped().raw, "figures": [], "training": {}}  # what is long to read
    raw.pop("variants", None)
    if variant is not None:
        raw["variants"] = {"int8": variant}
    (folder / "model.yaml").write_text(yaml.safe_dump(raw, sort_keys=False))
    return ModelCard.load(folder)


@pytest.fixture(params=[("avx512_vnni",), (), None])
def instructions(request, monkeypatch):
    monkeypatch.setattr(variants, "int8_instructions", lambda: request.param)
    return request.param


def test_auto_takes_int8_only_where_the_cpu_has_instructions_for_it(folder, instructions):
    card = ModelCard.load(folder)
    chosen = variants.choose(card, "auto", ("cpu",))
    assert chosen.precision == ("int8" if instructions else "fp32")
    assert chosen.file.name == ("small.onnx" if instructions else card.file.name)
    assert chosen.identifier == card.identifier
    assert Session(chosen).variant == chosen.precision


@pytest.mark.parametrize("providers", [("cuda", "cpu"), ("tensorrt",)])
def test_auto_leaves_other_providers_the_model_as_it_is(folder, providers, monkeypatch):
    monkeypatch.setattr(variants, "int8_instructions", lambda: ("avx_vnni",))
    assert variants.choose(ModelCard.load(folder), "auto", providers).precision == "fp32"


def test_what_is_asked_for_is_taken_whatever_the_cpu(folder, instructions):
    card = ModelCard.load(folder)
    assert variants.choose(card, "fp32").precision == "fp32"
    assert variants.choose(card, "int8").precision == "int8"


def test_a_model_without_the_variant_says_what_it_has(folder, instructions):
    card = write(folder, None)
    assert variants.choose(card, "auto").precision == "fp32"
    with pytest.raises(CardError, match="no variant 'int8'; it has fp32"):
        variants.choose(card, "int8")


def test_a_variant_of_other_weights_is_refused(folder):
    with pytest.raises(CardError, match="made of other weights"):
        write(folder, {"file": "small.onnx", "sha256": "0" * 64, "of": "1" * 64})
    with pytest.raises(CardError, match="needs file, sha256 and of"):
        write(folder, {"file": "small.onnx"})


def test_a_damaged_variant_is_refused(folder):
    file = folder / "small.onnx"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(ModelCorruptError, match="sha256"):
        Session(ModelCard.load(folder).variant("int8"))


def test_the_face_pipeline_runs_what_its_parameter_says(folder):
    faces = np.random.default_rng(0).integers(0, 256, (3, 48, 48), dtype=np.uint8)
    small, plain = (
        FacePipeline(FaceConfig(model=str(folder), precision=name)).encoder
        for name in ("int8", "fp32")
    )
    assert [small.session.variant, plain.session.variant] == ["int8", "fp32"]
    np.testing.assert_array_equal(small.encode(faces).vectors, plain.encode(faces).vectors)
    with pytest.raises(ParameterError, match="precision"):
        FaceConfig(precision="fp8")
