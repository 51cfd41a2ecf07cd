"""Pictures of a project, read within limits, and cut into tiles for the page. Knows nothing of networks.

Only bytes are handed to decoders, never names: a name could be an address.
"""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path

import numpy as np
from PIL import Image

from samhq.errors import ImageError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.files import open_file
from samhq.image.raster_source import RasterSource
from samhq.serve.faults import Fault
from samhq.serve.objects import Row
from samhq.serve.places import Root
from samhq.serve.project import Project
from samhq.shapes import UInt8
from samhq.storage import digest
from samhq.storage.atomic import write_bytes

#: Formats that are read. Decoders of other formats are reviewed by fewer people.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  #: How the bytes of a TIFF and of a BigTIFF begin.
TILE = 512  #: pixels a side
_LOSSY = (".jpg", ".jpeg", ".jfif", ".webp")
_HELD_BYTES = 1 << 29  #: Most bytes of decoded pictures and their smaller versions.


class PictureStore:
    """The pictures of a project: those of a folder, and those that were uploaded into `uploads`."""

    def __init__(
        self, project: Project, root: Root | None, uploads: Path, most_pixels: int, channels: Channels = AS_SHOWN
    ) -> None:
        self.project, self.root, self.uploads, self.most_pixels = project, root, uploads, most_pixels
        self.channels = channels
        self._held: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()
        self._lock = threading.Lock()

    def add_folder(self, folder: Path | None = None) -> list[int]:
        """Adds the pictures of the folder, or of one in it, which the project does not know yet; returns their ids."""
        if self.root is None:
            return []
        known = self.project.known_paths()
        with self.project.transaction():
            if self.channels.chosen:
                self._try_again()
            return [self.add_file(name) for name in self.root.pictures(folder) if name not in known]

    def _try_again(self) -> None:
        """Tries again to read the folder's pictures that could not be read, perhaps because of their channels."""
        for row in self.project.rows("SELECT id, rel_path FROM image WHERE height IS NULL AND rel_path IS NOT NULL"):
            size_hw, _ = self._size_or_problem(row["rel_path"])
            if size_hw is not None:
                self.project.change_image(row["id"], height=size_hw[0], width=size_hw[1], problem=None)

    def add_file(self, name: str) -> int:
        """The id of a picture in the folder. One that cannot be read is kept with the reason."""
        size_hw, problem = self._size_or_problem(name)
        return self.project.add_image(name, size_hw, problem, rel_path=name)

    def _size_or_problem(self, name: str) -> tuple[tuple[int, int] | None, str | None]:
        """The size of a picture in the folder, or else the reason why it cannot be read."""
        assert self.root is not None
        try:
            with self.root.inside(name).open("rb") as stream:
                return checked_size_hw(stream, name, self.most_pixels, self.channels), None
        except (Fault, OSError) as error:
            return None, str(getattr(error, "detail", error))

    def add_upload(self, name: str, content: bytes) -> int:
        """The id of an uploaded picture; the same bytes give the same picture.

        Raises:
            Fault: it is no picture of these formats, or too large.
        """
        size_hw = checked_size_hw(io.BytesIO(content), name, self.most_pixels, self.channels)
        key = digest.of_bytes(content)
        if not (self.uploads / key).exists():
            write_bytes(self.uploads / key, content)
        return self.project.add_image(name, size_hw, blob_sha256=key)

    def size_hw(self, image_id: int) -> tuple[int, int]:
        """A picture's height and width.

        Raises:
            Fault: there is no such picture, or it cannot be read.
        """
        row = self.project.image(image_id)
        if row["height"] is None:
            raise Fault(422, row["problem"] or f"Expected a picture, got {row['name']}, which cannot be read.")
        return row["height"], row["width"]

    def path(self, row: Row) -> Path:
        """The path of a picture's file.

        Raises:
            Fault: the file no longer exists, or is no longer inside the folder.
        """
        if row["rel_path"] is None:
            return self.uploads / row["blob_sha256"]
        if self.root is None:
            raise Fault(404, f"Expected the folder of {row['name']}, got none. Start samhq serve with that folder.")
        return self.root.inside(row["rel_path"])

    def stamp(self, image_id: int) -> str:
        """A text that changes if the picture's file changes, or the way in which it is shown.

        Raises:
            Fault: there is no such picture, or its file is gone.
        """
        row = self.project.image(image_id)
        path = self.path(row)
        try:
            stat = path.stat()
        except OSError as error:
            raise _gone(row, error) from error
        return digest.of_json([str(path), stat.st_size, stat.st_mtime_ns, self.channels.options()])[:32]

    def pixels(self, image_id: int) -> UInt8[np.ndarray, "H W 3"]:
        """A picture, upright, RGB. Do not write into it.

        Raises:
            Fault: the file is gone, cannot be read, is too large, or has another size than when it was labelled.
        """
        return self._level(image_id, 0)

    def tile(self, image_id: int, level: int, column: int, row: int) -> tuple[bytes, str]:
        """A tile as a picture file, and its media type. `level` z is the picture halved z times, rounded up.

        Raises:
            Fault: there is no such tile; and as `pixels`.
        """
        height, width = self.size_hw(image_id)
        scaled = (-(-height // (1 << level)), -(-width // (1 << level))) if 0 <= level < 32 else (0, 0)
        y, x = row * TILE, column * TILE
        if min(row, column) < 0 or y >= scaled[0] or x >= scaled[1]:
            raise Fault(
                404, f"Expected a tile of picture {image_id}, got level {level}, ({column}, {row}). See /images."
            )
        part = self._level(image_id, level)[y : y + TILE, x : x + TILE]
        lossy = Path(self.project.image(image_id)["name"]).suffix.lower() in _LOSSY or level > 0
        return picture_file(part, lossy), "image/jpeg" if lossy else "image/png"

    def _level(self, image_id: int, level: int) -> np.ndarray:
        # One picture at a time is decoded: many readers must not hold many large pictures.
        with self._lock:
            key = image_id, level
            if key not in self._held:
                self._hold(key, self._read(image_id) if level == 0 else self._halved(image_id, level))
            self._held.move_to_end(key)
            return self._held[key]

    def _halved(self, image_id: int, level: int) -> np.ndarray:
        if (image_id, 0) not in self._held:
            self._hold((image_id, 0), self._read(image_id))
        # Each pixel is the mean of those it covers; at the far edges it covers fewer.
        return np.asarray(Image.fromarray(self._held[image_id, 0]).reduce(1 << level))

    def _hold(self, key: tuple[int, int], pixels: np.ndarray) -> None:
        self._held[key] = pixels
        while len(self._held) > 1 and sum(levels.nbytes for levels in self._held.values()) > _HELD_BYTES:
            self._held.popitem(last=False)

    def _read(self, image_id: int) -> np.ndarray:
        row, size_hw = self.project.image(image_id), self.size_hw(image_id)
        try:
            content = self.path(row).read_bytes()
        except OSError as error:
            raise _gone(row, error) from error
        try:
            pixels = decoded_picture(content, row["name"], self.most_pixels, self.channels)
        except Fault as fault:
            self._note_problem(row, fault.detail)
            raise
        self._note_problem(row, None)
        if pixels.shape[:2] != size_hw:
            was, came = (f"{height} x {width}" for height, width in (size_hw, pixels.shape[:2]))
            raise Fault(
                422,
                f"Expected {row['name']} with {was} pixels (height x width) as when it was added, got {came}. Put the "
                "old file back, or add this one under another name.",
            )
        return pixels

    def _note_problem(self, row: Row, problem: str | None) -> None:
        """Stores why a picture cannot be read, for the list of pictures; None: it can."""
        if row["problem"] != problem:
            with suppress(Fault):  # A full disk does not hide a picture, nor what is wrong with it.
                self.project.change_image(row["id"], problem=problem)


def _gone(row: Row, error: OSError) -> Fault:
    return Fault(404, f"Expected the file of {row['name']}, got {error.strerror}. Put it back.")


def checked_size_hw(
    stream: io.BufferedIOBase, name: str, most_pixels: int, channels: Channels = AS_SHOWN
) -> tuple[int, int]:
    """Height and width of a picture as shown, from its header.

    With chosen `channels` also of a TIFF with other channels than a photograph.

    Raises:
        Fault: no picture of these formats, or one with too many pixels.
    """
    try:
        with open_file(stream, name) as opened:
            width, height = opened.size
            turned, form = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8), opened.format
    except ImageError as error:
        size_hw = _size_of_channels(stream) if channels.chosen else None
        if size_hw is None:
            raise Fault(413 if "at most" in str(error) else 422, str(error)) from error
        (height, width), turned, form = size_hw, False, "TIFF"
    if form not in FORMATS:
        raise Fault(422, f"Expected JPEG, PNG, WebP, TIFF or BMP, got {name} in {form}. Convert it first.")
    if width * height > most_pixels:
        raise Fault(
            413,
            f"Expected a picture of at most {most_pixels:,} pixels, got {name} with {width * height:,}. Make it "
            "smaller, or raise --max-pixels.",
        )
    return (width, height) if turned else (height, width)


def _size_of_channels(stream: io.BufferedIOBase) -> tuple[int, int] | None:
    """Height and width of a TIFF with any channels; None for another file.

    Raises:
        MissingExtraError: rasterio is not installed.
    """
    stream.seek(0)
    content = stream.read()
    if not content.startswith(_TIFF):
        return None
    try:
        with RasterSource(content) as source:
            return source.size_hw
    except ImageError:
        return None


def decoded_picture(
    content: bytes, name: str, most_pixels: int, channels: Channels = AS_SHOWN
) -> UInt8[np.ndarray, "H W 3"]:
    """The pixels of a picture file, upright, RGB, with its channels shown that way.

    Raises:
        Fault: as `checked_size_hw`, or it is damaged.
    """
    checked_size_hw(io.BytesIO(content), name, most_pixels, channels)
    try:
        return channels.read(content)
    except ImageError as error:
        raise Fault(422, str(error)) from error


def picture_file(pixels: np.ndarray, lossy: bool) -> bytes:
    """Pixels as a JPEG, or as a PNG that keeps each value."""
    content = io.BytesIO()
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if lossy:
        picture.save(content, "JPEG", quality=92, subsampling=0)
    else:
        picture.save(content, "PNG", compress_level=1)
    return content.getvalue()
