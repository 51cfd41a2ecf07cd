"""Frames of a video from a file, a folder of pictures, or a list; decoded when they are needed and not kept.

Knows nothing about networks or objects. Files are read by PyAV, the `video` extra.
"""

from __future__ import annotations

import io
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from samhq.errors import ConfigError, ImageError, PromptError
from samhq.image.channels import AS_SHOWN, Channels
from samhq.image.fetch import fetched, is_url, name_of
from samhq.image.files import open_file
from samhq.image.read import describe
from samhq.image.suffixes import is_picture_file
from samhq.video.container import Container

_BACKWARD = 32  #: Number of frames that are decoded, and in memory, together when a file is read backward.
#: A frame's number, and its pixels uint8 RGB [H,W,3] or the reason why there are none.
Numbered = tuple[int, np.ndarray | ImageError]


class FrameSource(ABC):
    """Frames by number from 0, as uint8 RGB [H,W,3], all of one size."""

    size_hw: tuple[int, int]
    rate: Fraction = Fraction(25)  #: Frames per second, on average if they are not evenly spaced in time.
    evenly_spaced: bool = True  #: Whether all frames are shown equally long.
    called: str = "the frames"  #: Name of the source in messages.

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def decoded(self, start: int, stop: int) -> Iterator[Numbered]:
        """The frames from `start` to before `stop`, of any size; for a frame that cannot be decoded, the reason."""

    def name(self, index: int) -> str:
        """The frame's name, for result files.

        >>> FrameList([np.zeros((2, 2, 3), np.uint8)]).name(0)
        '000000'
        """
        return f"{index:06d}"

    def time(self, index: int) -> Fraction:
        """The second at which the frame is shown.

        >>> FrameList([np.zeros((2, 2, 3), np.uint8)] * 11).time(10)
        Fraction(2, 5)
        """
        return index / self.rate

    def file_name(self, index: int) -> str:
        """The name of the frame's own file, or its name if it has none."""
        return self.name(index)

    def frames(self, start: int = 0, stop: int | None = None, *, reverse: bool = False) -> Iterator[Numbered]:
        """Frames from `start` to before `stop` or the end; a frame that cannot be decoded is given as its error.

        With `reverse` they go from `start` down to after `stop`, or to 0.

        Raises:
            ImageError: a frame has another size than the first.
        """
        if not reverse:
            for index, image in self.decoded(start, len(self) if stop is None else min(stop, len(self))):
                yield index, self._checked(index, image)
            return
        first = 0 if stop is None else stop + 1
        for end in range(start + 1, first, -_BACKWARD):
            block = list(self.decoded(max(first, end - _BACKWARD), end))
            for index, image in reversed(block):
                yield index, self._checked(index, image)

    def read(self, index: int) -> np.ndarray:
        """The frame with this number.

        Raises:
            ImageError: it cannot be decoded, or has another size than the first.
            PromptError: there is no such frame.
        """
        self.check(index)
        _, image = next(self.frames(index, index + 1))
        if isinstance(image, ImageError):
            raise image
        return image

    def check(self, index: int) -> None:
        """Checks that there is a frame with this number.

        Raises:
            PromptError: there is none.
        """
        if not hasattr(index, "__index__") or not 0 <= index < len(self):
            raise PromptError(
                f"Expected a frame from 0 to {len(self) - 1} of {self.called}, got {index!r}. Frames are whole numbers "
                "counted from 0."
            )

    def _checked(self, index: int, image: np.ndarray | ImageError) -> np.ndarray | ImageError:
        if isinstance(image, ImageError) or image.shape[:2] == tuple(self.size_hw):
            return image
        (height, width), size = self.size_hw, image.shape[:2]
        raise ImageError(
            f"Expected frames of one size, {height} x {width} (height x width) as the first of {self.called}, got "
            f"{size[0]} x {size[1]} at frame {index}. Resize the frames, or track the parts one by one."
        )

    def _find_size(self) -> tuple[int, int]:
        """The size of the first frame that can be decoded.

        Raises:
            ImageError: none can.
        """
        first: ImageError | None = None
        for _, image in self.decoded(0, len(self)):
            if not isinstance(image, ImageError):
                return image.shape[:2]
            first = first or image
        raise first or ImageError(f"Expected at least one frame in {self.called}, got none. Give another video.")


class FrameList(FrameSource):
    """Frames in memory: anything with a length whose entries `samhq.image.read.read_image` takes."""

    def __init__(self, images: Any, channels: Channels = AS_SHOWN) -> None:
        self._images, self.channels = images, channels
        self.size_hw = self._find_size()

    def __len__(self) -> int:
        return len(self._images)

    def decoded(self, start: int, stop: int) -> Iterator[Numbered]:
        """The frames from `start` to before `stop`; for a frame that cannot be decoded, the reason."""
        for index in range(start, stop):
            yield index, _read(self._images[index], f"frame {index}", self.channels)


class PictureFolder(FrameSource):
    """A folder of pictures in natural order of their names: 2.jpg comes before 10.jpg."""

    def __init__(self, folder: str | os.PathLike[str], channels: Channels = AS_SHOWN) -> None:
        self.folder, self.called, self.channels = Path(folder), str(folder), channels
        try:
            paths = [path for path in self.folder.iterdir() if is_picture_file(path)]
        except OSError as error:
            raise ImageError(f"Expected a folder of pictures at {folder}, got: {error.strerror}. Check it.") from None
        self.paths = sorted(paths, key=lambda path: natural(path.name))
        if not self.paths:
            raise ImageError(
                f"Expected pictures in {folder}, got none. Give a folder with files such as 00000.jpg, or a video file."
            )
        self._stems_differ = len({path.stem for path in self.paths}) == len(self.paths)
        self.size_hw = self._find_size()

    def __len__(self) -> int:
        return len(self.paths)

    def name(self, index: int) -> str:
        """The picture's name without its suffix; with it if two pictures differ in nothing else."""
        return self.paths[index].stem if self._stems_differ else self.paths[index].name

    def file_name(self, index: int) -> str:
        """The picture's name with its suffix."""
        return self.paths[index].name

    def decoded(self, start: int, stop: int) -> Iterator[Numbered]:
        """The frames from `start` to before `stop`; for a frame that cannot be decoded, the reason."""
        for index in range(start, stop):
            path = self.paths[index]
            yield index, _read(path, f"frame {index}, {path.name}", self.channels)


class PictureSeries(FrameSource):
    """The pages of one picture file: a TIFF stack, an animated GIF, WebP or PNG. They are read when they are needed."""

    def __init__(self, path: Path, channels: Channels = AS_SHOWN) -> None:
        self.path, self.called, self.channels = path, str(path), channels
        with open_file(path, describe(path)) as file:
            self._count = int(getattr(file, "n_frames", 1))
            file.load()  # WebP tells a page's duration with its pixels.
            if file.info.get("duration"):
                self.rate = Fraction(1000) / Fraction(file.info["duration"]).limit_denominator(1000)
        self.size_hw = self._find_size()

    def __len__(self) -> int:
        return self._count

    def decoded(self, start: int, stop: int) -> Iterator[Numbered]:
        """The pages from `start` to before `stop`; for a page that cannot be decoded, the reason."""
        for index in range(start, stop):
            yield index, self._page(index)

    def _page(self, index: int) -> np.ndarray | ImageError:
        try:
            with open_file(self.path, f"page {index} of {self.path}") as file:
                file.seek(index)
                return self.channels.read(file)
        except ImageError as error:
            return ImageError(f"frame {index}: {error}")


class VideoFile(FrameSource):
    """A video file. It is read once without decoding to count its frames; then frames are decoded in order.

    Frames are upright: a rotation in the file is applied.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes, name: str | None = None) -> None:
        self.called = describe(source if name is None else Path(name))
        self._source = source
        self._container = self._open()
        self.rate, self.evenly_spaced = self._container.rate, self._container.evenly_spaced
        self._decoder: Iterator[Numbered] = iter(())
        self._next = -1
        self.size_hw = self._find_size()

    def __len__(self) -> int:
        return len(self._container)

    def decoded(self, start: int, stop: int) -> Iterator[Numbered]:
        """The frames from `start` to before `stop`; for a frame that cannot be decoded, the reason."""
        if self._next != start:
            self._decoder = self._container.decoded(start)
        self._next = -1
        for index in range(start, stop):
            number, image = next(self._decoder)
            assert number == index
            yield index, image
        self._next = stop

    def time(self, index: int) -> Fraction:
        """The second at which the frame is shown, by the file."""
        return super().time(index) if self.evenly_spaced else self._container.time(index)

    def _open(self) -> Container:
        source = io.BytesIO(self._source) if isinstance(self._source, bytes) else os.fspath(self._source)
        return Container(source, self.called)


def open_frames(source: Any, channels: Channels = AS_SHOWN) -> FrameSource:
    """The frames of a video file, its http address or bytes, a picture file with several pages, a folder or a list.

    A video at an address is downloaded into memory.

    Also of an array [T,H,W,3], or [T,H,W] for the grey slices of a scan.

    `channels` says how pictures are shown. Each frame is stretched by its own percentiles.

    Raises:
        ImageError: nothing of these, an empty folder, or a file that is no video.
        ConfigError: channels of a video file, which has 8 bits and three of them.
        MissingExtraError: a file, and PyAV is not installed.
    """
    if isinstance(source, FrameSource):
        return source
    if isinstance(source, bytes):
        return _video(source, channels)
    if is_url(source):
        return _video(fetched(source), channels, name_of(source))
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if not path.exists():
            _check_no_address(str(source))
            raise ImageError(
                f"Expected a video file or a folder of pictures, got {path}, which is not there. Check the path."
            )
        if path.is_dir():
            return PictureFolder(path, channels)
        series = PictureSeries(path, channels) if is_picture_file(path) else None
        return _video(path, channels) if series is None or len(series) < 2 else series
    if isinstance(source, Sequence) or getattr(source, "ndim", 0) == 4 or _is_volume(source):
        return FrameList(source, channels)
    raise ImageError(
        f"Expected a video file, a folder of pictures or a list of frames, got {describe(source)}. For frames that "
        "come one by one, as from a camera, use a tracker: samhq.load_video_model(...).tracker()."
    )


def _check_no_address(source: str) -> None:
    """Checks that a path which is not there is no address.

    Raises:
        ImageError: it is one.
    """
    if re.match(r"[a-z0-9]{2,}:/", source):
        address = re.sub(":/(?!/)", "://", source, count=1)  # A Path has one slash of the two.
        raise ImageError(
            f"Expected a video file or a folder of pictures, got the address {address}. "
            "Download it first; for a stream, give its frames to samhq.load_video_model(...).tracker()."
        )


def _video(source: Path | bytes, channels: Channels, name: str | None = None) -> VideoFile:
    if channels.chosen:
        raise ConfigError(
            f"Expected pictures with --bands and --stretch, got the video {describe(source)}, whose frames are shown "
            "as they are. Leave them out."
        )
    return VideoFile(source, name)


def _is_volume(source: Any) -> bool:
    """Whether this is an array of grey slices, not one picture."""
    shape: Any = getattr(source, "shape", ())
    return len(shape) == 3 and shape[2] not in (1, 3, 4)


def numbers_of_pass(start: int, limit: int | None, count: int, *, reverse: bool) -> range:
    """The frames of a pass as in SAM 2's predictor: `start`, then up to `limit` more of the video's `count` frames.

    A backward pass from frame 0 has none.

    >>> list(numbers_of_pass(2, 2, 9, reverse=False)), list(numbers_of_pass(0, None, 9, reverse=True))
    ([2, 3, 4], [])
    """
    limit = count if limit is None else limit
    if reverse:
        return range(start, max(start - limit, 0) - 1, -1) if start > 0 else range(0)
    return range(start, min(start + limit, count - 1) + 1)


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sorting key that compares numbers in names as numbers.

    >>> sorted(["10.jpg", "9.jpg", "a.jpg"], key=natural)
    ['9.jpg', '10.jpg', 'a.jpg']
    """
    parts = (part for part in re.split(r"(\d+)", name) if part)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]


def _read(image: Any, which: str, channels: Channels) -> np.ndarray | ImageError:
    try:
        return channels.read(image)
    except ImageError as error:
        return ImageError(f"{which}: {error}")
