"""Documents that were damaged in any way end in the project's own errors, in bounded memory.

Each kind of document that the project reads is made once as it should be, and then changed: a value of another kind in
any place, a missing or an added key, huge numbers, deep nesting, flipped bytes.
"""

from __future__ import annotations

import contextlib
import copy
import json
import random
import resource
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from samhq.batch.detect import coco_of_boxes
from samhq.batch.manifest import FILENAME, Manifest, OutputFile, Record, Source
from samhq.checkpoint.declared import METADATA_KEY, from_metadata
from samhq.checkpoint.hf_config import config_from_transformers
from samhq.cli.detect import join_boxes
from samhq.cli.write import read_record
from samhq.datasets.coco import open_coco_pictures
from samhq.errors import SamHQError
from samhq.evaluation.journal import FILENAME as ROWS
from samhq.evaluation.journal import Journal, Scored
from samhq.evaluation.rows import Row
from samhq.evaluation.suites.davis import read_boxes_by_frame as read_davis
from samhq.evaluation.suites.detections import evaluate_detections
from samhq.evaluation.suites.youtube_vis import evaluate_youtube_vis
from samhq.formats.isat import isat_record, read_isat
from samhq.formats.labelme import labelme_record, read_labelme
from samhq.formats.labelstudio import labelstudio_task, read_labelstudio
from samhq.formats.prompts import read_mask_prompt, read_prompts
from samhq.formats.supervisely import read_supervisely, supervisely_record
from samhq.formats.yolo import read_yolo
from samhq.image.frame import Frame
from samhq.masks import rle
from samhq.results.annotation import Annotation
from samhq.results.detections import Detections
from samhq.results.origin import own_stems
from samhq.results.picture import Picture
from samhq.results.prompt_arrays import prompt_arrays
from samhq.results.record_file import stem_for, write_record
from samhq.results.saved import load_everything
from samhq.runtime.about import About
from samhq.text import cache
from samhq.text.boxfile import read_boxes
from samhq.training import journal
from samhq.video.boxes import read_frame_boxes
from samhq.video.film import painted
from samhq.video.folder import LINES, Kinds, ResultFolder, frame_record
from samhq.video.job import read_run
from samhq.video.prompts import read_video_prompts
from samhq.video.result import FrameMasks
from tests.evaluation.painter import SIDE, Painter

MEMORY = 1 << 30  #: bytes beyond what the process has
SIZE = (SIDE, SIDE)
MASK = np.zeros(SIZE, bool)
MASK[5:20, 8:30] = True
CODE, LIST = rle.encode(MASK), rle.uncompressed(MASK)
BOX = [8, 5, 22, 15]

IMAGES = [{"id": 1, "file_name": "a.png", "height": SIDE, "width": SIDE}, {"id": 2, "file_name": "b.png"}]
OBJECTS = [
    {"id": 1, "image_id": 1, "category_id": 3, "bbox": BOX, "area": 330, "iscrowd": 0, "segmentation": CODE},
    {"id": 2, "image_id": 1, "category_id": 3, "iscrowd": 1, "segmentation": LIST},
    {"id": 3, "image_id": 2, "category_id": 3, "segmentation": [[1, 1, 30, 1, 30, 30], [5, 5, 9, 5, 9, 9]]},
]
COCO = {"images": IMAGES, "annotations": OBJECTS, "categories": [{"id": 3, "name": "square"}]}
FOUND = [{"image_id": image, "category_id": 3, "bbox": BOX, "score": 0.5} for image in (1, 2)]
VIDEOS = {
    "videos": [{"id": 1, "file_names": ["a.png", "b.png"], "height": SIDE, "width": SIDE}],
    "annotations": [{"id": 1, "video_id": 1, "category_id": 3, "iscrowd": 0, "segmentations": [LIST, None]}],
    "categories": [{"id": 3, "name": "square"}],
}
TUBES = [{"video_id": 1, "category_id": 3, "score": 0.5, "bboxes": [BOX, None]}]
RECORD = {
    "image": {"image_id": 1, "height": SIDE, "width": SIDE, "file_name": "a.png", "model": "tiny"},
    "annotations": [
        {
            "id": number, "segmentation": code, "area": 330, "bbox": BOX, "predicted_iou": 0.9, "label": "square",
            "stability_score": 0.95, "point_coords": [[9.5, 9.5]], "crop_box": [0, 0, SIDE, SIDE], "candidate": 0,
        }
        for number, code in enumerate((CODE, LIST), 1)
    ],
    "config": {"points_per_side": 4, "pred_iou_thresh": 0.5, "point_grids": None, "hq": "off"},
    "files": {"a_mask_0.png": "0123"},
}  # fmt: skip
PROMPTS = {"objects": [
    {"points": [[9, 9], [40, 40]], "labels": [1, 0], "box": [8, 5, 30, 20], "mask": CODE}, {"mask": "a.png"},
]}  # fmt: skip
BY_NAME = {"a.png": PROMPTS["objects"], "b.png": {"points": [[3, 3]]}}
MARKS = [{"type": "point", "data": [9, 9], "label": 1}, {"type": "rectangle", "data": [8, 5, 30, 20], "label": 1}]
TRACK = {"cars": {"00001": {"1": [8, 5, 30, 20]}}}
ABOUT = About("sam_vit_b", "SAM", 1024, False, 4, "int8", "samhq", "0" * 64, "1.0").to_metadata()
HEADER = {"name": "tiny", "side": 64, "hq": True, "encoder": {"dim": 32, "depth": 4}, "decoder": {"dim": 32}}
CONFIG = {
    "model_type": "sam_hq", "vision_config": {"hidden_size": 768, "image_size": 1024, "global_attn_indexes": [2, 5]},
    "mask_decoder_config": {"hidden_size": 256}, "prompt_encoder_config": {"hidden_size": 256},
}  # fmt: skip
FOLLOWED = [{"object": 1, "frame": 0, "box": BOX, "label": "a"}, {"object": 2, "points": [[1, 2]], "mask": CODE}]
FRAMES = {"boxes": [{"frame": 0, "id": 1, "box": [8, 5, 30, 20], "label": "a"}, {"frame": 3, "id": 1, "box": BOX}]}
SHOWN = np.zeros((*SIZE, 3), np.uint8)
FRAME = frame_record(FrameMasks(0, SHOWN, (3,), MASK[None], np.ones(1, np.float32), ("a",)), "00000")
RUN = {"video": {"name": "clip"}, "options": {"video": [["clip.mp4", 3, 4]]}, "options_digest": "0" * 64}
DONE = Record("a.png", "a", Source(3, 4, "0" * 64), "1" * 64, (OutputFile("a.json", 2, "2" * 64),), 0.1, None)
ROW = Scored("a.png", (Row("a.png", 1, "square", "box", "off", 330, 0.5, 0.4, None, 0.9),), stamp="x").to_json()
ROW_SETTINGS = {"model": "tiny"}
KEPT = cache._record(Detections.of([[8, 5, 30, 20]], [0.5], [0], ["square"]))
FOUND_BOXES = coco_of_boxes("a.png", SIZE, Detections.of([[8, 5, 30, 20]], [0.5], [0], ["square"]))


def read_video_line(path: Path) -> None:
    (path.parent / LINES).write_bytes(path.read_bytes() + b"\n")
    folder = ResultFolder(path.parent, Kinds())
    for where in folder.by_frame().values():
        painted(SHOWN, folder.objects_at(where))
    folder.clear()


def read_manifest(path: Path) -> None:
    (path.parent / FILENAME).write_bytes(path.read_bytes() + b"\n" + json.dumps(asdict(DONE)).encode() + b"\n")
    with Manifest(path.parent) as manifest:
        assert manifest.records["a.png", "a"] == DONE
        for picture, name in manifest.records:
            manifest.finished(Path(picture), name, DONE.options)


def read_rows(path: Path) -> None:
    first = json.dumps({"settings": ROW_SETTINGS}).encode()
    (path.parent / ROWS).write_bytes(b"\n".join([first, path.read_bytes(), b""]))
    Journal.open(path.parent, ROW_SETTINGS, resume=True)


def read_log(path: Path) -> None:
    (path.parent / journal.LOG).write_bytes(path.read_bytes() + b"\n")
    journal.TrainingLog(path.parent, every=1, step=3, board=False)


def replace_record(path: Path) -> None:
    (path.parent / "cat.json").write_bytes(path.read_bytes())
    stem_for(path.parent, "a.png", whole_image=True)
    own_stems(["cat"], ["a.png"], path.parent, ".json")
    write_record(path.parent / "cat.json", {"image": {"file_name": "a.png"}}, [])


def read_coco(path: Path) -> None:
    pictures = open_coco_pictures(path)
    for index in range(len(pictures)):
        pictures.stamp(index)
        with contextlib.suppress(SamHQError):
            pictures[index]


def read_results(path: Path) -> None:
    with contextlib.suppress(SamHQError):
        read_record(path, pixels=False, place=False)
    list(load_everything(path, pixels=False).as_records())


def read_prompt_file(path: Path) -> None:
    asked = read_prompts(path)
    for prompts in (asked.everywhere, *asked.by_name.values()):
        if prompts:
            prompt_arrays(prompts, Frame.fit(SIZE, 1024))


def beside(name: str, read: Callable[[Path, Path], Any]) -> Callable[[Path], Any]:
    """Reads a document that goes with another one, which is whole."""
    return lambda path: read(path.parent / name, path)


#: Each kind of document: one as it should be, and what is done with it.
SQUARE = Picture("a.png", SIZE, (Annotation(rle.encode(np.indices(SIZE).max(0) < 3), "square", 0.5),))
ISAT = isat_record(SQUARE)
SUPERVISELY = supervisely_record(SQUARE)
SUPERVISELY["objects"] += supervisely_record(SQUARE, "polygon")["objects"][:2]
LABEL_STUDIO = [labelstudio_task(SQUARE), labelstudio_task(SQUARE, "polygon")]
KINDS: dict[str, tuple[Any, Callable[[Path], Any]]] = {
    "coco": (COCO, read_coco),
    "coco, evaluated": (COCO, lambda path: evaluate_detections(Painter(), path)),
    "detections": (FOUND, beside("coco.json", lambda truth, path: evaluate_detections(Painter(), truth, path))),
    "youtube-vis": (VIDEOS, lambda path: evaluate_youtube_vis(Painter(), path)),
    "tubes": (TUBES, beside("videos.json", lambda truth, path: evaluate_youtube_vis(Painter(), truth, path))),
    "davis": (TRACK, read_davis),
    "records": (RECORD, read_results),
    "a record as a mask": ({"annotations": RECORD["annotations"][1:]}, read_mask_prompt),
    "prompts": (PROMPTS, read_prompt_file),
    "prompts by name": (BY_NAME, read_prompt_file),
    "marks": (MARKS, read_prompt_file),
    "boxes of a data set": (
        {**COCO, "annotations": OBJECTS[:1]},
        lambda path: read_boxes(path).boxes_of("a.png", SIZE),
    ),
    "boxes of results": (
        [{**found, "image_id": "a.png", "category": "square", "segmentation": CODE} for found in FOUND],
        lambda path: read_boxes(path).boxes_of("a.png", SIZE),
    ),
    "exported metadata": (ABOUT, lambda path: About.from_metadata(as_texts(path), path)),
    "a header": (HEADER, lambda path: from_metadata({METADATA_KEY: path.read_text("utf-8", "replace")})),
    "prompts on frames": (FOLLOWED, read_video_prompts),
    "boxes of frames": (FRAMES, read_frame_boxes),
    "a line of a video": (FRAME, read_video_line),
    "a tracked video": (RUN, read_run),
    "a line of a manifest": (json.loads(json.dumps(asdict(DONE))), read_manifest),
    "a line of an evaluation": (ROW, read_rows),
    "a line of a training": ({"step": 3, "loss": 0.5}, read_log),
    "ISAT": (ISAT, read_isat),
    "labelme": (labelme_record(SQUARE, "a.png", "polygon"), read_labelme),
    "labelme's masks": (labelme_record(SQUARE, "a.png"), read_labelme),
    "Supervisely": (SUPERVISELY, read_supervisely),
    "Label Studio": (LABEL_STUDIO, lambda path: list(read_labelstudio(path))),
    "kept detections": (KEPT, lambda path: cache._read(path, ("square",))),
    "boxes to be joined": (FOUND_BOXES, lambda path: join_boxes([path], path.parent / "joined.json")),
    "an earlier record": (RECORD, replace_record),
    "transformers' config": (CONFIG, lambda path: config_from_transformers(as_object(path))),
}


def as_texts(path: Path) -> dict[str, str]:
    """What a runtime hands over: names and texts, whatever they say."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in as_object(path).items()}


def as_object(path: Path) -> dict[str, Any]:
    """A JSON object, where the damage left one."""
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


ODD = st.sampled_from([
    None, True, False, 0, 1, -1, 3, 2.5, -0.0, 1e30, -1e30, float("nan"), float("inf"), 2**31, 2**32, 2**63, 10**30,
    10**400, "", "a", "1", "a.png", "../a.png", "a\0b", "é" * 300, "x\\a.png", "\ud800", [], [[]], [1], ["a"], {},
    {"a": 1},
    [0, 0], [1, 1, 1, 1], [10**5, 10**5], [1, 2**32], [2**31, 2**31], {"size": [10**5, 10**5], "counts": [10**10]},
    {"size": [1, 2**32 + 5], "counts": "1"}, {"size": [3, 3], "counts": "~~~"}, {"size": [0, 0], "counts": []},
    [[1e8, 1e8, -1e8, 5, 3, 1e8]], [[float("nan")] * 6], [1e9] * 4, [-5, -5, 1e9, 1e9], [30, 20, 8, 5],
])  # fmt: skip


HOW = ("replace", "replace", "remove", "add", "nest")


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    parts = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in parts:
        yield from places(value, (*at, key))


def changed(document: Any, place: tuple[Any, ...], how: str, odd: Any) -> Any:
    if not place:
        return odd if how == "replace" else nested(document) if how == "nest" else document
    top = copy.deepcopy(document)
    parent = top
    for key in place[:-1]:
        parent = parent[key]
    key = place[-1]
    if how == "replace":
        parent[key] = odd
    elif how == "nest":
        parent[key] = nested(odd)
    elif how == "remove":
        del parent[key]
    elif isinstance(parent, list):
        parent.append(odd)
    else:
        parent[f"{key}2"] = odd
    return top


def nested(value: Any) -> Any:
    for number in range(150):
        value = [value] if number % 2 else {"a": value}
    return value


@st.composite
def damaged(draw: st.DrawFn, document: Any) -> bytes:
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(places(document))))
        document = changed(document, place, draw(st.sampled_from(HOW)), draw(ODD))
    data = bytearray(json.dumps(document).encode())
    if draw(st.integers(0, 5)) == 0:
        source = random.Random(draw(st.integers(0, 9999)))
        for _ in range(source.randrange(1, 4)):
            data[source.randrange(len(data))] = source.randrange(256)
    return bytes(data)


@contextlib.contextmanager
def bounded(more: int) -> Iterator[None]:
    """A block that gets so many bytes of memory and no more."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + more, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("documents")
    for number, name in enumerate(("a.png", "b.png")):
        shades = np.random.default_rng(number).integers(0, 2, (*SIZE, 1), np.uint8).repeat(3, 2) * 255
        Image.fromarray(shades).save(place / name)
    (place / "coco.json").write_text(json.dumps(COCO))
    (place / "videos.json").write_text(json.dumps(VIDEOS))
    return place


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_document_is_read(kind: str, folder: Path) -> None:
    document, read = KINDS[kind]
    (folder / "whole.json").write_text(json.dumps(document))
    with bounded(MEMORY):
        read(folder / "whole.json")


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_document_ends_in_our_own_errors(kind: str, folder: Path, data: st.DataObject) -> None:
    document, read = KINDS[kind]
    path = folder / "damaged.json"
    path.write_bytes(data.draw(damaged(document)))
    with bounded(MEMORY):
        message = said(read, path)
    assert len(message) < 1500


def said(read: Callable[[Path], Any], path: Path) -> str:
    """The project's own error, or nothing; any other goes on to the test."""
    try:
        read(path)
    except SamHQError as error:
        return str(error)
    return ""


PARTS = st.sampled_from(
    ["1", "0", "5.5", "-1", "1e30", "1e400", "nan", "inf", "-inf", "", "a", "٣", "\0", "9" * 400, "é"]
)
TEXTS = {
    "boxes in MOT's form": ("1,1,8,5,22,15,1", read_frame_boxes),
    "outlines in YOLO's form": ("0 0.2 0.2 0.8 0.2 0.8 0.8", lambda path: read_yolo(path, "a.png", SIZE, {})),
    "boxes in YOLO's form": ("0 0.5 0.5 0.2 0.2 0.9", lambda path: read_boxes(path.parent).boxes_of("a.png", SIZE)),
}


@pytest.mark.parametrize("kind", TEXTS)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_damaged_lines_end_in_our_own_errors(kind: str, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    line, read = TEXTS[kind]
    folder = tmp_path_factory.mktemp("lines")
    (folder / "data.yaml").write_text("names: [square]")
    parts = line.replace(",", " ").split()
    for _ in range(data.draw(st.integers(0, 2))):
        parts[data.draw(st.integers(0, len(parts) - 1))] = data.draw(PARTS)
    raw = ("," if "," in line else " ").join(parts).encode() + data.draw(st.sampled_from([b"", b"\n", b"\xff", b"\n["]))
    (folder / "a.txt").write_bytes(raw)
    assert len(said(read, folder / "a.txt")) < 1500


@pytest.mark.parametrize("content", [
    "names: {0: a, 2: b}", "names: 3", "[]", "names: {a: b}", "names:\n  0: &x [*x]", "[" * 500, "a: b: c", "\0", "",
])  # fmt: skip
def test_class_names_of_another_form_are_a_sentence(content: str, tmp_path: Path) -> None:
    (tmp_path / "data.yaml").write_text(content)
    (tmp_path / "a.txt").write_text("0 0.5 0.5 0.2 0.2")
    assert said(read_boxes, tmp_path).startswith("Expected")
