"""Writes a video's results to a folder, so that an interrupted job can continue.

Every frame's files and its line are written at once. The state for continuing is saved at intervals, and when the job
is interrupted. The rest (JSON files, the film) is made from the lines at the end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from samhq.errors import CheckpointError, ConfigError, ImageError
from samhq.progress import Watch
from samhq.storage import digest
from samhq.storage.atomic import write_json
from samhq.storage.documents import read_json
from samhq.storage.locks import only_one
from samhq.storage.schema import TEXT, WORDS, Fields
from samhq.video.film import painted, write_timed_film
from samhq.video.folder import Kinds, ResultFolder
from samhq.video.frames import FrameSource
from samhq.video.records import VideoFormat, VideoInfo, write_coco_vid, write_youtube_vis
from samhq.video.result import FrameMasks
from samhq.video.saved import read_state, write_state
from samhq.video.stream import OnError

RECORD, STATE, FILM = "track.json", "state.pt", "overlay.mp4"
_SAVED_EVERY = 50  #: Number of frames between saved states.
_RUN = Fields({"video": Fields({"name": WORDS}), "options": Fields(), "options_digest": TEXT})
_WRITERS = {"coco-vid": write_coco_vid, "youtube-vis": write_youtube_vis}


@runtime_checkable
class Follower(Protocol):
    """A source of a video's masks that can begin after any frame."""

    def total(self) -> int:
        """The approximate number of frames."""

    def frames(self, after: dict[str, Any] | None, on_error: OnError) -> Iterator[FrameMasks]:
        """The frames, all or those after an earlier `position`."""

    def position(self) -> dict[str, Any]:
        """The state for continuing after the last frame: plain values and tensors."""


@dataclass(frozen=True)
class VideoJob:
    """One video and its outputs. `options` are all settings that results depend on, as JSON values."""

    source: FrameSource
    name: str
    output: Path
    kinds: Kinds = field(default_factory=Kinds)
    formats: Sequence[VideoFormat] = ()
    film: bool = True
    options: dict[str, Any] = field(default_factory=dict)


@dataclass
class VideoTally:
    """The outcome for a video: frames with masks of this run, other frames of an earlier run, and frames that could not
    be read. A frame that is written in both directions counts once."""

    done: int = 0
    before: int = 0
    failed: dict[int, str] = field(default_factory=dict)


def run_video(job: VideoJob, follower: Follower, *, resume: bool = False, watch: Watch | None = None) -> VideoTally:
    """Writes a video's results; with `resume` only those that an interrupted run with the same options did not write.

    Raises:
        ConfigError: another process tracks into this folder now; the folder holds results of another video, or, with
            `resume`, a run with other options.
        CheckpointError: `resume`, and the saved state cannot be read.
        ImageError, PromptError: as the follower.
    """
    with only_one(job.output, "tracking"):
        return _run(job, follower, resume=resume, watch=watch)


def _run(job: VideoJob, follower: Follower, *, resume: bool, watch: Watch | None) -> VideoTally:
    """`run_video` in a folder that no other process uses."""
    folder = ResultFolder(job.output, job.kinds)
    position = _begin(job, folder, resume=resume)
    failed = dict(position["failed"]) if position else {}
    earlier, lines, written = set(folder.by_frame()), len(folder), set[int]()
    tally = VideoTally(before=len(earlier), failed=failed)
    if position is not None and position["finished"]:
        return tally

    def on_error(index: int, error: ImageError) -> None:
        tally.failed[index] = str(error)

    finished = False
    try:
        for frame in follower.frames(None if position is None else position["follower"], on_error):
            folder.add(frame, job.source.name(frame.index))
            lines += 1
            written.add(frame.index)
            earlier.discard(frame.index)
            tally.done, tally.before = len(written), len(earlier)
            position = _position(follower.position(), lines, failed, finished=False)
            if lines % _SAVED_EVERY == 0:
                write_state(job.output / STATE, position)
            if watch is not None:
                watch(tally.before + tally.done, min(follower.total(), len(job.source)))
        finished = True
    finally:
        if position is not None:
            write_state(job.output / STATE, {**position, "failed": dict(tally.failed), "finished": finished})
        folder.keep(lines)
        _conclude(job, folder, tally, finished=finished)
    return tally


def read_run(path: Path) -> dict[str, Any]:
    """The description of the run in its folder's `track.json`.

    Raises:
        ConfigError: it cannot be read or has another form.
    """
    advice = "Give another folder, or delete the file."
    run: dict[str, Any] = read_json(path, "the record of a tracked video", _RUN, ConfigError, advice)
    return run


def _begin(job: VideoJob, folder: ResultFolder, *, resume: bool) -> dict[str, Any] | None:
    """The position at which an interrupted run continues, None at the beginning; deletes results after it."""
    record, state = job.output / RECORD, job.output / STATE
    stamp = digest.of_json(job.options)
    earlier = read_run(record) if os.path.lexists(record) else None
    if earlier is not None and earlier["options"].get("video") != job.options.get("video"):
        raise ConfigError(
            f"Expected a folder without results of another video, got {job.output}, which holds those of "
            f"{earlier['video']['name']!r}. Give another --output, or delete the folder first."
        )
    if resume and earlier is not None:
        if earlier.get("options_digest") != stamp:
            raise ConfigError(
                f"Expected the options of the run in {job.output} with --resume, got others. Repeat the same command, "
                "or leave out --resume to start again."
            )
        if state.exists():
            position = read_state(state)
            if not position.keys() >= _POSITION:
                raise CheckpointError(f"Expected the state of a tracking job in {state}, got another. {_AGAIN}")
            folder.keep(position["lines"])
            return position
    folder.clear()
    state.unlink(missing_ok=True)
    job.output.mkdir(parents=True, exist_ok=True)
    _write_record(job, VideoTally(), finished=False)
    return None


_POSITION, _AGAIN = {"follower", "lines", "failed", "finished"}, "Start without --resume."


def _position(follower: dict[str, Any], lines: int, failed: dict[int, str], *, finished: bool) -> dict[str, Any]:
    return {"follower": follower, "lines": lines, "failed": dict(failed), "finished": finished}


def _conclude(job: VideoJob, folder: ResultFolder, tally: VideoTally, *, finished: bool) -> None:
    """Writes the files for the whole video; an interrupted run has no film."""
    _write_record(job, tally, finished=finished)
    places = folder.by_frame()
    names = [job.source.file_name(index) for index in range(len(job.source))]
    info = VideoInfo(job.name, job.source.size_hw, float(job.source.rate), names)
    for form in job.formats:
        frames = ((index, folder.objects_at(where)) for index, where in places.items())
        _WRITERS[form](job.output / f"{form}.json", info, frames)
    if finished and job.film and places:
        source, film = job.source, job.output / FILM
        write_timed_film(film, _painted(job, folder, places), source.rate, evenly_spaced=source.evenly_spaced)


def _painted(job: VideoJob, folder: ResultFolder, places: dict[int, list[int]]) -> Iterator[tuple[Fraction, Any]]:
    """The frames' times, and the frames with their masks; those that cannot be decoded are left out."""
    for index, image in job.source.frames(min(places), max(places) + 1):
        if not isinstance(image, ImageError):
            yield job.source.time(index), painted(image, folder.objects_at(places.get(index, [])))


def _write_record(job: VideoJob, tally: VideoTally, *, finished: bool) -> None:
    height, width = job.source.size_hw
    content = {
        "video": {"name": job.name, "height": height, "width": width, "fps": float(job.source.rate)},
        "frames": len(job.source),
        "finished": finished,
        "failed": [{"frame": index, "error": reason} for index, reason in sorted(tally.failed.items())],
        "options": job.options,
        "options_digest": digest.of_json(job.options),
    }
    write_json(job.output / RECORD, content)
