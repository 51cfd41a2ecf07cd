"""The path of the weights that come with the package. Knows nothing about their content."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from samhq.errors import CheckpointError

STARTER = "starter"  #: The name that stands for it where a model is expected.
FILENAME = f"{STARTER}.safetensors"


def starter_path() -> Path:
    """The file of the embedded starter model.

    Raises:
        CheckpointError: this installation came without it.
    """
    path = Path(str(resources.files("samhq"))) / "weights" / FILENAME
    if not path.is_file():
        raise CheckpointError(
            f"Expected the embedded starter weights at {path}, got an installation without them. "
            'Install samhq from a wheel or a full checkout, or name a model, such as "sam_hq_vit_tiny".'
        )
    return path
