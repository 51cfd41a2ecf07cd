"""All formats by name, in one walk over the pictures."""

from __future__ import annotations

import contextlib
import json
import re
import tracemalloc
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from tests.results.drawn import annotation, scene
from tests.results.test_segmentation import result

from samhq.cli.write import write as write_command
from samhq.errors import ConfigError
from samhq.formats.options import WriteOptions
from samhq.formats.write import FORMATS, open_formats, write
from samhq.image.frame import Frame
from samhq.masks.finish import Finish
from samhq.results.label_map import label_map
from samhq.results.picture import Georeference, Picture
from samhq.results.prompt import Prompt
from samhq.results.sa1b import read_sa1b
from samhq.results.segmentation import Segmentation

GEO = Georeference((0.5, 0, 9, 0, -0.5, 70), "EPSG:3857")


def names(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()}


def test_every_format_writes_what_it_says(tmp_path):
    pytest.importorskip("rasterio")
    pictures = (scene(f"{name}.jpg", geo=GEO) for name in ("cat", "dog"))
    written = write(list(FORMATS), pictures, tmp_path)
    expected = {"coco.json", "cvat.xml", "labelstudio.json", "labelstudio.xml", "yolo/data.yaml"}
    expected |= {"webdataset/samples-000000.tar"}
    expected |= {"isat/isat.yaml", "supervisely/meta.json"}
    own = set()
    for name in ("cat", "dog"):
        own |= {f"{name}_mask_{i}.png" for i in range(4)} | {f"{name}_cutout_{i}.png" for i in (0, 1, 3)}
        own |= {f"{name}{end}" for end in ("_labels.png", "_labels.tif", ".geojson", ".svg")}
        own |= {f"{folder}/{name}.json" for folder in ("sa1b", "labelme", "isat")}
        own |= {f"yolo/labels/{name}.txt", f"yolo/images/{name}.png"}
        own |= {f"supervisely/ds0/ann/{name}.png.json", f"supervisely/ds0/img/{name}.png"}
    assert names(tmp_path) == expected | own
    assert {path.relative_to(tmp_path).as_posix() for path in written} == own


def test_any_format_can_be_made_later_from_sa1b(tmp_path):
    write("sa1b", [scene()], tmp_path)
    later = read_sa1b(tmp_path / "sa1b" / "cat.json")
    write(["coco", "cvat"], [later], tmp_path / "later")
    write(["coco", "cvat"], [scene()], tmp_path / "now")
    for name in ("coco.json", "cvat.xml"):
        assert (tmp_path / "later" / name).read_text() == (tmp_path / "now" / name).read_text()


def test_masks_are_finished_for_every_format(tmp_path):
    options = WriteOptions(finish=Finish(fill_holes=100, drop_specks=90))
    write(["masks", "sa1b", "labelmap"], [scene()], tmp_path, options)
    items = read_sa1b(tmp_path / "sa1b" / "cat.json").annotations
    assert [item.area for item in items] == [16 * 20, 5 * 29, 1]
    for number, item in zip((0, 1, 3), items, strict=True):
        with Image.open(tmp_path / f"cat_mask_{number}.png") as png:
            np.testing.assert_array_equal(np.asarray(png) > 0, item.mask)
    with Image.open(tmp_path / "cat_labels.png") as png:
        values = np.asarray(png)
    np.testing.assert_array_equal(values, label_map(scene().finished(options.finish)))


def test_cutouts_are_opaque_on_the_object_or_soft_at_its_edge(tmp_path):
    one = scene()
    hard = write("cutouts", [one], tmp_path / "hard")[0]
    soft = write("cutouts", [one], tmp_path / "soft", WriteOptions(finish=Finish(soft_edge=2)))[0]
    with Image.open(hard) as png:
        rgba = np.asarray(png)
    np.testing.assert_array_equal(rgba[..., 3] > 0, one.annotations[0].cropped)
    np.testing.assert_array_equal(rgba[0, 0], [*one.image[4, 5], 255])
    with Image.open(soft) as png:
        levels = np.unique(np.asarray(png)[..., 3])
    assert len(levels) > 10


def test_unknown_formats_and_names_that_clash_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'coco'"):
        write("coca", [scene()], tmp_path)
    with pytest.raises(ConfigError, match="at least one"):
        write([], [scene()], tmp_path)
    with pytest.raises(ConfigError, match="'cat' twice"):
        write("coco", [scene("a/cat.jpg"), scene("b/cat.jpg")], tmp_path)
    with pytest.raises(ConfigError, match="cut-outs"):
        write("cutouts", [Picture("a", (2, 2), (annotation(np.ones((2, 2), bool)),))], tmp_path)
    assert names(tmp_path) == set()


def test_a_break_keeps_pictures_own_files_and_leaves_no_half_dataset(tmp_path):
    formats = ["coco", "cvat", "sa1b", "labelstudio"]
    with contextlib.suppress(KeyboardInterrupt), open_formats(formats, tmp_path) as add:
        add(scene())
        raise KeyboardInterrupt
    assert names(tmp_path) == {"sa1b/cat.json"}


def test_a_format_named_twice_is_written_once(tmp_path):
    assert len(write(["sa1b", "sa1b"], [scene()], tmp_path)) == 1


def test_memory_does_not_grow_with_the_number_of_objects(tmp_path):
    """All masks at once would take 51 MB; one takes 2.6."""
    side = 1600
    found = []
    for i in range(20):
        mask = np.zeros((side, side), bool)
        mask[10 * i : 10 * i + 60, 5 * i : 5 * i + 50] = True
        found.append(annotation(mask))
    one = Picture("big.png", (side, side), tuple(found))
    formats = ["coco", "sa1b", "yolo", "labelmap", "labelstudio", "svg"]
    tracemalloc.start()
    try:
        write(formats, [one], tmp_path, WriteOptions(finish=Finish(fill_holes=4)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 15e6
    assert len(json.loads((tmp_path / "coco.json").read_text())["annotations"]) == 20


@pytest.mark.parametrize(
    "options", [WriteOptions(), WriteOptions(shapes="polygon", tolerance=1.5)], ids=["mask", "polygon"]
)
def test_every_format_writes_a_picture_without_objects(tmp_path, options):
    pytest.importorskip("rasterio")
    pixels = np.zeros((40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "none.png")
    nothing = Picture("none.png", (40, 60), (), pixels, tmp_path / "none.png", geo=GEO)
    write(list(FORMATS), [nothing], tmp_path / "out", options)
    content = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert (len(content["images"]), content["annotations"]) == (1, [])
    assert (tmp_path / "out" / "yolo" / "labels" / "none.txt").read_text() == ""
    assert read_sa1b(tmp_path / "out" / "sa1b" / "none.json").annotations == ()
    assert not np.asarray(Image.open(tmp_path / "out" / "none_labels.png")).any()
    assert json.loads((tmp_path / "out" / "none.geojson").read_text())["features"] == []
    write(list(FORMATS), [], tmp_path / "nothing", options)
    assert json.loads((tmp_path / "nothing" / "coco.json").read_text())["images"] == []


def test_every_format_names_the_classes_of_a_result(tmp_path):
    """From prompts with labels to each tool's file, over the record that a command leaves."""
    labelled = result(prompts=(Prompt(box=[1, 2, 30, 20], label="cup & <mug>", score=0.625), Prompt(points=[[1, 2]])))
    labelled.save(tmp_path, "cat", file_name="cat.jpg")
    formats = ["coco", "sa1b", "yolo", "labelme", "labelstudio", "cvat", "geojson", "svg"]
    write(formats, [read_sa1b(tmp_path / "cat.json")], tmp_path / "out")
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert [category["name"] for category in coco["categories"]] == ["cup & <mug>"]
    assert coco["annotations"][0]["score"] == 0.625, "the detector's score, as AP wants it"
    files = ["yolo/data.yaml", "labelme/cat.json", "labelstudio.json", "cat.geojson", "sa1b/cat.json"]
    assert all("cup & <mug>" in (tmp_path / "out" / name).read_text() for name in files)
    for name in ("cvat.xml", "cat.svg", "labelstudio.xml"):
        assert "cup &amp; &lt;mug&gt;" in (tmp_path / "out" / name).read_text()


def test_a_picture_in_which_nothing_was_found_is_written_too(tmp_path):
    none = Segmentation.empty(np.zeros((30, 50, 3), np.uint8), Frame.fit((30, 50), 64), "test")
    none.save(tmp_path, "cat", file_name="cat.jpg")
    formats = [name for name in FORMATS if name not in ("geotiff", "cutouts")]
    write(formats, [read_sa1b(tmp_path / "cat.json")], tmp_path / "out")
    coco = json.loads((tmp_path / "out" / "coco.json").read_text())
    assert (len(coco["images"]), coco["annotations"]) == (1, [])


STRANGE = ["caf\udce9.jpg", "bell\x07.jpg", "red\x1b[31m.jpg", "line\nbreak.jpg", "high\ud800.jpg", "\uffff & <b>.jpg"]


@pytest.mark.parametrize("name", STRANGE)
def test_names_and_labels_that_are_no_text_end_no_data_set(tmp_path, name):
    pytest.importorskip("rasterio")
    label = name.removesuffix(".jpg")
    odd = scene(name, geo=GEO, stem="odd")
    odd = replace(odd, annotations=tuple(replace(item, label=label) for item in odd.annotations))
    write(list(FORMATS), [odd, scene("cat.jpg", geo=GEO)], tmp_path)
    for path in tmp_path.rglob("*"):
        if path.suffix in (".xml", ".svg"):
            assert ElementTree.parse(path).getroot().tag
        elif path.suffix in (".json", ".geojson"):
            json.loads(path.read_bytes().decode("utf-8"))
    assert read_sa1b(tmp_path / "sa1b" / "odd.json").file_name == name
    names = [image.get("name") for image in ElementTree.parse(tmp_path / "cvat.xml").getroot().iter("image")]
    assert names[1] == "cat.jpg"
    assert len(set(names)) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_what_does_not_fit_on_the_disk_is_an_error_and_not_there(tmp_path, format):
    resource = pytest.importorskip("resource")
    pytest.importorskip("rasterio")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write(format, [scene(geo=GEO)], tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_folder_may_be_given_as_text_and_a_picture_alone(tmp_path: Path) -> None:
    write("labelme", scene(), str(tmp_path))
    assert names(tmp_path)


@pytest.mark.parametrize("name", FORMATS)
def test_help_and_page_name_every_format(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in page
    listed = (write_command.__doc__ or "").split("Formats:")[1].split("Exit code")[0]
    assert name in re.findall(r"\w+", listed)
