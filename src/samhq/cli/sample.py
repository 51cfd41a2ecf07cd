"""`samhq sample`: writes the sample photograph of the package to a file, to try commands with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from samhq.cli.places import check_free, make_folder


def sample(target: Path = Path("photo.jpg"), /, *, force: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Write a sample photograph, 600 x 400 pixels: a coffee cup with a spoon.

    For example: samhq sample && samhq segment photo.jpg --box 326,200,407,326 --output out

    Parameters:
        target: File or folder. A folder gets photo.jpg.
        force: Replace an existing file.
    """
    from samhq.image.sample_picture import sample_picture
    from samhq.storage.atomic import whole_file

    path = target / "photo.jpg" if target.is_dir() else target
    if not force:
        check_free([path])
    make_folder(path.parent)
    with whole_file(path) as part:
        part.write_bytes(sample_picture().read_bytes())
    print(path)
    return 0
