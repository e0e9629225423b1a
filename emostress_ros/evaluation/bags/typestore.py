"""Message definitions for `rosbags`: those of ROS 2 Jazzy and this package's own.

The package's definitions are read from the `.msg` files themselves, so that bags can be made and
read where nothing has been generated.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from emostress_ros.errors import BagError
from emostress_ros.resources import PACKAGE, share_directory


@lru_cache(maxsize=1)
def typestore() -> Typestore:
    """Return the store that knows every message this package puts into a bag.

    Raises:
        BagError: the package's message definitions are not where they belong.
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    files = sorted((share_directory() / "msg").glob("*.msg"))
    if not files:
        raise BagError(f"no message definitions (*.msg) in {share_directory() / 'msg'}")
    definitions = {}
    for file in files:
        name = f"{PACKAGE}/msg/{file.stem}"
        definitions.update(get_types_from_msg(file.read_text(encoding="utf-8"), name))
    store.register(definitions)
    return store


_AUDIO = "audio_common_msgs/msg"
_BYTES = {"AudioData": "uint8[] data"}
_SAMPLES = {
    "Audio": "AudioData audio_data\nAudioInfo info",
    "AudioInfo": "int32 format\nint16 channels\nint32 rate\nint32 chunk",
    "AudioData": (
        "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n"
        "int8[] int8_data\nuint8[] uint8_data"
    ),
}
_FOREIGN: Mapping[str, Mapping[str, str]] = {
    # Two packages of one name: what a type is called tells whose AudioData is inside.
    f"{_AUDIO}/AudioData": {f"{_AUDIO}/{x}": y for x, y in _BYTES.items()},
    f"{_AUDIO}/AudioDataStamped": {
        f"{_AUDIO}/AudioDataStamped": "std_msgs/Header header\nAudioData audio",
        **{f"{_AUDIO}/{x}": y for x, y in _BYTES.items()},
    },
    f"{_AUDIO}/Audio": {f"{_AUDIO}/{x}": y for x, y in _SAMPLES.items()},
    f"{_AUDIO}/AudioStamped": {
        f"{_AUDIO}/AudioStamped": "std_msgs/Header header\nAudio audio",
        **{f"{_AUDIO}/{x}": y for x, y in _SAMPLES.items()},
    },
    "hri_msgs/msg/LiveSpeech": {
        "hri_msgs/msg/LiveSpeech": (
            "std_msgs/Header header\nstring incremental\nstring final\nfloat64 confidence"
        )
    },
}


def foreign_types(msgtype: str) -> dict[str, Any] | None:
    """Definitions behind a type of another package, for bags that bring none (before ROS 2 Iron).

    None for a type that is not known here.
    """
    if msgtype not in _FOREIGN:
        return None
    found: dict[str, Any] = {}
    for name, text in _FOREIGN[msgtype].items():
        found |= get_types_from_msg(text, name)
    return found
