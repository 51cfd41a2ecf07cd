"""`samhq convert`: weights from one file and layout to another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.places import check_free


def convert(
    source: str,
    target: Path,
    /,
    *,
    dtype: Literal["keep", "float32", "bfloat16", "float16"] = "keep",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write weights in another layout, without a change in what they say.

    Parameters:
        source: A weights file, a folder, a hub id or a name that `samhq models` lists, such as starter.
        target: NAME.pth or NAME.safetensors for the original layout; a name without suffix for a folder that
            transformers reads.
        dtype: Of the written weights; keep leaves them as they are.
        force: Replace what is there.
    """
    from samhq.checkpoint import save
    from samhq.device import as_dtype

    if not force:
        check_free(save.files_at(target))
    config = save.convert(source, target, dtype=None if dtype == "keep" else as_dtype(dtype))
    print(f"{target}: {config.name} ({config.family})")
    return 0
