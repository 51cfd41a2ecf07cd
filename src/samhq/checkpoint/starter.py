"""The path of the weights that come with the package, and the settings that suit them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from samhq.errors import CheckpointError

STARTER = "starter"  #: The name that stands for it where a model is expected.
FILENAME = f"{STARTER}.safetensors"
#: Settings found after the file was made; they replace those in its header. See docs/starter.md.
TUNED: Mapping[str, object] = {"defaults.stability_score_thresh": 0.85, "defaults.thin_zoom": 1.5}


def starter_path() -> Path:
    """The file of the embedded starter model.

    Raises:
        CheckpointError: this installation came without it.
    """
    path = _path()
    if not path.is_file():
        raise CheckpointError(
            f"Expected the embedded starter weights at {path}, got an installation without them. "
            'Install samhq from a wheel or a full checkout, or name a model, such as "sam_hq_vit_tiny".'
        )
    return path


def tuned_settings(source: Path) -> Mapping[str, object]:
    """`TUNED` if `source` is the starter's file, else nothing; values by dotted name, as a file declares them."""
    return TUNED if source == _path() else {}


def _path() -> Path:
    return Path(str(resources.files("samhq"))) / "weights" / FILENAME
