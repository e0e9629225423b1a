"""Where the package's own files lie: models, configuration, message definitions.

The source tree, a pip environment and a colcon workspace each keep them elsewhere; this module is
the only place that knows.
"""

from __future__ import annotations

import os
from pathlib import Path

from emostress_ros.errors import ModelNotFoundError

PACKAGE = "emostress_ros"
MODELS_VARIABLE = "EMOSTRESS_MODELS"
"""Environment variable: folders with models, separated by ``:``, searched before the shipped."""


def share_directory() -> Path:
    """Return the folder that holds ``models/``, ``config/``, ``msg/`` and ``launch/``.

    In a source tree it is the repository's root, elsewhere ``<prefix>/share/emostress_ros``.
    """
    package = Path(__file__).resolve().parent
    if (package.parent / "package.xml").is_file() and (package.parent / "config").is_dir():
        return package.parent
    for parent in Path(__file__).absolute().parents:
        candidate = parent / "share" / PACKAGE
        if (candidate / "package.xml").is_file():
            return candidate
    raise FileNotFoundError(
        f"no share/{PACKAGE} beside {package}: the installation is incomplete; "
        f"install the package again with `pip install .` or `colcon build`"
    )


def model_folders() -> list[Path]:
    """Return the folders that are searched for models, first match wins."""
    extra = [Path(item) for item in os.environ.get(MODELS_VARIABLE, "").split(":") if item]
    return [*extra, share_directory() / "models"]


def model_directory(name: str) -> Path:
    """Return the folder of the model called ``name`` (a path is taken as it is).

    Raises:
        ModelNotFoundError: names the models that there are.
    """
    if os.sep in name and Path(name).is_dir():
        return Path(name)
    for folder in model_folders():
        if (folder / name / "model.yaml").is_file():
            return folder / name
    known = sorted(
        path.parent.name for folder in model_folders() for path in folder.glob("*/model.yaml")
    )
    raise ModelNotFoundError(
        f"no model '{name}' in {', '.join(str(folder) for folder in model_folders())}; "
        f"there are: {', '.join(known) or 'none'}"
    )
