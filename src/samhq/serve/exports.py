"""Labels of a project as files of every format, for download and for training."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
import zipfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samhq.errors import did_you_mean
from samhq.formats.coco import open_coco
from samhq.formats.options import WriteOptions
from samhq.formats.write import FORMATS, NEED_FILE, NEED_PIXELS, NEED_PLACE, open_formats
from samhq.results.annotation import Annotation
from samhq.results.picture import Picture, georeference
from samhq.serve.faults import Fault
from samhq.serve.objects import Row, code_of, objects_of
from samhq.serve.pictures import PictureStore
from samhq.serve.project import Project, now
from samhq.storage import digest

_NEED_EXTRA = {"geotiff": ("rasterio", "geo")}  #: Formats with the package that they need and its extra.
_DETECTOR_SOURCES = ("text",)  #: The score of objects from this source is a detector's.


@dataclass(frozen=True)
class Exported:
    """A file to download; `folder` is temporary and is deleted after the file was sent."""

    path: Path
    folder: Path
    n_images: int
    n_objects: int


def formats() -> list[dict[str, Any]]:
    """All formats, and whether the packages that they need are installed."""
    return [{"name": name, "about": form.about, "available": _missing(name) is None} for name, form in FORMATS.items()]


def export_pictures(
    project: Project, pictures: PictureStore, name: str, ids: Sequence[int], options: WriteOptions
) -> Exported:
    """Pictures with their objects in a format: one file if the format has one, else a ZIP.

    Raises:
        Fault: an unknown format, one whose package is missing, or pictures that cannot be read.
    """
    if name not in FORMATS:
        raise Fault(404, f"Expected a known format, got {name!r:.40}. {did_you_mean(name, FORMATS)}")
    if (missing := _missing(name)) is not None:
        raise Fault(501, f"Expected the package {missing} for {name}, got none. Run: pip install 'samhq[geo]'")
    folder = Path(tempfile.mkdtemp(prefix="samhq-export-"))
    try:
        n_objects = 0
        with open_formats([name], folder / name, options) as add:
            for picture in _pictures(project, pictures, ids, name):
                n_objects += len(picture.objects)
                add(picture)
        path = _one_file(folder, name)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    exported = Exported(path, folder, len(ids), n_objects)
    with project.transaction() as database:
        values = (name, now(), exported.n_images, n_objects, digest.of_file(path))
        statement = "INSERT INTO export (format, at, n_images, n_objects, sha256) VALUES (?, ?, ?, ?, ?)"
        database.execute(statement, values)
    return exported


def write_training_data(project: Project, pictures: PictureStore, path: Path, classes: Collection[int]) -> None:
    """Writes the objects of these classes (ids), on all pictures that are not skipped, as a COCO file.

    Pictures without such objects are left out. The file names pictures by their whole paths.
    """
    labels = [known["name"] for known in project.classes() if known["id"] in classes and known["n_objects"]]
    with open_coco(path, labels=labels) as add:
        for row in project.images():
            if row["status"] == "skip" or not row["n_objects"]:
                continue
            picture = _picture(project, row, str(pictures.path(row)), str(row["id"]))
            kept = tuple(known for known in picture.annotations if known.label in labels)
            if kept:
                add(replace(picture, annotations=kept))


def _missing(name: str) -> str | None:
    """The package that a format needs and that is not installed; None if nothing is missing."""
    package, _ = _NEED_EXTRA.get(name, (None, None))
    return package if package is not None and importlib.util.find_spec(package) is None else None


def _pictures(project: Project, pictures: PictureStore, ids: Sequence[int], format: str) -> Iterator[Picture]:
    stems: set[str] = set()
    for image_id in ids:
        row = project.image(image_id)
        if row["height"] is None:
            continue
        stem = Path(row["name"]).stem
        stem = f"{stem}_{image_id}" if stem in stems else stem
        stems.add(stem)
        about: dict[str, Any] = {}
        if format in NEED_PIXELS:
            about["image"] = pictures.pixels(image_id)
        if format in NEED_PLACE:
            about["geo"] = georeference(pictures.path(row), row["name"])
        if format in NEED_FILE and row["rel_path"] is not None:
            about["source"] = pictures.path(row)
        elif format in NEED_FILE:
            about["image"] = pictures.pixels(image_id)
        yield _picture(project, row, row["name"], stem, **about)


def _picture(project: Project, row: Row, file_name: str, stem: str, **about: Any) -> Picture:
    size_hw = row["height"], row["width"]
    names = {known["id"]: known["name"] for known in project.classes()}
    with project.transaction() as database:
        objects = objects_of(database, row["id"])
    annotations = tuple(_annotation(known, names, size_hw) for known in objects)
    return Picture(file_name, size_hw, annotations, stem=stem, **about)


def _annotation(row: Row, names: dict[int, str], size_hw: tuple[int, int]) -> Annotation:
    detected = row["source"] in _DETECTOR_SOURCES
    score = row["score"]
    return Annotation(
        code_of(row, size_hw),
        names[row["class_id"]],
        None if detected else score,
        detector_score=score if detected else None,
    )


def _one_file(folder: Path, name: str) -> Path:
    """The one file of an export, or a ZIP of all of them."""
    written = folder / name
    files = sorted(path for path in written.rglob("*") if path.is_file())
    if len(files) == 1:
        return files[0]
    target = folder / f"{name}.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            archive.write(path, path.relative_to(written).as_posix())
    return target
