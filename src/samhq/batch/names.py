"""Names under which the results of pictures are written. Knows paths only, no pixels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from samhq.storage.names import short_name


def stems(pictures: Sequence[Path]) -> list[str]:
    """Short names for the pictures' results, all different, even if upper and lower case count as equal.

    >>> stems([Path("a/cat.jpg"), Path("b/cat.jpg"), Path("cat.png"), Path("dog.png")])
    ['a_cat_jpg', 'b_cat_jpg', 'cat_png', 'dog']
    """
    names = [path.stem for path in pictures]
    for longer in (_with_suffix, _with_folder):
        clashing = _clashing(names)
        names = [
            longer(path) if name.casefold() in clashing else name for path, name in zip(pictures, names, strict=True)
        ]
    return _numbered([short_name(name) for name in names])


def _clashing(names: Sequence[str]) -> set[str]:
    counts = Counter(name.casefold() for name in names)
    return {name for name, count in counts.items() if count > 1}


def _with_suffix(path: Path) -> str:
    return path.name.replace(".", "_")


def _with_folder(path: Path) -> str:
    return f"{path.absolute().parent.name}_{_with_suffix(path)}"


def _numbered(names: Sequence[str]) -> list[str]:
    """The names; one that equals an earlier name gets a number.

    >>> _numbered(["a", "A", "a_2", "b"])
    ['a', 'A_2', 'a_2_2', 'b']
    """
    taken: set[str] = set()
    unique_names = []
    for name in names:
        unique, number = name, 2
        while unique.casefold() in taken:
            unique, number = f"{name}_{number}", number + 1
        taken.add(unique.casefold())
        unique_names.append(unique)
    return unique_names
