from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samhq.errors import ConfigError
from samhq.masks import rle
from samhq.video.folder import Kinds, ResultFolder, frame_record, write_label_picture
from samhq.video.result import FrameMasks

A, B = np.zeros((6, 8), bool), np.zeros((6, 8), bool)
A[1:4, 1:5] = True
B[3:6, 4:8] = True


def frame(index: int, **masks: np.ndarray) -> FrameMasks:
    ids = tuple(int(name[1:]) for name in masks)
    stack = np.stack(list(masks.values())) if masks else np.zeros((0, 6, 8), bool)
    labels = tuple("cat" if number == 1 else None for number in ids)
    return FrameMasks(index, np.zeros((6, 8, 3), np.uint8), ids, stack, np.full(len(ids), 0.75, np.float32), labels)


def values(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def test_a_frame_becomes_files_and_a_line(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path, Kinds())
    folder.add(frame(0, o1=A, o2=B), "000000")
    assert (values(tmp_path / "masks/1/000000.png") == A * 255).all()
    assert (values(tmp_path / "labels/000000.png") == np.where(B, 2, A * 1)).all()
    (record,) = folder.records()
    assert record == frame_record(frame(0, o1=A, o2=B), "000000")
    first, second = record["objects"]
    assert (first["label"], first["bbox"], first["area"], first["score"]) == ("cat", [1, 1, 4, 3], 12, 0.75)
    assert (rle.decode(second["segmentation"]) == B).all()
    assert len(folder) == 1


def test_a_second_pass_adds_its_objects(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path, Kinds(masks=False))
    folder.add(frame(3, o1=A), "3")
    folder.add(frame(4, o1=A), "4")
    folder.add(frame(3, o2=B), "3")
    assert (values(tmp_path / "labels/3.png") == np.where(A, 1, B * 2)).all()
    places = folder.by_frame()
    assert [one["id"] for one in folder.objects_at(places[3])] == [1, 2]
    assert list(places) == [3, 4]
    assert not (tmp_path / "masks").exists()


def test_lines_can_be_cut_and_half_ones_do_not_count(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path, Kinds(masks=False, label_maps=False))
    for index in range(4):
        folder.add(frame(index, o1=A), str(index))
    with (tmp_path / "frames.jsonl").open("a") as stream:
        stream.write('{"frame": 4, "na')
    assert len(folder) == 4
    folder.keep(2)
    assert [record["frame"] for record in folder.records()] == [0, 1]


def test_what_an_earlier_run_wrote_can_be_removed(tmp_path: Path) -> None:
    folder = ResultFolder(tmp_path, Kinds())
    folder.add(frame(0, o1=A), "0")
    other = tmp_path / "masks/1/mine.png"
    other.write_bytes(b"kept")
    folder.clear()
    assert [path.name for path in tmp_path.rglob("*.*")] == ["mine.png"]
    folder.clear()


def test_an_empty_mask_has_no_box() -> None:
    (entry,) = frame_record(frame(0, o1=A & False), "0")["objects"]
    assert (entry["area"], entry["bbox"]) == (0, [0, 0, 0, 0])
    assert frame_record(frame(0), "0")["objects"] == []


def test_label_maps_take_numbers_up_to_65535(tmp_path: Path) -> None:
    write_label_picture(tmp_path / "a.png", np.array([[0, 255]], np.uint16))
    write_label_picture(tmp_path / "b.png", np.array([[0, 300]], np.uint16))
    assert values(tmp_path / "a.png").tolist() == [[0, 255]]
    assert values(tmp_path / "b.png").tolist() == [[0, 300]]
    with pytest.raises(ConfigError, match="65535"):
        write_label_picture(tmp_path / "c.png", np.array([[70000]], np.uint32))
