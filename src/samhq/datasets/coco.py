"""Pictures and objects of a COCO JSON file: polygons, run-length codes, crowds, pictures without objects.

Knows the format and the places of its pictures; nothing about prompts, networks or scores.

Source: cocodataset.org, "Data format"; pycocotools, coco.py, `annToRLE`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from samhq.datasets.sample import Sample, check_size, stamp_of_files
from samhq.errors import ConfigError, ImageError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.masks import rle, runs
from samhq.masks.rings import filled_ring
from samhq.shapes import Bool, UInt8
from samhq.storage.documents import read_json
from samhq.storage.schema import FLAG, ID, NUMBER, SIDE, TEXT, WORDS, Fields, Items

#: The parts of a COCO file that are read; segmentations are checked when they are decoded.
_FORM = Fields(
    {
        "images": Items(Fields({"id": ID, "file_name": TEXT}, {"height": SIDE, "width": SIDE})),
        "annotations": Items(
            Fields({"image_id": ID}, {"category_id": ID, "iscrowd": FLAG, "area": NUMBER}),
        ),
    },
    {"categories": Items(Fields({"id": ID}, {"name": WORDS}))},
)
_SAMPLED = 24  #: The number of pictures whose files are searched for, to find their folder.
_BESIDE = ("ann", "label", "json")  #: Prefixes of folders that hold only JSON files; their pictures lie beside them.


class CocoPictures:
    """The pictures of a COCO file with their objects; satisfies `samhq.datasets.sample.Pictures`.

    `images` and `annotations` are the file's own records; `folder` holds its pictures.
    """

    def __init__(
        self,
        name: str,
        images: Sequence[Mapping[str, Any]],
        annotations: Sequence[Mapping[str, Any]],
        categories: Mapping[Any, str],
        folder: Path,
        channels: Channels = AS_SHOWN,
    ) -> None:
        self.channels = channels
        self.name, self.images, self.folder = name, [_with_plain_ids(image) for image in images], folder
        self.categories = {plain_id(number): name for number, name in categories.items()}
        self.annotations: dict[Any, list[Mapping[str, Any]]] = {image["id"]: [] for image in self.images}
        for annotation in map(_with_plain_ids, annotations):
            self.annotations.setdefault(annotation["image_id"], []).append(annotation)
        self._names = _unique(self.images)

    def __len__(self) -> int:
        return len(self.images)

    def names(self) -> Sequence[str]:
        """File names without suffix; pictures with the same name also get the suffix, then the id."""
        return self._names

    def of(self, index: int) -> list[Mapping[str, Any]]:
        """The annotations of a picture."""
        return self.annotations[self.images[index]["id"]]

    def source(self, index: int) -> str:
        """The `source` of a picture's entry; "" if it has none."""
        return str(self.images[index].get("source") or "")

    def file_name(self, index: int) -> str:
        """The file name in a picture's entry."""
        return str(self.images[index]["file_name"])

    def path(self, index: int) -> Path:
        """A picture's file."""
        return located(self.folder, self.file_name(index))

    def lacks(self, index: int) -> Path | None:
        """A picture's file, if it is missing."""
        path = self.path(index)
        return None if _is_file(path) else path

    def size_hw(self, index: int) -> tuple[int, int]:
        """A picture's height and width, from its entry or else from its file.

        Raises:
            ImageError: the entry does not have them, and the file cannot be read.
        """
        entry = self.images[index]
        if entry.get("height") and entry.get("width"):
            height, width = int(entry["height"]), int(entry["width"])
            if height * width >= 1 << 32:
                raise ImageError(
                    f"Expected a picture of fewer than 2^32 pixels, which COCO's codes can count, got {height} x "
                    f"{width} in the entry of {self.path(index)}. Correct the file."
                )
            return height, width
        height, width = self.channels.read(self.path(index)).shape[:2]
        return int(height), int(width)

    def image(self, index: int) -> UInt8[np.ndarray, "H W 3"]:
        """A picture's pixels.

        Raises:
            ImageError: the file cannot be read, or has another size than its entry.
        """
        path = self.path(index)
        image, size_hw = self.channels.read(path), self.size_hw(index)
        check_size(image.shape[:2], path, size_hw, f"its entry in {self.name}")
        return image

    def stamp(self, index: int) -> str:
        """The stamp of the picture's file and annotations, and of the chosen channels."""
        records = self.of(index)
        names = [self.categories.get(record.get("category_id", -1), "") for record in records]
        values = [self.images[index], records, names]
        if self.channels.chosen:
            values.append(self.channels.options())
        return stamp_of_files([self.path(index)], values)

    def __getitem__(self, index: int) -> Sample:
        image, records = self.image(index), self.of(index)
        size_hw = image.shape[0], image.shape[1]
        masks = [decode_segmentation(record, size_hw, str(self.path(index))) for record in records]
        return Sample(
            self._names[index],
            image,
            np.stack(masks) if masks else np.zeros((0, *size_hw), bool),
            tuple(_whole_or(record.get("id"), number) for number, record in enumerate(records, 1)),
            tuple(self.categories.get(record.get("category_id", -1), "") for record in records),
            np.array([bool(record.get("iscrowd", 0)) for record in records], bool),
        )


def open_coco_pictures(path: Path, images: str | Path | None = None, channels: Channels = AS_SHOWN) -> CocoPictures:
    """The pictures of a COCO file; `images` is their folder, by default found beside or around the file.

    `channels` says how they are shown.

    Raises:
        ConfigError: not a COCO file; no folder around it holds its pictures; or two folders hold equally many.
    """
    content = read_coco(path)
    images = None if images is None else Path(images)
    if images is not None and not images.is_dir():
        raise ConfigError(f"Expected the folder of the pictures of {path}, got {images}, which is no folder. Check it.")
    folder = images or find_images(path, [image["file_name"] for image in content["images"]])
    categories = {entry["id"]: str(entry.get("name") or "") for entry in content.get("categories") or ()}
    return CocoPictures(_title(path), content["images"], content["annotations"], categories, folder, channels)


def read_coco(path: Path) -> dict[str, Any]:
    """The content of a COCO file, with its lists and required keys checked.

    Raises:
        ConfigError: it cannot be read, is not JSON, or lacks images, annotations or their keys.
    """
    content = read_json(path, "a COCO file", _FORM, ConfigError, "Correct it, or name another file.")
    for key in ("images", "categories"):
        _check_different([plain_id(record["id"]) for record in content.get(key) or ()], f"ids of {key!r} in {path}")
    return dict(content)


def plain_id(value: int | float | str) -> int | str:
    """An id in its plain form: 7, 7.0 and "7" are the same; other text stays text.

    >>> plain_id("7"), plain_id(7.0), plain_id("007")
    (7, 7, '007')
    """
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdecimal() and str(int(value)) == value else value
    return int(value)


def in_order(ids: Iterable[int | str]) -> list[int | str]:
    """Ids sorted: numbers, then text."""
    return sorted(ids, key=lambda value: (isinstance(value, str), value))


def _check_different(ids: Sequence[int | str], name: str) -> None:
    repeated = next((value for value, count in Counter(ids).items() if count > 1), None)
    if repeated is not None:
        raise ConfigError(f"Expected different {name}, got {repeated!r} twice. Number them anew.")


def find_images(path: Path, file_names: Sequence[str]) -> Path:
    """The folder with the named pictures: that of the JSON file, or one below it.

    For a file in a folder such as `annotations`, the folder above is searched too, down to two levels below it. The
    folder with the most of the pictures is chosen. If several are equal, one whose name is part of the file's name is
    preferred (`val2017` for `instances_val2017.json`), then the nearest.

    Raises:
        ConfigError: no folder holds any, or two hold equally many and are equally near.
    """
    if not file_names:
        return path.parent
    sampled = file_names[:: max(1, len(file_names) // _SAMPLED)]
    ranked: list[tuple[tuple[int, bool, int], Path]] = []
    for distance, folders in enumerate(_around(path)):
        known = {folder for _, folder in ranked}
        ranked += [(_rank(folder, distance, path, sampled), folder) for folder in folders if folder not in known]
        if any(rank[0] == -len(sampled) for rank, _ in ranked):
            break
    best = min(rank for rank, _ in ranked)
    if best[0] == 0:
        raise ConfigError(
            f"Expected the pictures of {path}, such as {sampled[0]}, in its folder or in one below it, got "
            "none. Name their folder with images=, or --images on the command line."
        )
    folders = [folder for rank, folder in ranked if rank == best]
    if len(folders) > 1:
        raise ConfigError(
            f"Expected one folder with the pictures of {path}, got {folders[0]} and {folders[1]} with files of the "
            "same names. Name the right one with images=, or --images on the command line."
        )
    return folders[0]


def decode_segmentation(
    record: Mapping[str, Any], size_hw: tuple[int, int], picture: str = "the picture"
) -> Bool[np.ndarray, "H W"]:
    """The mask of an annotation's `segmentation`, see `segmentation_code`.

    >>> square = {"segmentation": [[1, 1, 3, 1, 3, 3, 1, 3]]}
    >>> decode_segmentation(square, (4, 4)).astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 0, 0, 0]]

    Raises:
        ImageError: as for `segmentation_code`.
    """
    return rle.decode(segmentation_code(record, size_hw, picture))


def segmentation_code(record: Mapping[str, Any], size_hw: tuple[int, int], picture: str = "the picture") -> rle.RLE:
    """The RLE of an annotation's `segmentation`: polygons, RLE with counts as a list, or compressed RLE.

    Parts outside the picture are cut off. An empty list, and a polygon of fewer than three points, cover nothing.

    Raises:
        ImageError: no segmentation, another form, damaged, or RLE of another size than the picture.
    """
    segmentation = record.get("segmentation")
    annotation = f"annotation {record.get('id', '?')}"
    place = f"{annotation} of {picture}"
    if isinstance(segmentation, list):
        return _filled(segmentation, size_hw, place)
    if not isinstance(segmentation, Mapping):
        raise ImageError(f"Expected a segmentation in {place}, got {segmentation!r:.40}. Boxes alone have no mask.")
    try:
        rle.area(segmentation)
    except ImageError as error:
        raise ImageError(f"{error} It is {place}.") from error
    check_size(size_hw, picture, tuple(segmentation["size"]), annotation)
    return dict(segmentation)


def _filled(polygons: list[Any], size_hw: tuple[int, int], place: str) -> rle.RLE:
    from pycocotools import mask as coco

    if any(not isinstance(ring, list) or len(ring) % 2 or not _finite(ring) for ring in polygons):
        raise ImageError(
            f"Expected polygons as lists [x0, y0, x1, y1, ...] in {place}, got {str(polygons)[:60]}. Correct the file."
        )
    rings = [np.array(ring, np.float64).reshape(-1, 2) for ring in polygons if len(ring) >= 6]
    if not rings:
        return {"size": list(size_hw), "counts": [size_hw[0] * size_hw[1]]}
    code = coco.merge([runs.as_text(filled_ring(ring, size_hw), size_hw) for ring in rings])
    return {"size": list(size_hw), "counts": code["counts"].decode("ascii")}


def located(folder: Path, file_name: str) -> Path:
    """The path of a picture: `file_name` in the folder. In names from Windows, backslashes separate folders."""
    path = folder / file_name
    return path if "\\" not in file_name or _is_file(path) else folder / file_name.replace("\\", "/")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # A name longer than any file's.
        return False


def _with_plain_ids(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record itself if its ids are plain; otherwise a copy with plain ids."""
    ids = {key: record[key] for key in ("image_id", "category_id") if record.get(key) is not None}
    ids |= {"id": record["id"]} if "file_name" in record else {}
    plain = {key: plain_id(value) for key, value in ids.items()}
    same = all(plain[key] is value for key, value in ids.items())
    return record if same else {**record, **plain}


def _whole_or(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise


def _finite(ring: list[Any]) -> bool:
    return all(isinstance(n, (int, float)) and abs(n) < 1e12 for n in ring)


def _unique(images: Sequence[Mapping[str, Any]]) -> list[str]:
    """A different name for each picture: its stem, or its file's name, or that with its id."""
    files = [image["file_name"].replace("\\", "/") for image in images]
    stems = [Path(file).with_suffix("").as_posix() for file in files]
    with_stem, with_name = Counter(stems), Counter(files)
    names = []
    for stem, file, image in zip(stems, files, images, strict=True):
        if with_stem[stem] == 1:
            names.append(stem)
        else:
            names.append(file if with_name[file] == 1 else f"{file}#{image['id']}")
    return names


def _title(path: Path) -> str:
    """The name of the data in tables: the file, with its folder if the file's name is common."""
    return f"{path.parent.name}/{path.stem}" if path.stem.startswith("_") else path.stem


def _around(path: Path) -> Iterator[list[Path]]:
    """Folders near a file, the nearest first. Distant ones are searched only on demand."""
    nearest = path.absolute().parent
    yield [nearest]
    yield _below(nearest)
    if not nearest.name.lower().startswith(_BESIDE):
        return
    yield [nearest.parent]
    yield _below(nearest.parent)
    yield [folder for beside in _below(nearest.parent) for folder in _below(beside)]


def _below(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if p.is_dir())
    except OSError:  # No permission, or deleted meanwhile.
        return []


def _rank(folder: Path, distance: int, path: Path, file_names: Sequence[str]) -> tuple[int, bool, int]:
    """A smaller rank is better: more files found, the folder's name in the file's name, a smaller distance."""
    held = sum(_is_file(located(folder, name)) for name in file_names)
    return -held, folder.name not in path.stem, distance
