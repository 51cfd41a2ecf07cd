"""`samhq track`: a video and prompts to masks of every frame.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from samhq.cli.flags import Dtype, ModelFlags
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.cli.places import make_folder
from samhq.cli.prompts import Box, Point, box_flag, point_flag
from samhq.cli.text import NO_TEXT, TextFlags
from samhq.errors import ConfigError, PromptError
from samhq.garbage import collect_as_usual
from samhq.image.suffixes import picture_files
from samhq.progress import print_line, progress_bar

if TYPE_CHECKING:
    from samhq.image.channels import Channels
    from samhq.text.search import Search
    from samhq.video.frames import FrameSource
    from samhq.video.job import Follower
    from samhq.video.prompts import VideoPrompt


@Parameter(name="*")
@dataclass(frozen=True)
class VideoPromptFlags:
    """Where the objects are."""

    point: Annotated[tuple[Point, ...], point_flag] = ()
    """A click x,y or x,y,label in pixels of the frame; label 1, the default, is on the object, 0 off it. Repeat for
    more."""

    box: Annotated[tuple[Box, ...], box_flag] = ()
    """A rectangle x0,y0,x1,y1 in pixels of the frame. Repeat for several objects."""

    mask: Path | None = None
    """A mask of the object: a mask picture, the .json record of an earlier result, or a .npy file."""

    frame: int = 0
    """Number of the frame for --point, --box and --mask, counted from 0."""

    prompts: Path | None = None
    """A JSON file with prompts on any frames: [{"object": 1, "frame": 0, "box": [x0, y0, x1, y1], "label": "cat"}]."""

    boxes: Path | None = None
    """Boxes of every frame, as JSON or in MOT format. Each frame is segmented by itself, by any model."""

    every: int | None = None
    """With --text or --like: search again after this many frames, and follow new objects. [default: only on --frame]"""

    def check(self, *, text: bool = False) -> None:
        """Refuses flags that do not go together; `text` says whether a detector finds the objects.

        Raises:
            PromptError: no prompts, or more than one way of giving them.
        """
        if text and (self.point or self.box or self.mask or self.prompts or self.boxes):
            raise PromptError(
                "Expected --text, --like or a --detector of boxes alone, got it with --point, --box,"
                " --mask, --prompts or --boxes. Leave one out."
            )
        if self.every is not None and (not text or self.every < 1):
            raise PromptError(f"Expected --every as 1 or more, with --text or --like, got {self.every}. Leave it out.")
        if text:
            return
        given = [bool(self.point or self.box or self.mask), self.prompts is not None, self.boxes is not None]
        if sum(given) != 1:
            raise PromptError(
                f"Expected --point, --box or --mask, or else --prompts FILE, --boxes FILE, or --text "
                f"or --like, got {sum(given)} of these. Give one."
            )
        if len(self.box) > 1 and (self.point or self.mask):
            raise PromptError(
                f"Expected one --box beside --point or --mask, which belong to one object, got {len(self.box)}. "
                "Write several objects into a file and give it as --prompts FILE.json."
            )

    def read(self) -> list[VideoPrompt]:
        """The prompts.

        Raises:
            PromptError: a file that cannot be read or has another form.
        """
        from samhq.formats.prompts import read_mask_prompt
        from samhq.results.prompt import Prompt
        from samhq.video.prompts import VideoPrompt, read_video_prompts

        if self.prompts is not None:
            return read_video_prompts(self.prompts)
        points = [(x, y) for x, y, _ in self.point] or None
        labels = [label for _, _, label in self.point] or None
        mask = None if self.mask is None else read_mask_prompt(self.mask)
        prompts = [Prompt(points, labels, box, mask) for box in self.box or (None,)]
        return [VideoPrompt(number, self.frame, prompt) for number, prompt in enumerate(prompts, 1)]


@Parameter(name="*")
@dataclass(frozen=True)
class VideoModelFlags:
    """Which model follows the objects, on which device, in which number type."""

    model: Annotated[str | None, Parameter(alias="-m")] = None
    """A name from `samhq models`, a weights file, a folder or a hub id. SAM 2 and HQ-SAM 2 follow objects with their
    memory, other models by matching features. [default: the starter in the package]"""

    hq: Literal["auto", "add", "only", "off"] = "auto"
    """Add the HQ logits to SAM's, use them alone, or leave them out. auto: add them if the model has them."""

    device: str | None = None
    """cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]"""

    dtype: Dtype = "float32"
    """Number type of the weights. auto: bfloat16 if the device multiplies it faster, else float32."""

    memory_dtype: Literal["bfloat16", "float32"] = "bfloat16"
    """Number type of stored memories."""

    @property
    def plain(self) -> ModelFlags:
        """The same flags as `ModelFlags`."""
        return ModelFlags(self.model, self.hq, None, self.device, self.dtype)


@Parameter(name="*")
@dataclass(frozen=True)
class TrackFlags:
    """How objects are followed."""

    direction: Literal["forward", "backward", "both"] = "forward"
    """Follow objects from the prompts to the end of the video, to its beginning, or both."""

    overlaps: bool = True
    """Let objects overlap. --no-overlaps gives each pixel to at most one object."""

    fill_holes: int = 0
    """Fill holes of up to this many pixels in the low-resolution masks."""


@Parameter(name="*")
@dataclass(frozen=True)
class VideoOutputFlags:
    """What to write."""

    output: Annotated[Path, Parameter(alias="-o")]
    """Folder for the results. It is created if it does not exist."""

    masks: bool = True
    """Write masks/OBJECT/FRAME.png."""

    label_maps: bool = True
    """Write labels/FRAME.png. Each pixel's value is the number of its object."""

    overlay: bool = True
    """At the end write overlay.mp4, the video with its masks in colour."""

    format: Annotated[tuple[Literal["coco-vid", "youtube-vis"], ...], Parameter(negative="", show_default=False)] = (
        "coco-vid",
    )
    """Write one JSON file of this format for the whole video. Repeat for both. [default: coco-vid]"""

    resume: Annotated[bool, Parameter(negative="")] = False
    """Continue where an interrupted run of the same command stopped."""


#: The flags' defaults.
NO_PROMPTS, NO_MODEL, PLAIN_TRACK = VideoPromptFlags(), VideoModelFlags(), TrackFlags()


def track(
    video: Path,
    /,
    *,
    prompt: VideoPromptFlags = NO_PROMPTS,
    text: TextFlags = NO_TEXT,
    model: VideoModelFlags = NO_MODEL,
    tracking: TrackFlags = PLAIN_TRACK,
    bands: BandFlags = ALL_AS_IT_IS,
    output: VideoOutputFlags,
) -> int:
    """Follow objects through a video and write their masks for every frame.

    For example: samhq track clip.mp4 --box 10,20,300,400 --output out

    With --text "person, red car" a detector finds objects on --frame, and with
    --every again on later frames. --like x0,y0,x1,y1 finds objects like the one in
    this box of the frame. They are followed forward under their class names.

    Frames are read when they are needed, and results are written at once, so a
    video may have any length. frames.jsonl has one line for each frame. After
    Ctrl-C all files are complete, and --resume continues.

    Exit code 0: all done. 1: some frames could not be decoded; they are shown, and
    listed in track.json. 2: wrong use, such as a prompt on a frame that does not
    exist. 130: interrupted.

    Parameters:
        video: A video file, a TIFF or GIF with several pages, or a folder of pictures.
    """
    from samhq.video.folder import Kinds, ResultFolder
    from samhq.video.frames import open_frames
    from samhq.video.job import VideoJob, run_video

    text.check()
    prompt.check(text=text.wanted)
    source = open_frames(video, bands.channels)
    options = {
        "command": "track",
        "video": _identity(video),
        **_options(prompt, model, tracking),
        **text.search_options(),
    }
    options |= bands.channels.options()
    follower = _follower(prompt, text, model, tracking, source, bands.channels)
    collect_as_usual()
    make_folder(output.output)
    kinds = Kinds(output.masks, output.label_maps)
    job = VideoJob(source, video.absolute().stem, output.output, kinds, output.format, output.overlay, options)
    before = len(ResultFolder(output.output, kinds).by_frame()) if output.resume else 0
    with progress_bar("frame", done=before) as watch:
        tally = run_video(job, follower, resume=output.resume, watch=watch)
    for reason in tally.failed.values():
        print_line(f"samhq: {video}: {reason}", stream=sys.stderr)
    counts = (tally.done, "done"), (tally.before, "finished before"), (len(tally.failed), "failed")
    summary = ", ".join(f"{count} {outcome}" for count, outcome in counts if count)
    print_line(f"{video}: frames: {summary or 'none'}; results in {output.output}")
    return 1 if tally.failed else 0


def _follower(
    prompt: VideoPromptFlags,
    text: TextFlags,
    model: VideoModelFlags,
    tracking: TrackFlags,
    source: FrameSource,
    channels: Channels,
) -> Follower:
    """The source of masks for the video's frames, with its model loaded.

    Raises:
        PromptError: prompts that cannot be read, or on frames that do not exist.
        ConfigError, CheckpointError: no such model, or one that cannot follow objects.
    """
    from samhq.video.followers import BoxFollower, PromptFollower

    if prompt.boxes is not None:
        from samhq.video.boxes import read_frame_boxes

        boxes = read_frame_boxes(prompt.boxes)
        return BoxFollower(model.plain.load(), source, boxes, model.plain.hq_mode)
    from samhq.video.segmenter import load_video_model

    prompts = [] if text.wanted else prompt.read()
    for video_prompt in prompts:
        source.check(video_prompt.frame or 0)
    if text.wanted and tracking.direction != "forward":
        raise ConfigError(
            f"Expected --direction forward with --text or --like, got {tracking.direction}. Leave it out."
        )
    search = _search(text, prompt.frame, source, model.device, channels)
    segmenter = load_video_model(model.model, device=model.device, dtype=model.dtype, memory_dtype=model.memory_dtype)
    options: dict[str, Any] = {
        "overlap": tracking.overlaps,
        "fill_holes": tracking.fill_holes,
        "hq": model.plain.hq_mode,
    }
    if search is not None:
        from samhq.video.searching import SearchFollower

        return SearchFollower(segmenter, source, search, first=prompt.frame, every=prompt.every, **options)
    return PromptFollower(segmenter, source, prompts, tracking.direction, **options)


def _search(text: TextFlags, frame: int, source: FrameSource, device: str | None, channels: Channels) -> Search | None:
    """The search of the flags, if any. Its examples are in frame `frame`, or in the picture of --like-in."""
    if not text.wanted:
        return None
    source.check(frame)
    example = source.read(frame) if text.like and text.like_in is None else None
    if text.like_in is not None:
        example = channels.picture(text.like_in)
    return text.search(text.text, device, text.examples(example))


def _options(prompt: VideoPromptFlags, model: VideoModelFlags, tracking: TrackFlags) -> dict[str, Any]:
    """All settings that results depend on, as JSON values. Files are named by their content."""
    from dataclasses import asdict

    contents = {name: _content_of(getattr(prompt, name)) for name in ("mask", "prompts", "boxes")}
    settings = {"point": [list(shape) for shape in prompt.point], "box": [list(shape) for shape in prompt.box]}
    return {
        "prompts": {**settings, "frame": prompt.frame, "every": prompt.every, **contents},
        "model": {**model.plain.options(), "memory_dtype": model.memory_dtype},
        **asdict(tracking),
    }


def _content_of(path: Path | None) -> str | None:
    """The digest of a file of prompts; None without one.

    Raises:
        PromptError: the file cannot be read.
    """
    from samhq.storage import digest

    try:
        return None if path is None else digest.of_files([path])
    except OSError as error:
        raise PromptError(f"Expected prompts at {path}, which cannot be read: {error.strerror}. Check it.") from error


def _identity(video: Path) -> list[list[Any]]:
    """Names, sizes and times of the video's files. They show whether the files have changed.

    In a folder only pictures count, so results may be written into it.
    """
    files = picture_files(video) if video.is_dir() else [video]
    return [[path.name, path.stat().st_size, int(path.stat().st_mtime)] for path in files]
