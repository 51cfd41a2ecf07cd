"""A video file read by PyAV: the number of its frames, and their pixels from any frame on.

Knows nothing about networks or objects, and holds no frames.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from samhq.errors import ImageError, SamHQWarning
from samhq.extras import from_extra
from samhq.image.files import advice_for_scan
from samhq.plural import plural


class Container:
    """The first video stream of a file; frames are numbered from 0 in the order in which they are shown."""

    def __init__(self, source: Any, called: str) -> None:
        with from_extra("video", "video files"):
            import av
        self._av, self._source, self.called = av, source, called
        self._times: list[int] | None
        container = self._open()
        try:
            stream = container.streams.video[0]
            self.rate = Fraction(stream.average_rate or 25)
            self._unit = Fraction(stream.time_base or 1)
            self._times, self._count, end = self._listed(container, stream)
            promised = _promised(container, stream, self._count, end)
        finally:
            container.close()
        if not self._count:
            raise ImageError(f"Expected a video with at least one frame, got {called}. Check the file.")
        if promised:
            message = (
                f"Expected {promised} that {called} says it has, got {plural(self._count, 'frame')}: the end of the "
                "file is missing. Get the whole file, or use its beginning alone."
            )
            warnings.warn(message, SamHQWarning, stacklevel=2)

    def __len__(self) -> int:
        return self._count

    @property
    def evenly_spaced(self) -> bool:
        """Whether no frame is further than half a frame's time from its place at a constant rate."""
        if self._times is None:
            return True
        return all(abs(self.time(index) * self.rate - index) <= Fraction(1, 2) for index in range(self._count))

    def time(self, index: int) -> Fraction:
        """The seconds from the first frame to this one. The file must tell its frames' times."""
        assert self._times is not None
        return (self._times[index] - self._times[0]) * self._unit

    def decoded(self, start: int) -> Iterator[tuple[int, np.ndarray | ImageError]]:
        """The frames from this number to the last; a frame that cannot be decoded is given as its error.

        Threads that decode frames side by side lose theirs if the file ends in damaged data. Frames that are missing at
        the end are decoded a second time, without threads.
        """
        expected = start
        for threads in ("AUTO", "NONE"):
            for index, image in self._pass(expected, threads):
                yield from ((missing, self._lost(missing)) for missing in range(expected, index))
                yield index, image
                expected = index + 1
            if expected == self._count:
                return
        yield from ((missing, self._lost(missing)) for missing in range(expected, self._count))

    def _pass(self, start: int, threads: str) -> Iterator[tuple[int, np.ndarray | ImageError]]:
        """The frames from this number on that can be decoded in this way, in order."""
        container = self._open()
        try:
            stream = container.streams.video[0]
            stream.thread_type = threads
            if self._times and start:
                container.seek(self._times[start], stream=stream, backward=True)
            expected = start
            for index, image in self._numbered(container, stream):
                if index >= expected:
                    yield index, image
                    expected = index + 1
        finally:
            container.close()

    def _open(self) -> Any:
        """The file, checked to hold a video."""
        if hasattr(self._source, "seek"):
            self._source.seek(0)
        try:
            container = self._av.open(self._source)
        except (self._av.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            advice = advice_for_scan(self._source, self.called) or "It may be no video, or its end may be missing"
            raise ImageError(f"Expected a video that can be decoded, got {self.called}: {reason}. {advice}.") from error
        if not container.streams.video:
            container.close()
            raise ImageError(f"Expected a video, got {self.called}, which has no pictures. Give another file.")
        return container

    def _listed(self, container: Any, stream: Any) -> tuple[list[int] | None, int, Fraction]:
        """The frames' times in order, or None if the file lacks them, their number, and the last packet's end in s."""
        times, end = [], Fraction(0)
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.size and packet.time_base:
                    end = max(end, (packet.pts + (packet.duration or 0)) * Fraction(packet.time_base))
                if packet.stream is stream and packet.size and not packet.is_discard:
                    times.append(packet.pts)
        except self._av.FFmpegError:
            pass  # The file is cut off: the packets before the end count.
        known = [time for time in times if time is not None]
        in_order = sorted(known) if len(known) == len(set(known)) == len(times) else None
        return in_order, len(times), end - Fraction(container.start_time or 0, 1_000_000)

    def _numbered(self, container: Any, stream: Any) -> Iterator[tuple[int, np.ndarray | ImageError]]:
        """Decoded frames with their numbers; without times they are counted from the file's start."""
        number_of = {time: number for number, time in enumerate(self._times)} if self._times else None
        for place, frame in enumerate(self._frames(container, stream)):
            number = place if number_of is None else number_of.get(frame.pts)
            if number is not None and number < self._count:
                yield number, self._lost(number) if frame.is_corrupt else upright(frame)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        """Frames as the decoder gives them; packets that it refuses give none."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                yield from packet.decode()
            except self._av.EOFError:
                return
            except self._av.FFmpegError:
                continue

    def _lost(self, index: int) -> ImageError:
        return ImageError(
            f"frame {index}: Expected a frame that can be decoded, got damaged data in {self.called}. Repair the file, "
            "or go on without this frame."
        )


def upright(frame: Any) -> np.ndarray:
    """A decoded frame's pixels, uint8 RGB [H,W,3], turned as the file asks."""
    pixels = frame.to_ndarray(format="rgb24")
    turns = round(getattr(frame, "rotation", 0) / 90)
    return np.ascontiguousarray(np.rot90(pixels, turns)) if turns else pixels


def _promised(container: Any, stream: Any, count: int, end: Fraction) -> str:
    """The number of frames or seconds that the file promises, if it has fewer; empty if it has all of them.

    A file may count frames that are never shown: those before its first moment, or repeated ones. So frames are missing
    only if time is missing, too. Seconds are missing if more than a tenth of them is.
    """
    seconds = Fraction(container.duration or 0, 1_000_000)
    half_frame = 1 / (2 * Fraction(stream.average_rate or 25))
    if stream.frames > count and (not seconds or seconds - end > half_frame):
        return f"the {stream.frames} frames"
    return f"the {float(seconds):.1f} seconds" if seconds - end > max(Fraction(1, 2), seconds / 10) else ""
