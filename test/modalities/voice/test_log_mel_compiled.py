"""The compiled kernel says what numpy says, and where it cannot be used numpy does the work."""

from __future__ import annotations

import ctypes
import logging
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emostress_ros import kernels as finder
from emostress_ros.kernels import VARIABLE, kernels
from emostress_ros.modalities.voice.log_mel import LogMelStream, NumpyMel, log_mel, mel_spectrum
from emostress_ros.modalities.voice.log_mel_compiled import SIZES, CompiledMel
from emostress_ros.modalities.voice.mel import LogMelOptions, hann, mel_filters
from emostress_ros.modalities.voice.ring_buffer import frames_of

SOURCE = Path(__file__).resolve().parents[3] / "src"
OPTIONS = LogMelOptions()


@pytest.fixture(scope="module", params=["widest", "plain"], autouse=True)
def library(request, tmp_path_factory, monkeypatch_module) -> Path:
    """The kernels of this source tree, freshly compiled, with all instructions and with few."""
    if not shutil.which("cmake") or not shutil.which("cc"):
        pytest.skip("needs CMake and a C compiler")
    folder = tmp_path_factory.mktemp(request.param)
    plain = "ON" if request.param == "plain" else "OFF"
    for command in (
        ["cmake", "-S", SOURCE, "-B", folder, f"-DEMOSTRESS_PLAIN_KERNELS={plain}"],
        ["cmake", "--build", folder],
    ):
        subprocess.run(command, check=True, capture_output=True)
    path = folder / finder.FILE_NAME
    monkeypatch_module.setenv(VARIABLE, str(path))
    found = kernels()
    assert found.library is not None and found.said.startswith("compiled, ")
    assert ("plain" in found.said) >= (request.param == "plain")
    return path


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def sound(kind: str, length: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    time = np.arange(length) / OPTIONS.sample_rate_hz
    tone = np.sin(2 * np.pi * random.uniform(60, 3_000) * time)
    noise = random.normal(size=length)
    return {
        "noise": 10 ** random.uniform(-6, 0) * noise,
        "voice": 0.3 * tone + 0.003 * noise,
        "clipped": np.clip(20 * tone + noise, -1.0, 1.0),
        "clicks": np.where(noise > 3.0, 1.0, 0.0),
        "int16 noise": np.round(noise) / 32_768,
        "silence": np.zeros(length),
        "half silent": np.where(time < 0.1, 0.0, 0.1 * noise),
    }[kind].astype(np.float32)


KINDS = st.sampled_from(
    ["noise", "voice", "clipped", "clicks", "int16 noise", "silence", "half silent"]
)


def assert_same_levels(
    got: np.ndarray, expected: np.ndarray, frames: np.ndarray, options: LogMelOptions = OPTIONS
) -> None:
    """Within 1e-3 dB down to 60 dB under the loudest bin, further down within its rounding."""
    assert got.shape == expected.shape and got.dtype == expected.dtype == np.float32
    spectrum = np.abs(np.fft.rfft(frames * hann(options.n_fft)))
    loudest = spectrum.max(axis=1, keepdims=True, initial=0.0) * np.sqrt(mel_filters(options).max())
    ours, theirs = (10.0 ** (levels.astype(np.float64) / 20.0) for levels in (got, expected))
    heard = theirs > 1e-3 * loudest
    assert np.abs(got - expected)[heard].max(initial=0.0) <= 1e-3
    assert np.all(np.abs(ours - theirs) <= 1e-5 * theirs + 3e-7 * loudest)


@given(
    kind=KINDS, length=st.integers(0, 9_000), seed=st.integers(0, 999), size=st.sampled_from(SIZES),
    bands=st.integers(1, 70), hop=st.integers(1, 16), low=st.sampled_from([0.0, 50.0, 1_000.0]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_levels_are_those_of_numpy(kind, length, seed, size, bands, hop, low):
    options = LogMelOptions(n_fft=size, hop=max(1, size * hop // 16), n_mels=bands, low_hz=low)
    frames = frames_of(sound(kind, length, seed), options.n_fft, options.hop)
    compiled = mel_spectrum(options)
    assert isinstance(compiled, CompiledMel)
    assert_same_levels(compiled.levels(frames), NumpyMel(options).levels(frames), frames, options)


@given(kind=KINDS, seed=st.integers(0, 999))
@settings(max_examples=20, deadline=None)
def test_power_is_that_of_numpy(kind, seed):
    frames = frames_of(sound(kind, 4_000, seed), OPTIONS.n_fft, OPTIONS.hop)
    got, expected = mel_spectrum(OPTIONS).power(frames), NumpyMel(OPTIONS).power(frames)
    loudest = expected.max(axis=1, keepdims=True)
    assert np.all(np.abs(got - expected) <= 1e-4 * expected + 1e-10 * loudest)


@given(
    kind=KINDS, seed=st.integers(0, 999),
    cuts=st.lists(st.integers(0, 3_000), min_size=1, max_size=30),
)  # fmt: skip
@settings(max_examples=30, deadline=None)
def test_pieces_give_the_very_numbers_of_the_whole(kind, seed, cuts):
    waveform, stream = sound(kind, 8_000, seed), LogMelStream()
    parts = np.split(waveform, np.clip(np.cumsum(cuts), 0, len(waveform)))
    streamed = np.concatenate([stream.push(part) for part in parts])
    assert np.array_equal(streamed, log_mel(waveform))


def test_loud_and_faint_levels_are_exact_to_a_hundred_thousandth_of_a_decibel():
    impulse = np.zeros(OPTIONS.n_fft, np.float32)
    impulse[OPTIONS.n_fft // 2] = 1.0
    for exponent in np.linspace(-4.9, 15, 101):
        frame = (impulse * 10.0**exponent)[None].astype(np.float32)
        power = mel_spectrum(OPTIONS).power(frame)
        got = mel_spectrum(OPTIONS).levels(frame)
        exact = np.maximum(10.0 * np.log10(power.astype(np.float64)), -100.0)
        # A level over 128 dB is a float32 with steps of 1.5e-5 dB.
        assert np.abs(got - exact).max() <= 1e-5 + 1.2e-7 * np.abs(exact).max()


@pytest.mark.parametrize("poison", [np.nan, np.inf])
def test_what_is_not_a_number_spoils_its_frames_alone(poison):
    waveform = sound("voice", 4_000, 1)
    waveform[1_500] = poison
    with np.errstate(invalid="ignore"):
        frames = frames_of(waveform, OPTIONS.n_fft, OPTIONS.hop)
        expected = NumpyMel(OPTIONS).levels(frames)
    got = log_mel(waveform)
    spoilt = ~np.isfinite(got).all(axis=1)
    assert np.array_equal(spoilt, ~np.isfinite(expected).all(axis=1)) and 0 < spoilt.sum() < 5
    assert_same_levels(got[~spoilt], expected[~spoilt], frames[~spoilt])


def test_doubles_and_rows_with_gaps_are_converted():
    frames = np.random.default_rng(0).normal(size=(5, 2 * OPTIONS.n_fft))
    expected = NumpyMel(OPTIONS).levels(frames[:, ::2])
    assert_same_levels(mel_spectrum(OPTIONS).levels(frames[:, ::2]), expected, frames[:, ::2])


def test_a_frame_of_another_size_is_left_to_numpy():
    options = LogMelOptions(n_fft=400)
    assert isinstance(mel_spectrum(options), NumpyMel)
    assert log_mel(sound("voice", 4_000, 1), options).shape == (23, 64)


def test_the_switch_takes_numpy(monkeypatch):
    monkeypatch.setenv(VARIABLE, "numpy")
    assert isinstance(mel_spectrum(OPTIONS), NumpyMel)
    assert kernels().said == "numpy, as EMOSTRESS_KERNELS says"


def test_a_library_that_is_not_there_is_no_fault(monkeypatch, tmp_path):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.so"))
    assert isinstance(mel_spectrum(OPTIONS), NumpyMel)
    assert "none.so" in kernels().said


def test_a_library_of_another_version_or_machine_is_named_and_left(monkeypatch, tmp_path, caplog):
    source, old, foreign = (tmp_path / name for name in ("old.c", "old.so", "foreign.so"))
    source.write_text("int emostress_kernels_version(void) { return 0; }", encoding="utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", source, "-o", old], check=True)
    foreign.write_bytes(b"\x7fELF of another machine")
    caplog.set_level(logging.WARNING)
    for path, why in ((old, f"has version 0, not {finder.VERSION}"), (foreign, "cannot be used")):
        monkeypatch.setenv(VARIABLE, str(path))
        assert isinstance(mel_spectrum(OPTIONS), NumpyMel)
        assert why in kernels().said and why in caplog.messages[-1]


def test_an_installed_library_is_found_beside_the_modules(monkeypatch, library, tmp_path):
    (tmp_path / finder.FILE_NAME).write_bytes(library.read_bytes())
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setattr("emostress_ros.__path__", ["/nowhere", str(tmp_path)])
    finder._load.cache_clear()
    try:
        found = kernels()
        assert isinstance(found.library, ctypes.CDLL)
        assert Path(found.library._name).parent == tmp_path
    finally:
        finder._load.cache_clear()
