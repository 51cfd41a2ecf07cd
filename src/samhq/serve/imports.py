"""Imports labels from COCO files, from other tools' files, from samhq's records, and from ZIP files of these."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from samhq.datasets.coco import plain_id, read_coco, segmentation_code
from samhq.datasets.yolo import read_class_names
from samhq.errors import SamHQError
from samhq.formats.cvat import read_cvat
from samhq.formats.isat import read_isat
from samhq.formats.labelme import read_labelme
from samhq.formats.labelstudio import read_labelstudio
from samhq.formats.supervisely import read_supervisely
from samhq.formats.yolo import read_yolo
from samhq.plural import plural
from samhq.results.annotation import LABEL, Annotation
from samhq.results.picture import Picture
from samhq.results.sa1b import read_sa1b
from samhq.serve.archives import is_archive, unpack_labels
from samhq.serve.commands import run_command
from samhq.serve.faults import Fault, fault_of
from samhq.serve.messages import CommitMany, Mask, NewObject
from samhq.serve.objects import Row
from samhq.serve.project import FIRST_CLASS, Project

ImportFormat = Literal["coco", "record", "labelstudio", "cvat", "isat", "labelme", "supervisely", "yolo"]
FORMATS: dict[ImportFormat, str] = {
    "coco": "COCO dataset: images, annotations, categories",
    "record": "a record of samhq segment or samhq everything; SA-1B's files are such records too",
    "labelstudio": "Label Studio's export as JSON",
    "cvat": "CVAT for images 1.1",
    "isat": "ISAT's JSON of a picture",
    "labelme": "labelme's JSON of a picture",
    "supervisely": "Supervisely's annotation of a picture; the picture is the one that is open",
    "yolo": "YOLO's dataset as a ZIP, with data.yaml and labels",
}

_LONE = "labels.json"  #: The name of an uploaded file that is no ZIP.


@dataclass
class Imported:
    """The outcome of an import: numbers of objects, pictures and classes, and a sentence for each entry left out."""

    objects: int = 0
    images: int = 0
    classes: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def import_labels(
    project: Project, content: bytes, format: ImportFormat | None = None, image_id: int | None = None
) -> Imported:
    """Adds the objects of a file, or of the files in a ZIP, to the project's pictures, one command for each picture.

    If `format` is None, the content decides. `image_id` is the picture for a file of one picture that names none of the
    project's.

    Raises:
        Fault: the file has none of the known forms.
    """
    imported = Imported()
    with tempfile.TemporaryDirectory(prefix="samhq-import-") as folder:
        path = Path(folder) / _LONE
        path.write_bytes(content)
        if is_archive(content):
            _import_archive(project, unpack_labels(path, Path(folder) / "files"), imported)
        else:
            _import_file(project, path, _format_of(content) if format is None else format, image_id, imported)
    return imported


def _import_file(
    project: Project,
    path: Path,
    format: ImportFormat,
    image_id: int | None,
    imported: Imported,
    place: str = "the file",
) -> None:
    if format == "yolo":
        raise Fault(
            422, "Expected YOLO's dataset as a ZIP with data.yaml and labels, got another file. Pack the folder."
        )
    try:
        if format == "coco":
            _import_coco(project, path, imported)
        else:
            _import_pictures(project, _READERS[format](path), image_id, imported)
    except SamHQError as error:
        message = str(error).replace(str(path), place).replace(f"{path.parent}{os.sep}", "")
        raise Fault(422, message) from error


def _import_archive(project: Project, paths: Sequence[Path], imported: Imported) -> None:
    """Adds the objects of all label files of a ZIP; a file that cannot be read is left out with a sentence."""
    configs = [path for path in paths if path.suffix.lower() in (".yaml", ".yml") and path.stem == "data"]
    labels = [path for path in paths if configs and path.suffix.lower() == ".txt"]
    known = {path: format for path in paths if (format := _known_format(path)) is not None}
    if not labels and not known:
        raise Fault(
            422, f"Expected a ZIP with label files, got {len(paths)} files of other kinds. Choose another file."
        )
    for path, format in known.items():
        try:
            _import_file(project, path, format, None, imported, path.name)
        except Fault as fault:
            imported.skipped.append(str(fault.detail))
    if labels:
        _import_yolo(project, configs[0], labels, imported)


def _known_format(path: Path) -> ImportFormat | None:
    """The format of a file in a ZIP; None for files without labels, such as lists of classes."""
    if path.suffix.lower() not in (".json", ".xml"):
        return None
    try:
        format = _format_of(path.read_bytes())
    except Fault:
        return None
    return None if format == "cvat" and b"<annotations" not in path.read_bytes() else format


def _import_yolo(project: Project, config: Path, labels: Sequence[Path], imported: Imported) -> None:
    """Adds the objects of YOLO's label files to the pictures with their names."""
    try:
        classes, finder = read_class_names(config), _Finder(project)
    except SamHQError as error:
        raise Fault(422, str(error).replace(str(config), config.name)) from error
    for path in labels:
        row = finder.find_stem(path.stem)
        if row is None:
            imported.skipped.append(f"{path.name}: no picture of this name is in the project.")
            continue
        try:
            picture, skipped = read_yolo(path, row["name"], (row["height"], row["width"]), classes)
        except SamHQError as error:
            imported.skipped.append(str(error).replace(str(path), path.name))
            continue
        imported.skipped += [sentence.replace(str(path), path.name) for sentence in skipped]
        _store(project, row, [_object(item) for item in picture.annotations], imported)


def _format_of(content: bytes) -> ImportFormat:
    if content.lstrip()[:1] == b"<":
        return "cvat"
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Fault(422, f"Expected a COCO file or a record, got neither JSON nor XML ({error}).") from error
    if isinstance(value, list) and value and all(isinstance(task, dict) and "data" in task for task in value):
        return "labelstudio"
    fields = set(value) if isinstance(value, dict) else set()
    for format, needed in _TOLD_BY.items():
        if needed <= fields:
            return format
    forms = "; ".join(f"{name} ({', '.join(sorted(needed))})" for name, needed in _TOLD_BY.items())
    raise Fault(
        422,
        f"Expected one of these files with their fields, or Label Studio's or CVAT's, got none of them: {forms}. "
        "Choose another file.",
    )


def _import_coco(project: Project, path: Path, imported: Imported) -> None:
    content = read_coco(path)
    names = {
        plain_id(category["id"]): str(category.get("name") or FIRST_CLASS)
        for category in content.get("categories") or ()
    }
    by_image: dict[Any, list[Mapping[str, Any]]] = {}
    for record in content["annotations"]:
        by_image.setdefault(plain_id(record["image_id"]), []).append(record)
    finder = _Finder(project)
    for image in content["images"]:
        records = by_image.get(plain_id(image["id"]), [])
        row = finder.find(image["file_name"])
        if row is None:
            imported.skipped.append(f"{image['file_name']}: no picture of this name is in the project.")
            continue
        size_hw = row["height"], row["width"]
        objects = []
        for record in records:
            try:
                code = segmentation_code(record, size_hw, image["file_name"])
                label = names.get(plain_id(record.get("category_id", -1)), FIRST_CLASS)
                objects.append(_object(Annotation(code, label, _number(record.get("score")))))
            except SamHQError as error:
                imported.skipped.append(str(error))
        _store(project, row, objects, imported)


def _import_pictures(
    project: Project, read: Iterable[tuple[Picture, list[str]]], image_id: int | None, imported: Imported
) -> None:
    """Stores the objects of a file's pictures. A file of one picture may name it differently than the project."""
    pictures, finder = list(read), _Finder(project)
    alone = len(pictures) == 1
    for picture, skipped in pictures:
        imported.skipped += skipped
        row = finder.find(picture.file_name)
        if row is None and alone and image_id is not None:
            row = project.image(image_id)
        if row is None and alone:
            raise Fault(
                404, f"Expected a picture of the project, got labels of {picture.file_name}. Name it with image_id."
            )
        if row is None:
            imported.skipped.append(f"{picture.file_name}: no picture of this name is in the project.")
            continue
        if picture.size_hw != (row["height"], row["width"]):
            fault = _other_size(row, picture)
            if alone:
                raise fault
            imported.skipped.append(str(fault.detail))
            continue
        best = [item for item in picture.annotations if not (item.extra or {}).get("candidate")]
        _store(project, row, [_object(item) for item in best], imported)


def _other_size(row: Row, picture: Picture) -> Fault:
    return Fault(
        422,
        f"Expected labels of {row['name']}, {row['height']} x {row['width']} (height x width), got those of "
        f"{picture.size_hw[0]} x {picture.size_hw[1]}. Choose the picture that they belong to.",
    )


#: The functions that read the pictures of a file; each picture comes with a sentence for whatever was left out.
_READERS: dict[ImportFormat, Callable[[Path], Iterable[tuple[Picture, list[str]]]]] = {
    "record": lambda path: [(read_sa1b(path), [])],
    "labelstudio": read_labelstudio,
    "cvat": read_cvat,
    "isat": lambda path: [(read_isat(path), [])],
    "labelme": lambda path: [read_labelme(path)],
    "supervisely": lambda path: [read_supervisely(path, "the picture" if path.name == _LONE else None)],
}
#: Fields that identify a kind of file.
_TOLD_BY: dict[ImportFormat, set[str]] = {
    "coco": {"images", "annotations"},
    "record": {"image", "annotations"},
    "isat": {"info", "objects"},
    "labelme": {"shapes", "imagePath"},
    "supervisely": {"size", "objects"},
}


def _store(project: Project, row: Row, objects: Iterable[NewObject | None], imported: Imported) -> None:
    """Stores the objects of a picture as one command; those that it has already, with mask and class, are left out."""
    present = _masks_with_classes(project, row["id"])
    given = [item for item in objects if item is not None]
    usable = [item for item in given if ((item.label or "").strip().casefold(), item.mask.counts) not in present]
    if twice := len(given) - len(usable):
        verb = "is" if twice == 1 else "are"
        imported.skipped.append(f"{row['name']}: {plural(twice, 'object')} {verb} there already.")
    if not usable:
        return
    known = {class_row["name"] for class_row in project.classes()}
    try:
        run_command(project, row["id"], CommitMany(type="commit_many", objects=usable, overlap="keep"))
    except (Fault, SamHQError) as error:
        imported.skipped.append(f"{row['name']}: {fault_of(error).detail}")
        return
    imported.objects += len(usable)
    imported.images += 1
    imported.classes += [class_row["name"] for class_row in project.classes() if class_row["name"] not in known]


def _masks_with_classes(project: Project, image_id: int) -> set[tuple[str, str]]:
    """The objects of a picture as pairs of class name, for comparisons, and mask."""
    query = "SELECT folded, counts FROM object JOIN class ON class.id = class_id WHERE image_id = ?"
    return {(row["folded"], row["counts"]) for row in project.rows(query, (image_id,))}


def _object(item: Annotation) -> NewObject | None:
    """An annotation as an object; None for one without pixels."""
    if not item.area:
        return None
    mask = Mask(size=item.size_hw, counts=item.code["counts"])
    label = FIRST_CLASS if item.label == LABEL else item.label
    return NewObject(mask=mask, label=label[:200], score=item.confidence, source="import")


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


class _Finder:
    """Finds pictures of a project by their names in other files."""

    def __init__(self, project: Project) -> None:
        rows = [row for row in project.images() if row["height"] is not None]
        self._by_path = {row["name"]: row for row in rows}
        self._by_name: dict[str, list[Row]] = {}
        for row in rows:
            self._by_name.setdefault(PurePosixPath(row["name"]).name, []).append(row)

    def find(self, file_name: str) -> Row | None:
        """The picture with this path, else the only one with this name."""
        path = file_name.replace("\\", "/")
        if path in self._by_path:
            return self._by_path[path]
        same = self._by_name.get(PurePosixPath(path).name, [])
        return same[0] if len(same) == 1 else None

    def find_stem(self, stem: str) -> Row | None:
        """The only picture with this name without its suffix."""
        same = [row for name, rows in self._by_name.items() if PurePosixPath(name).stem == stem for row in rows]
        return same[0] if len(same) == 1 else None
