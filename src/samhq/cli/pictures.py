"""Finds the pictures that a command line names, and gives each of them a name for its results.

Light: handles paths only, no pixels.
"""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from samhq.batch.names import stems
from samhq.cli.places import make_folder
from samhq.errors import ConfigError, ImageError
from samhq.image.suffixes import SUFFIXES, is_picture_file
from samhq.progress import print_line
from samhq.storage.atomic import write_bytes
from samhq.storage.names import numbered

#: Both mean a picture on the standard input: as people write it, and as `samhq.cli.main` passes it on.
STDIN = ("-", "stdin:")


def find_pictures(given: Sequence[str], output: Path = Path(), *, recursive: bool = False) -> list[Path]:
    """Every picture once, in the given order. A folder stands for its pictures by name, a pattern for its matches.

    With `recursive` a folder includes its subfolders. An http or https address is downloaded, and `-` is read from the
    standard input; both are saved in the folder `output`, so that results can refer to them. A plain path is returned
    even if the file does not exist: that file then fails, and the others go on.

    Raises:
        ConfigError: nothing given, a folder or pattern without pictures, an address in a store, or `-` twice.
        ImageError: an address cannot be fetched, or the standard input is empty.
    """
    if not given:
        raise ConfigError(
            "Expected at least one picture, got none. Name a file, a folder or a pattern such as '*.jpg'."
        )
    if sum(item in STDIN for item in given) > 1:
        raise ConfigError(
            "Expected - once, since the standard input is one picture, got it several times. Leave the others out."
        )
    return list(dict.fromkeys(path for item in given for path in _expand(item, output, recursive)))


def _expand(item: str, output: Path, recursive: bool) -> list[Path]:
    from samhq.image.fetch import fetched, is_url, name_of

    if item in STDIN:
        return [_kept(sys.stdin.buffer.read(), "stdin", output)]
    if is_url(item):
        return [_kept(fetched(item), name_of(item), output)]
    path = Path(item).expanduser()
    if "://" in item and not path.exists():
        raise ConfigError(
            f"Expected a path or an http(s) address, got {item}. Give a path; for pictures in object stores plan a "
            f"job: samhq batch plan {item.rpartition('/')[0]} --out JOB"
        )
    if path.is_dir():
        pictures = [p for p in (_below(path, output) if recursive else path.iterdir()) if is_picture_file(p)]
    elif not path.exists() and glob.has_magic(item):
        pictures = [p for p in map(Path, glob.glob(str(path), recursive=True)) if is_picture_file(p)]
    else:
        return [path]
    if not pictures:
        hint = "" if recursive or not path.is_dir() else " --recursive includes its subfolders."
        raise ConfigError(
            f"Expected pictures in {item}, got none. Known suffixes: {', '.join(sorted(SUFFIXES))}.{hint}"
        )
    return sorted(pictures)


def _below(folder: Path, output: Path) -> Iterator[Path]:
    """All files in a folder and its subfolders, except hidden ones and those in the results folder."""
    for here, folders, files in os.walk(folder):
        kept = [name for name in folders if not name.startswith(".") and Path(here, name).resolve() != output.resolve()]
        folders[:] = kept
        yield from (Path(here, name) for name in files)


def _kept(data: bytes, name: str, folder: Path) -> Path:
    """The path of a file with these bytes in the folder. A suffix is added if the name has no picture's suffix.

    A number is added where another file has the name: neither it nor its results are replaced.
    """
    from samhq.image.files import suffix_of

    if not data:
        raise ImageError("Expected a picture on the standard input, got nothing. Write: samhq segment - < photo.jpg")
    path = folder / name
    if path.suffix.lower() not in SUFFIXES:
        path = path.with_name(path.name + suffix_of(data))
    places = chain([path], (path.with_stem(stem) for stem in numbered(path.stem)))
    place = next(place for place in places if not os.path.lexists(place) or _holds(place, data))
    if not place.exists():
        make_folder(folder)
        write_bytes(place, data)
    return place


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.read_bytes() == data


def result_names(pictures: Sequence[Path], output: Path, ending: str = ".json", *, quiet: bool = False) -> list[str]:
    """As `stems`, with a number added where `output` holds another picture's result; prints which names changed.

    `ending` is what the name of a result's record has after the stem.
    """
    from samhq.results.origin import own_stems  # It imports NumPy, which help texts do not need.

    short_names = stems(pictures)
    names = own_stems(short_names, [str(path) for path in pictures], output, ending)
    numbered = [name for name, first in zip(names, short_names, strict=True) if name != first]
    if numbered and not quiet:
        shown = ", ".join(numbered[:3]) + (f" and {len(numbered) - 3} more" if len(numbered) > 3 else "")
        print_line(
            f"samhq: {output} holds results of other pictures with the same names; the new results are called {shown}",
            stream=sys.stderr,
        )
    return names


def check_results_spare_inputs(inputs: Sequence[Path], names: Sequence[str], output: Path) -> None:
    """Refuses to run if a result would overwrite a file that is still to be read.

    Raises:
        ConfigError: an input lies in the output folder and has the name of a result.
    """
    folder = output.resolve()
    for path in inputs:
        place = path.resolve()
        if place.parent == folder and _is_result(place.name, names):
            raise ConfigError(
                f"Expected inputs that no result overwrites, got {path}, which has the name of one. "
                "Give another folder as --output."
            )


def _is_result(filename: str, names: Sequence[str]) -> bool:
    """Whether a result under one of these names may have this file name."""
    return any(
        filename == f"{name}.json" or filename.startswith((f"{name}_mask_", f"{name}_overlay.", f"{name}_cutout_"))
        for name in names
    )
