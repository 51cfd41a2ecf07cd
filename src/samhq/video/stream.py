"""Follows objects through frames that come one after another, from a file or a camera; prompts may come any time.

Pictures' coordinates in, masks at the video's size out. Keeps no frames but the last one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from samhq.errors import ImageError, PromptError
from samhq.image.inputs import BoxInput, LabelsInput, MaskInput, PointsInput
from samhq.image.read import read_image
from samhq.other_arguments import VIDEO_CLICK, translated
from samhq.results.prompt import Prompt, as_prompts
from samhq.results.prompt_boxes import boxes_in_picture
from samhq.video.following import Following, VideoFrame
from samhq.video.frames import FrameSource, Numbered, open_frames
from samhq.video.prompts import VideoPrompt, check_begins, check_number, naming_prompt, only_off
from samhq.video.result import FrameMasks

#: Called with a frame that cannot be decoded; without it tracking stops there.
OnError = Callable[[int, ImageError], None]


class VideoTracker:
    """Follows the objects of one video: give prompts, then take masks frame by frame from `track`.

    An object is any integer; use integers from 1 if you want label maps. It is followed from its first prompt on, in
    the order of frames, so objects may be added while frames come.
    """

    def __init__(self, following: Following, *, overlap: bool = True) -> None:
        self.state = following  #: How objects are followed, with all that is known about them.
        self._overlap = overlap
        self._waiting: list[VideoPrompt] = []  # For frames that have not come yet.
        self._last: VideoFrame | None = None
        self._step_of_stream = 0  # 1 or -1 while frames come from an iterator, which cannot go back; else 0.
        self.labels: dict[int, str | None] = {}

    @property
    def ids(self) -> list[int]:
        """The objects with prompts on frames that have come."""
        return list(self.state.objects)

    @translated(VIDEO_CLICK)
    def prompt(
        self,
        object_id: int,
        *,
        points: PointsInput | None = None,
        labels: LabelsInput | None = None,
        box: BoxInput | None = None,
        mask: MaskInput | None = None,
        frame: int | None = None,
        label: str | None = None,
    ) -> FrameMasks | None:
        """Prompts an object on frame `frame`, by default the last frame of `track`, or before it the next one.

        Points [N,2] (x, y) with labels 1 on and 0 off the object, a box (x0, y0, x1, y1), a mask bool [H,W] or a
        mask picture, or several of these; in the video's pixels. Points are added to points given before for the
        same object and frame; a box or a mask starts over. Points off the object alone cannot start it. `label` is the
        object's name.

        Returns the masks of that frame at once if it is the last one that came, None if it has not come yet.

        Raises:
            PromptError: an empty or wrong prompt, or a frame that has passed.
        """
        (checked,) = as_prompts([Prompt(points, labels, box, mask)])
        return self.add(VideoPrompt(object_id, frame, checked, label))

    def add(self, prompt: VideoPrompt) -> FrameMasks | None:
        """As `prompt`; a prompt without a frame is for the last one that came."""
        frame = self._last
        check_number(prompt.object)
        if frame is not None and prompt.frame is not None and (prompt.frame - frame.index) * self._step_of_stream < 0:
            raise PromptError(
                f"Expected a prompt on frame {frame.index} or one still to come, got frame {prompt.frame} for object "
                f"{prompt.object}: it has passed, and the frames come one by one. Prompt the object on this frame."
            )
        if prompt.label is not None:
            self.labels[prompt.object] = prompt.label
        if frame is None or prompt.frame not in (None, frame.index):
            self._waiting.append(prompt)
            return None
        self._apply(frame, prompt)
        return self._masks(frame, {number: tracked.at(frame.index) for number, tracked in self.state.objects.items()})

    def remove(self, object_id: int) -> None:
        """Stops following an object.

        Raises:
            PromptError: there is no such object.
        """
        remaining = [prompt for prompt in self._waiting if prompt.object != object_id]
        was_waiting, self._waiting = len(remaining) < len(self._waiting), remaining
        if object_id in self.state.objects or not was_waiting:
            self.state.remove(object_id)
        self.labels.pop(object_id, None)

    def track(
        self,
        frames: Any,
        *,
        start: int | None = None,
        stop: int | None = None,
        reverse: bool = False,
        on_error: OnError | None = None,
    ) -> Iterator[FrameMasks]:
        """The objects' masks, frame by frame, as frames come.

        `frames` is a video file, a folder of pictures, a list of frames, or any iterator of pictures, such as a
        camera's. An iterator's frames are numbered from `start`, by default after the last one that came; with
        `reverse` the numbers go down. For the other kinds the pass begins at `start`, by default at the first prompt
        (with `reverse` at the last), and ends before `stop`, or at the end. `reverse` goes backward in time. Frames
        before any prompt have no masks.

        Raises: PromptError: a prompt that does not fit its frame, or one for a frame that never came. ImageError:
            frames of another size, or, without `on_error`, one that cannot be decoded. With it the frame is left out,
            and tracking continues.
        """
        stream = isinstance(frames, Iterator) or not (
            isinstance(frames, (FrameSource, str, bytes, Sequence, np.ndarray)) or hasattr(frames, "__fspath__")
        )
        if stream:
            step = self._step_of_stream = -1 if reverse else 1
            try:
                yield from self._pass(self._numbered(frames, start, step), reverse=reverse, on_error=on_error)
            finally:
                self._step_of_stream = 0
        else:
            source = open_frames(frames)
            self.state.remember()
            if start is not None:
                source.check(start)
            numbers = {prompt.frame or 0 for prompt in self._waiting} or self._prompted() or {0}
            for number in numbers:
                source.check(number)
            if start is None:
                start = max(numbers) if reverse else min(numbers)
            numbered = source.frames(start, stop, reverse=reverse)
            yield from self._pass(numbered, reverse=reverse, on_error=on_error)
        self._check_none_waits()

    def track_back(
        self, frames: Any, *, before: int | None = None, on_error: OnError | None = None
    ) -> Iterator[FrameMasks]:
        """A backward pass for each object from its first prompted frame: the frames that a forward pass leaves out.

        A frame has masks only of objects whose first prompt comes later. With `before` the pass begins on
        the frame before that one. Raises as `track`.
        """
        self.state.remember()
        first = {number: min(tracked.prompts_in_memory) for number, tracked in self.state.objects.items()}
        start = (max(first.values(), default=0) if before is None else before) - 1
        if start >= 0:
            numbered = open_frames(frames).frames(start, reverse=True)
            yield from self._pass(
                numbered,
                reverse=True,
                on_error=on_error,
                only=lambda index: [number for number, begin in first.items() if begin > index],
            )

    def _pass(
        self,
        numbered: Iterable[Numbered],
        *,
        reverse: bool,
        on_error: OnError | None,
        only: Callable[[int], Collection[int]] | None = None,
    ) -> Iterator[FrameMasks]:
        for index, image in numbered:
            if isinstance(image, ImageError):
                if on_error is None:
                    raise image
                self._check_unprompted(index, image)
                on_error(index, image)
            else:
                yield self._step(index, image, reverse=reverse, only=None if only is None else only(index))

    def _check_unprompted(self, index: int, error: ImageError) -> None:
        """Checks that no prompt is for a frame that cannot be decoded.

        Raises:
            PromptError: one is.
        """
        lost = next((prompt for prompt in self._waiting if prompt.frame == index), None)
        if lost is not None:
            self._waiting.remove(lost)
            raise PromptError(f"Object {lost.object} is prompted on a frame that cannot be decoded. {error}") from error

    def _step(self, index: int, image: np.ndarray, *, reverse: bool, only: Collection[int] | None) -> FrameMasks:
        """One frame: prompts for it, then all objects on it."""
        frame = self._last = self.state.encode(image, index)
        due = [prompt for prompt in self._waiting if prompt.frame in (None, index)]
        for prompt in due:
            self._waiting.remove(prompt)
            self._apply(frame, prompt, reverse=reverse)
        self.state.remember()
        return self._masks(frame, self.state.follow(frame, reverse=reverse, only=only))

    def _apply(self, video_frame: VideoFrame, prompt: VideoPrompt, *, reverse: bool = False) -> None:
        with naming_prompt(prompt, video_frame.index):
            name = f"Object {prompt.object} on frame {video_frame.index}"
            (checked,) = boxes_in_picture([prompt.prompt], video_frame.image.shape[:2], name)
            self._check_corrects(video_frame, prompt.object, checked, reverse=reverse)
            self.state.prompt(video_frame, prompt.object, checked)
        self.labels.setdefault(prompt.object, None)

    def _check_corrects(self, video_frame: VideoFrame, number: int, prompt: Prompt, *, reverse: bool) -> None:
        """Makes sure that points off an object have a mask to correct, by following the object onto the frame first.

        Raises:
            PromptError: a new object.
        """
        if number not in self.state.objects:
            check_begins(prompt)
        elif only_off(prompt) and self.state.objects[number].at(video_frame.index) is None:
            self.state.remember()
            self.state.follow(video_frame, reverse=reverse, only=[number])

    def _masks(self, video_frame: VideoFrame, answers: Mapping[int, Any]) -> FrameMasks:
        masks, scores = self.state.shown(video_frame, list(answers.values()), overlap=self._overlap)
        names = tuple(self.labels.get(number) for number in answers)
        return FrameMasks(video_frame.index, video_frame.image, tuple(answers), masks, scores, names)

    def _numbered(self, frames: Iterable[Any], start: int | None, step: int) -> Iterator[Numbered]:
        """Pictures of an iterator with their numbers, which go up or down by `step`; all of one size."""
        last = self._last
        if start is None:
            start = 0 if last is None else last.index + step
        size = None if last is None else last.image.shape
        for index, picture in zip(count(start, step), frames):
            try:
                image = read_image(picture)
            except ImageError as error:
                yield index, ImageError(f"frame {index}: {error}")
                continue
            size = size or image.shape
            if image.shape != size:
                raise ImageError(
                    f"Expected frames of one size, {size[0]} x {size[1]} (height x width), got {image.shape[0]} x "
                    f"{image.shape[1]} at frame {index}. Use a new tracker for another size."
                )
            # A camera may write the next frame into the same memory.
            yield index, image.copy() if isinstance(picture, np.ndarray) else image

    def _prompted(self) -> set[int]:
        return {number for tracked in self.state.objects.values() for number in tracked.prompts_in_memory}

    def _check_none_waits(self) -> None:
        """Checks that all prompts found their frames.

        Raises:
            PromptError: a prompt's frame did not come.
        """
        if self._waiting:
            prompt, self._waiting = self._waiting[0], []
            raise PromptError(
                f"Expected frame {prompt.frame}, where object {prompt.object} is prompted, to come; it did not. Frames "
                "are counted from 0; a frame that has passed needs a new pass, track(..., start=...)."
            )
