"""`samhq convert`: weights from one file and layout to another."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.places import check_free, folder_for_one


def convert(
    source: str,
    target: Path,
    /,
    *,
    dtype: Literal["keep", "float32", "bfloat16", "float16"] = "keep",
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Convert weights to another file layout; the values stay the same.

    Parameters:
        source: A weights file, a folder, a hub id, or a name from `samhq models`, such as starter.
        target: NAME.pth or NAME.safetensors for the original layout. A name without suffix for a folder in the layout
            of transformers.
        dtype: Number type of the written weights. keep: the same as in the source.
        force: Replace an existing target.
    """
    from samhq.checkpoint import save
    from samhq.device import as_dtype

    # One file is whole whoever writes it; the files of a folder must be those of one run.
    with folder_for_one(target, "converting") if save.is_folder(target) else nullcontext():
        if not force:
            check_free(save.files_at(target))
        config = save.convert(source, target, dtype=None if dtype == "keep" else as_dtype(dtype))
    print(f"{target}: {config.name} ({config.family})")
    return 0
