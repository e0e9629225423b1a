"""Parameters of the text modality."""

from __future__ import annotations

from dataclasses import dataclass

from emostress_ros.inference.session import PROVIDERS
from emostress_ros.parameters import Config, parameter


@dataclass(frozen=True)
class TextConfig(Config):
    """How utterances are read, judged and encoded."""

    model: str = parameter("text_minilm", "Model folder's name, or a path to one.")
    providers: tuple[str, ...] = parameter(
        ("cpu",),
        "Execution providers in order of preference; docs/performance.md has what each needs.",
        choices=tuple(PROVIDERS),
    )
    threads: int = parameter(1, "Threads of one operator.", minimum=1, maximum=64)
    max_characters: int = parameter(
        4000, "Characters read of one utterance; what follows is cut.", minimum=16, maximum=100000
    )
    full_quality_words: int = parameter(
        4,
        "Words from which on an utterance is long enough to be fully trusted.",
        minimum=1,
        maximum=50,
    )
    unstated_confidence: float = parameter(
        0.8, "Confidence of the recogniser taken where none is given.", minimum=0.0, maximum=1.0
    )
    foreign_quality: float = parameter(
        0.2,
        "Factor on the quality of text in a language that the model was not trained on.",
        minimum=0.0,
        maximum=1.0,
    )
