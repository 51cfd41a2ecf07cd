"""The photograph that comes with the package, for examples and first steps.

Source: scikit-image, `skimage.data.coffee`; a photograph by Rachel Michetti, courtesy of Pikolo Espresso Bar, CC0.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from samhq.errors import ImageError


def sample_picture() -> Path:
    """The path of a JPEG photograph in the package, 600 x 400 pixels: a coffee cup with a spoon.

    Boxes (x0, y0, x1, y1) of its objects: the cup's rim (172, 17, 410, 209), the espresso (203, 95, 370, 194), the
    spoon (326, 200, 407, 326).

    >>> sample_picture().suffix
    '.jpg'

    Raises:
        ImageError: this installation lacks it.
    """
    path = Path(str(files("samhq") / "pictures" / "coffee.jpg"))
    if not path.is_file():
        raise ImageError(f"Expected the sample picture at {path}, got none. Install the package again.")
    return path
