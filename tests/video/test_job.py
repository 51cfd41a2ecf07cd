"""Videos to folders: what is written, and that an interrupted job goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ConfigError
from samhq.inference.segment import Segmenter
from samhq.model.sam import Sam
from samhq.results.prompt import Prompt
from samhq.storage.locks import only_one
from samhq.video.boxes import BoxedObject, FrameBoxes
from samhq.video.followers import BoxFollower, PromptFollower
from samhq.video.frames import open_frames
from samhq.video.job import Follower, VideoJob, run_video
from samhq.video.prompts import VideoPrompt
from samhq.video.result import FrameMasks
from samhq.video.segmenter import Direction, VideoSegmenter
from samhq.video.stream import OnError
from tests.video import small

PROMPTS = [
    VideoPrompt(1, 1, Prompt(box=small.BOX), "square"),
    VideoPrompt(2, 4, Prompt(points=[[40, 30]])),
    VideoPrompt(1, 6, Prompt(points=[[15, 18]])),
]


def follower(images: list[Any], direction: Direction = "forward") -> PromptFollower:
    return PromptFollower(VideoSegmenter(small.shared()), open_frames(images), PROMPTS, direction)


def job(images: list[Any], output: Path, **more: Any) -> VideoJob:
    options = more.pop("options", {"model": "small"})
    return VideoJob(open_frames(images), "clip", output, formats=("coco-vid",), film=False, options=options, **more)


def content(folder: Path) -> dict[str, bytes]:
    """All files but the state, which holds no results."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".pt"}


class Stopped:
    """A follower that is interrupted after so many frames."""

    def __init__(self, inner: Follower, count: int) -> None:
        self.inner, self.count = inner, count

    def total(self) -> int:
        return self.inner.total()

    def position(self) -> dict[str, Any]:
        return self.inner.position()

    def frames(self, after: dict[str, Any] | None, on_error: OnError) -> Iterator[FrameMasks]:
        for number, frame in enumerate(self.inner.frames(after, on_error)):
            if number == self.count:
                raise KeyboardInterrupt
            yield frame


def test_files_and_record_are_written(tmp_path: Path) -> None:
    counts: list[tuple[int, int]] = []
    tally = run_video(
        job(small.images(9), tmp_path),
        follower(small.images(9)),
        watch=lambda done, total: counts.append((done, total)),
    )
    assert (tally.done, tally.failed) == (8, {})
    assert counts[-1] == (8, 8)
    assert len(list(tmp_path.glob("masks/1/*.png"))) == 8
    assert sorted(p.stem for p in tmp_path.glob("masks/2/*.png")) == [f"{t:06d}" for t in range(4, 9)]
    assert len(list(tmp_path.glob("labels/*.png"))) == 8
    record = json.loads((tmp_path / "track.json").read_text())
    assert (record["finished"], record["frames"], record["failed"]) == (True, 9, [])
    assert len(json.loads((tmp_path / "coco-vid.json").read_text())["images"]) == 9


@pytest.mark.parametrize("direction", ["forward", "backward", "both"])
def test_an_interrupted_job_goes_on_to_the_same_results(tmp_path: Path, direction: Direction) -> None:
    images = small.images(9)
    counts: list[tuple[int, int]] = []
    watch = lambda done, total: counts.append((done, total))  # noqa: E731
    frames = run_video(job(images, tmp_path / "whole"), follower(images, direction), watch=watch).done
    lines = [json.loads(line)["frame"] for line in (tmp_path / "whole" / "frames.jsonl").open()]
    whole = follower(images, direction).total()
    assert (len(lines), len(set(lines))) == (whole, frames)
    assert counts[-1] == (frames, frames), "a frame that is written in both directions counts once"
    assert (whole > frames) == (direction == "both")
    for count in (0, 3, whole - 1):
        output = tmp_path / str(count)
        with pytest.raises(KeyboardInterrupt):
            run_video(job(images, output), Stopped(follower(images, direction), count))
        record = json.loads((output / "track.json").read_text())
        assert not record["finished"]
        assert sum(1 for _ in (output / "frames.jsonl").open()) == count if count else True
        tally = run_video(job(images, output), follower(images, direction), resume=True)
        assert (tally.before + tally.done, tally.done) == (frames, len(set(lines[count:])))
        assert content(output) == content(tmp_path / "whole")
    tally = run_video(job(images, output), follower(images, direction), resume=True)
    assert (tally.before, tally.done) == (frames, 0)


def test_a_job_that_was_killed_goes_on_from_its_last_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is saved at the end of a process that is killed: lines after the last state are written again."""
    from samhq.video import job as module

    images = small.images(9)
    run_video(job(images, tmp_path / "whole"), follower(images))
    monkeypatch.setattr(module, "_SAVED_EVERY", 2)
    output = tmp_path / "killed"
    run_video(job(images, output), follower(images))
    state = (output / "state.pt").read_bytes()
    with pytest.raises(KeyboardInterrupt):
        run_video(job(images, output), Stopped(follower(images), 4))
    early = (output / "state.pt").read_bytes()
    assert early != state
    with pytest.raises(KeyboardInterrupt):
        run_video(job(images, output), Stopped(follower(images), 2), resume=True)
    (output / "state.pt").write_bytes(early)
    tally = run_video(job(images, output), follower(images), resume=True)
    assert tally.before == 4
    assert content(output) == content(tmp_path / "whole")


def test_other_options_are_not_gone_on_with(tmp_path: Path) -> None:
    images = small.images(3)
    run_video(job(images, tmp_path), Stopped(follower(small.images(9)), 9))
    with pytest.raises(ConfigError, match="options of the run"):
        run_video(job(images, tmp_path, options={"model": "other"}), follower(small.images(9)), resume=True)


def test_a_new_run_leaves_nothing_of_the_old_one(tmp_path: Path) -> None:
    images = small.images(9)
    run_video(job(images, tmp_path), follower(images))
    again = PromptFollower(VideoSegmenter(small.shared()), open_frames(images), PROMPTS[1:2])
    run_video(job(images, tmp_path), again)
    assert not list(tmp_path.glob("masks/1/*.png"))
    assert len(list(tmp_path.glob("masks/2/*.png"))) == len(list(tmp_path.glob("labels/*.png"))) == 5


def test_frames_that_cannot_be_read_are_listed_and_the_others_done(tmp_path: Path) -> None:
    images: list[Any] = small.images(9)
    images[5] = np.zeros((0, 3), np.uint8)
    tally = run_video(job(images, tmp_path / "a"), follower(images))
    assert list(tally.failed) == [5]
    assert tally.done == 7
    (failed,) = json.loads((tmp_path / "a/track.json").read_text())["failed"]
    assert failed["frame"] == 5
    with pytest.raises(KeyboardInterrupt):
        run_video(job(images, tmp_path / "b"), Stopped(follower(images), 6))
    assert list(run_video(job(images, tmp_path / "b"), follower(images), resume=True).failed) == [5]


def test_boxes_go_the_same_way(tmp_path: Path, hq: Sam) -> None:
    images = small.images(5)
    boxes = FrameBoxes({t: [BoxedObject(1, (5 + t, 12, 17 + t, 24))] for t in range(1, 5)})

    def by_boxes() -> BoxFollower:
        return BoxFollower(Segmenter(hq), open_frames(images), boxes)

    run_video(job(images, tmp_path / "whole"), by_boxes())
    with pytest.raises(KeyboardInterrupt):
        run_video(job(images, tmp_path / "part"), Stopped(by_boxes(), 3))
    assert run_video(job(images, tmp_path / "part"), by_boxes(), resume=True).done == 2
    assert content(tmp_path / "part") == content(tmp_path / "whole")
    assert by_boxes().total() == 5


def test_a_folders_frames_keep_their_names_and_a_film_is_made(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for t, image in enumerate(small.images(3)):
        Image.fromarray(image).save(tmp_path / "in" / f"shot{t}.png")
    source = open_frames(tmp_path / "in")
    following = PromptFollower(VideoSegmenter(small.shared()), source, [VideoPrompt(1, 0, Prompt(box=small.BOX))])
    run_video(VideoJob(source, "in", tmp_path / "out", formats=("youtube-vis",)), following)
    assert sorted(p.name for p in (tmp_path / "out/labels").iterdir()) == ["shot0.png", "shot1.png", "shot2.png"]
    assert len(open_frames(tmp_path / "out/overlay.mp4")) == 3
    content = json.loads((tmp_path / "out/youtube-vis.json").read_text())
    assert content["videos"][0]["file_names"] == ["shot0.png", "shot1.png", "shot2.png"]


def test_results_of_another_video_are_not_replaced(tmp_path: Path) -> None:
    images = small.images(7)
    run_video(job(images, tmp_path, options={"video": [["clip.mp4", 5, 1]]}), follower(images))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png")}
    with pytest.raises(ConfigError, match="results of another video"):
        run_video(job(images, tmp_path, options={"video": [["clip.mp4", 6, 1]]}), follower(images))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.png")} == before
    (tmp_path / "track.json").write_text('["mine"]')
    with pytest.raises(ConfigError, match="record of a tracked video"):
        run_video(job(images, tmp_path), follower(images))
    assert (tmp_path / "track.json").read_text() == '["mine"]'


def test_a_folder_in_which_another_run_writes_is_left_alone(tmp_path: Path) -> None:
    images = small.images(9)
    run_video(job(images, tmp_path), follower(images))
    before = content(tmp_path)
    for resume in (False, True):
        with only_one(tmp_path, "tracking"), pytest.raises(ConfigError, match="where one is tracking now"):
            run_video(job(images, tmp_path), follower(images), resume=resume)
    assert content(tmp_path) == before
