"""Parameters of the face front end, declared once."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.errors import ParameterError
from emostress_ros.inference.session import PROVIDERS
from emostress_ros.inference.variants import PRECISIONS
from emostress_ros.parameters import Config, parameter

DEFAULT_MODEL = "face_mobilenet"


@dataclass(frozen=True)
class FaceConfig(Config):
    """What a :class:`~emostress_ros.modalities.face.FacePipeline` needs to know."""

    model: str = parameter(
        DEFAULT_MODEL, "Folder of the expression model, or its name under models/."
    )
    detect_width: int = parameter(
        320, "Width that frames are scaled into for detection, a multiple of 32.",
        minimum=64, maximum=1920, unit="px",
    )  # fmt: skip
    detect_height: int = parameter(
        256, "Height that frames are scaled into for detection, a multiple of 32.",
        minimum=64, maximum=1920, unit="px",
    )  # fmt: skip
    detect_score: float = parameter(
        0.7, "Least detection score of a face.", minimum=0.05, maximum=0.99
    )
    detect_overlap: float = parameter(
        0.3, "Two detections that overlap more (IoU) are one face.", minimum=0.05, maximum=0.95
    )
    detect_interval_s: float = parameter(
        0.5,
        "Longest time between two searches of the whole frame; between them a followed face is "
        "looked for where it is expected. 0 searches every frame.",
        minimum=0.0, maximum=10.0, unit="s",
    )  # fmt: skip
    min_face_px: int = parameter(
        24, "Faces whose shorter side is smaller are ignored.", minimum=8, maximum=4096, unit="px"
    )
    max_faces: int = parameter(
        8, "At most so many faces a frame, the largest first.", minimum=1, maximum=64
    )
    expression_rate_hz: float = parameter(
        0.0,
        "How often each face's expression is read and published, at most; faces take turns and "
        "are followed in every frame. 0 reads all in every frame.",
        minimum=0.0, maximum=240.0, unit="Hz",
    )  # fmt: skip
    track_memory_s: float = parameter(
        2.0, "How long a face may be hidden, in observed time, and keep its id.",
        minimum=0.0, maximum=60.0, unit="s",
    )  # fmt: skip
    track_iou: float = parameter(
        0.2, "Least overlap (IoU) of a face with its predicted place.", minimum=0.01, maximum=0.95
    )
    track_reach: float = parameter(
        0.6, "Without overlap: greatest jump between frames, in face sizes.",
        minimum=0.0, maximum=3.0,
    )  # fmt: skip
    track_smoothing: float = parameter(
        0.4, "Weight of the past in a tracked box, 0 for none.", minimum=0.0, maximum=0.95
    )
    providers: tuple[str, ...] = parameter(
        ("cpu",),
        "Execution providers in order of preference; docs/performance.md has what each needs.",
        choices=tuple(PROVIDERS),
    )  # fmt: skip
    precision: str = parameter(
        "auto",
        "Arithmetic of the expression model: int8 where the CPU has instructions for it and the "
        "model a variant (auto), else float32; or one of them always.",
        choices=PRECISIONS,
    )
    threads: int = parameter(1, "Threads of one model run.", minimum=1, maximum=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("detect_width", "detect_height"):
            if getattr(self, name) % 32:
                raise ParameterError(
                    f"parameter '{name}' must be a multiple of 32; got {getattr(self, name)}"
                )
