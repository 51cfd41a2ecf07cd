"""`samhq sample`: writes the sample photograph of the package, or a short clip, to a file, to try commands with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from samhq.cli.places import check_free, make_folder


def sample(
    target: Path | None = None,
    /,
    *,
    video: Annotated[bool, Parameter(negative="")] = False,
    force: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write a sample photograph, 600 x 400 pixels: a coffee cup with a spoon.

    For example: samhq sample && samhq segment photo.jpg --box 326,200,407,326 --output out
    samhq sample --video && samhq track clip.mp4 --box 226,200,307,318 --output out

    Parameters:
        target: File or folder. A folder gets photo.jpg or clip.mp4; a name without a suffix is a folder, which is made
            if it is missing. [default: the current folder]
        video: Write a clip of two seconds instead, 480 x 320 pixels, in which a camera moves over the photograph.
        force: Replace an existing file.
    """
    given, name = target or Path(), "clip.mp4" if video else "photo.jpg"
    path = given / name if given.is_dir() or not given.suffix else given
    if not force:
        check_free([path])
    make_folder(path.parent)
    if video:
        from samhq.video.sample_clip import write_sample_clip

        write_sample_clip(path)
    else:
        from samhq.image.sample_picture import sample_picture
        from samhq.storage.atomic import write_bytes

        write_bytes(path, sample_picture().read_bytes())
    print(path)
    return 0
