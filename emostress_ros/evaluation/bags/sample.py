"""The sample bag of `make demo`, made at first run from what the dependencies bring.

Real: the face (portrait of Grace Hopper, US Navy, public domain, in matplotlib's sample data; a
still, moved a little) and the pulse (a recording of a finger's blood volume in the wheel of
`peakdet`, Apache-2.0). Made: the speech (a synthesiser's), the words, skin conductance, skin
temperature and acceleration. The face, the pulse and the voice are of different people or of none:
the sample shows that the graph runs, not how anybody feels.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from emostress_ros.affect import NANOSECONDS
from emostress_ros.errors import BagError, MissingExtraError, ModelError
from emostress_ros.evaluation.bags import messages
from emostress_ros.evaluation.bags.builder import EPOCH_NS, LEAD_S
from emostress_ros.evaluation.bags.media import CHUNK_MS, AudioBlock, VideoFrame
from emostress_ros.evaluation.bags.speech import RATE, speak
from emostress_ros.evaluation.bags.transcript import Line
from emostress_ros.evaluation.bags.wearable import CHUNK_S, WearableBlock
from emostress_ros.evaluation.bags.writer import BagSummary, write_bag
from emostress_ros.inference.packaged import packaged_file

NOTICE = (
    "Sample: a real face photograph (Grace Hopper, US Navy, public domain; a still, moved a "
    "little) and a real pulse recording (peakdet, Apache-2.0; its 40 Hz are inferred), synthetic "
    "speech, words, skin conductance, temperature and acceleration. They belong to different "
    "people or to none: this shows that the graph runs, not how anybody feels."
)
PULSE_HZ = 40.0
"""The recording names no rate. 40 Hz makes it ten minutes at 68 beats and 14 breaths a minute
(breaths: the file beside it, of the same length), and is what such scanners' logs use."""
_PULSE_FILE = "peakdet/tests/data/PPG.csv"
_PULSE_SHA256 = "8ca97c1b0ecfb7b60bb2afa8d5248b208eb1c4660fdfb42e5be25a7d7dd5eb0a"
_PULSE_FROM_S = 455.0  # a stretch in which the hand lies still
_FACE_FILE = "matplotlib/mpl-data/sample_data/grace_hopper.jpg"
_PIP = {"matplotlib": "pip install matplotlib", "peakdet": "pip install peakdet==0.6.1"}
_WIDTH, _HEIGHT, _FPS = 320, 240, 15
_EDA_HZ, _ACC_HZ, _TEMP_HZ = 4.0, 32.0, 4.0
_SCRIPT: tuple[tuple[float, str, str], ...] = (
    (1.0, "Good morning, I am well.", "G UH D M AO R N IH NG _ AY AE M W EH L"),
    (4.5, "Thank you, that is wonderful.",
     "TH AE NG K Y UW _ DH AE T IH Z W AH N D ER F UH L"),
    (8.5, "I do not know what to do.", "AY D UW N AA T N OW W AH T UW D UW"),
    (12.0, "Nothing is working today.", "N AH TH IH NG IH Z W ER K IH NG T AH D EY"),
    (15.5, "I am so tired of this.", "AY AE M S OW T AY ER D AH V DH IH S"),
    (19.0, "Please leave me alone.", "P L IY Z L IY V M IY AH L OW N"),
    (22.0, "I am sorry, I will be fine.", "AY AE M S AA R IY _ AY W IH L B IY F AY N"),
)  # fmt: skip
_SCRIPT_S = 25.0


def build_sample(
    out: Path | str,
    *,
    duration_s: float = _SCRIPT_S,
    storage: str = "mcap",
    person_id: str = "",
    overwrite: bool = False,
    progress: bool = False,
) -> BagSummary:
    """Make the sample bag: 15 pictures a second, speech, utterances, and a wearable's signals.

    Args:
        out: folder of the new bag.
        duration_s: seconds after the wearable's lead-in of 60 s, (0, 60].
        storage: `mcap` or `sqlite3`.
        person_id: whom the wearable and the words are about.
        overwrite: replace a bag that is there.
        progress: say what is going on.

    Raises:
        MissingExtraError: the package that brings the pulse recording is not installed.
        BagError: `out` exists, or the duration is out of range.
    """
    if not 0.0 < duration_s <= 60.0:
        raise BagError(f"duration_s of the sample must lie in (0, 60] s; got {duration_s!r}")
    if progress:
        print("making the sample bag (once) ...")
    voice, lines = _speech(duration_s)
    streams = (
        messages.image_records(_pictures(duration_s), EPOCH_NS, compressed=False),
        messages.audio_records(_blocks(voice), EPOCH_NS),
        messages.utterance_records(iter(lines), EPOCH_NS, person_id),
        messages.physiology_records(_wearable(duration_s), EPOCH_NS, person_id),
    )
    records = heapq.merge(*streams, key=lambda record: record.log_ns)
    return write_bag(out, records, storage, overwrite=overwrite, lead_end_ns=EPOCH_NS)


def _pictures(duration_s: float) -> Iterator[VideoFrame]:
    """The photograph as if the camera and the head moved a little and the light changed."""
    from PIL import Image

    with Image.open(_asset("matplotlib", _FACE_FILE, "")) as photograph:
        portrait = photograph.convert("RGB")
    for index in range(round(duration_s * _FPS)):
        t = index / _FPS
        width = 410.0 * (1.0 + 0.08 * np.sin(2 * np.pi * t / 11.0))
        height = width * _HEIGHT / _WIDTH
        left = 262.0 - width / 2 + 10.0 * np.sin(2 * np.pi * t / 7.0)
        top = 215.0 - height / 2 + 8.0 * np.sin(2 * np.pi * t / 5.0)
        box = (left, top, left + width, top + height)
        picture = portrait.resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR, box=box)
        light = 1.0 + 0.06 * np.sin(2 * np.pi * t / 9.0)
        rgb = np.clip(np.asarray(picture, np.float32) * light, 0, 255).astype(np.uint8)
        yield VideoFrame(round(index * NANOSECONDS / _FPS), rgb)


def _speech(duration_s: float) -> tuple[npt.NDArray[np.int16], list[Line]]:
    """The script said aloud, over a faint room noise, and what was said when."""
    random = np.random.default_rng(1)
    samples = round(duration_s * RATE)
    voice = random.normal(0.0, 12.0, samples)
    lines = []
    for number, (start_s, text, phonemes) in enumerate(_script(duration_s)):
        begin = round(start_s * RATE)
        words = speak(phonemes, pitch_hz=115.0 + 6.0 * (number % 4), seed=number)
        end = begin + len(words)
        if end > samples:
            break
        voice[begin:end] += words
        lines.append(Line(start_s, end / RATE, text, locale="en"))
    return np.clip(voice, -32768, 32767).astype(np.int16), lines


def _script(duration_s: float) -> Iterator[tuple[float, str, str]]:
    for repeat in range(1 + int(duration_s // _SCRIPT_S)):
        for start_s, text, phonemes in _SCRIPT:
            yield repeat * _SCRIPT_S + start_s, text, phonemes


def _blocks(voice: npt.NDArray[np.int16]) -> Iterator[AudioBlock]:
    size = RATE * CHUNK_MS // 1000
    for begin in range(0, len(voice), size):
        yield AudioBlock(begin * NANOSECONDS // RATE, RATE, voice[begin : begin + size, None])


def _wearable(duration_s: float) -> Iterator[WearableBlock]:
    """Every signal from the lead-in to the end."""
    pulse = np.loadtxt(_asset("peakdet", _PULSE_FILE, _PULSE_SHA256), dtype=np.float32)
    first = round(_PULSE_FROM_S * PULSE_HZ)
    pulse = pulse[first : first + round((LEAD_S + duration_s) * PULSE_HZ), None]
    random = np.random.default_rng(2)
    total_s = LEAD_S + duration_s
    skin = _skin_conductance(total_s, random)
    still = np.array([0.0, 0.0, 1.0]) + random.normal(0.0, 0.004, (round(total_s * _ACC_HZ), 3))
    warmth = 33.2 + 0.1 * np.sin(np.arange(round(total_s * _TEMP_HZ)) / 90.0)
    signals = (
        _cut("bvp", "1", PULSE_HZ, pulse),
        _cut("eda", "uS", _EDA_HZ, skin[:, None]),
        _cut("skin_temperature", "degC", _TEMP_HZ, warmth[:, None]),
        _cut("acceleration", "g", _ACC_HZ, still),
    )
    yield from heapq.merge(*signals, key=lambda block: block.offset_ns + block.duration_ns)


def _skin_conductance(seconds: float, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """A tonic level and a few responses of the usual shape, microsiemens.

    Shape: the Bateman function with time constants 0.75 s and 2 s (Benedek and Kaernbach, "A
    continuous measure of phasic electrodermal activity", J. Neurosci. Methods 190, 2010).
    """
    t = np.arange(round(seconds * _EDA_HZ)) / _EDA_HZ
    level = 2.0 + 0.15 * np.sin(t / 40.0) + random.normal(0.0, 0.003, len(t))
    onsets = np.arange(8.0, seconds, 13.0)
    for onset in onsets + random.uniform(-3.0, 3.0, len(onsets)):
        after = np.clip(t - onset, 0.0, None)
        level += 0.6 * (np.exp(-after / 2.0) - np.exp(-after / 0.75))
    return level


def _cut(
    signal: str, unit: str, rate_hz: float, samples: npt.NDArray[np.floating]
) -> Iterator[WearableBlock]:
    size = max(1, round(CHUNK_S * rate_hz))
    for begin in range(0, len(samples), size):
        offset_ns = round((begin / rate_hz - LEAD_S) * NANOSECONDS)
        block = samples[begin : begin + size].astype(np.float32)
        yield WearableBlock(offset_ns, signal, unit, rate_hz, block, "sample")


def _asset(distribution: str, path: str, sha256: str) -> Path:
    try:
        return packaged_file(distribution, path, sha256, pip=_PIP[distribution])
    except ModelError as error:
        raise MissingExtraError(f"the sample cannot be made: {error}") from error
