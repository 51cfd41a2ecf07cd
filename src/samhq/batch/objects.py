"""The objects that a sharded job asks for, as JSON values: of every picture, or of single pictures by id.

Knows nothing about networks. Whether an object lies in its picture is checked when the picture is segmented.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from samhq.errors import ConfigError, PromptError
from samhq.formats.prompts import names_for_prompts, read_prompts
from samhq.results.prompt import Prompt

Objects = Sequence[Mapping[str, Any]]

_FIELDS = ("points", "labels", "box", "label", "score")
_ANY_PICTURE = (1 << 30, 1 << 30)  #: A size in which every object lies.
_COMPARED = 10_000  #: Ids among which a similar one is searched.


def objects_in_file(path: Path) -> tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The objects of every picture, and those of single pictures by name, from a file of prompts.

    Raises:
        PromptError: the file cannot be read or has another form.
        ConfigError: an object with a mask, or no object for every picture.
    """
    prompts = read_prompts(path)
    if prompts.on_map is not None:
        raise ConfigError(f"Expected objects in pixels in {path}, got GeoJSON. Use samhq segment for map coordinates.")
    if prompts.everywhere == ():
        raise ConfigError(f"Expected objects in {path}, got none. Write one or more, or use --everything.")
    everywhere = [_as_json(prompt, path) for prompt in prompts.everywhere or ()]
    by_name = {name: [_as_json(prompt, path) for prompt in of_picture] for name, of_picture in prompts.by_name.items()}
    return everywhere, by_name


def _as_json(prompt: Prompt, path: Path) -> dict[str, Any]:
    if prompt.mask is not None:
        raise ConfigError(
            f"Expected objects with points, labels, box and label in {path}, got a mask. "
            "Leave it out, or use samhq segment."
        )
    fields = {name: getattr(prompt, name) for name in _FIELDS}
    return {name: value for name, value in fields.items() if value is not None}


def objects_for(name: str, objects: Objects, objects_of: Mapping[str, Objects]) -> Objects:
    """The objects of a picture: its own, found by its id, file name or stem, or else those of every picture.

    Raises:
        PromptError: there are only objects of other pictures.
    """
    for key in names_for_prompts(name):
        if key in objects_of:
            return objects_of[key]
    if objects_of and not objects:
        raise PromptError(
            f"Expected prompts for {name}, got none. Add the picture to the prompts file, with [] for no objects, "
            "and plan a new job."
        )
    return objects


def check_objects(objects: Objects, objects_of: Mapping[str, Objects]) -> None:
    """Refuses objects that fit no picture.

    Raises:
        PromptError: points, labels or a box of a wrong shape, order or type.
    """
    for picture, its_objects in {"": objects, **objects_of}.items():
        for number, fields in enumerate(its_objects):
            try:
                _check(fields)
            except PromptError as error:
                of = f" of {picture}" if picture else ""
                raise PromptError(f"Object {number} (from 0){of}: {error}") from error


def _check(fields: Mapping[str, Any]) -> None:
    from samhq.image.boxes import as_boxes, as_points

    if fields.get("box") is not None:
        as_boxes(fields["box"], _ANY_PICTURE)
    if fields.get("points") is not None:
        as_points(fields["points"], fields.get("labels"), _ANY_PICTURE)
    elif fields.get("labels") is not None:
        raise PromptError("Expected labels with points, got labels alone. Add points, or leave labels out.")


def check_ids(objects_of: Mapping[str, Objects], ids: Collection[str], source: str) -> None:
    """Refuses objects of pictures that the job does not have.

    Raises:
        ConfigError: there are some.
    """
    known = {key for name in ids for key in names_for_prompts(name)}
    unknown = [name for name in objects_of if name not in known]
    if not unknown:
        return
    few = sorted(ids)[:_COMPARED]
    near = difflib.get_close_matches(unknown[0], few, n=1)
    further = f" (and {len(unknown) - 1} more)" if len(unknown) > 1 else ""
    hint = f"Did you mean {near[0]!r}?" if near else f"Use ids of the job, such as {few[0]!r}."
    raise ConfigError(
        f"Expected prompts of pictures in {source}, got prompts of {unknown[0]!r}{further}, which is not in it. {hint}"
    )


def without_objects(ids: Collection[str], objects: Objects, objects_of: Mapping[str, Objects]) -> int:
    """The number of pictures that will fail because only other pictures have objects."""
    if objects or not objects_of:
        return 0
    have_objects = [any(key in objects_of for key in names_for_prompts(name)) for name in ids]
    return have_objects.count(False)
