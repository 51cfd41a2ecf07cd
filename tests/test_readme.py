"""What README.md and docs/ show is run: Python blocks in order, page by page, and command lines as far as their flags.

A block fenced with ```python no-run is left out: it needs a download, a GPU or hours. One fenced with ```python
needs-PACKAGE is run where that package is installed. Pictures that a page names are laid into its folder beforehand.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import re
import shlex
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from PIL import Image

from samhq.image.sample_picture import sample_picture
from tests.golden import deterministic

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("**/*.md"))]
#: Every written page, those without code that is run too.
WRITTEN = sorted({*PAGES, *ROOT.glob("*.md"), *ROOT.glob("*/README.md")})
#: Pages that `docs/_site` makes from the code; the strict build of the site checks links to them.
MADE = ROOT / "docs" / "reference"
STUB = 20  #: lines; a README shorter than this is not written yet
FENCE = re.compile(r"^( *)```(\w+)([^\n]*)\n(.*?)^\1```\s*$", re.MULTILINE | re.DOTALL)
PICTURE = re.compile(r"[\w./-]+\.(?:jpe?g|png|tiff?|webp)\b", re.IGNORECASE)
INLINE = re.compile(r"`(samhq [^`]+)`")
SHELLS = ("bash", "console", "sh", "shell")


class Fenced(NamedTuple):
    """A fenced block, its language, the words after it, and the line of the page that it starts on."""

    language: str
    words: list[str]
    text: str
    line: int


def blocks(page: str) -> list[Fenced]:
    """All blocks in order; those of a tab are indented on the page."""
    return [
        Fenced(m[2], m[3].split(), textwrap.dedent(m[4]), page[: m.start(4)].count("\n") + 1)
        for m in FENCE.finditer(page)
    ]


def runnable(page: str) -> list[Fenced]:
    return [block for block in blocks(page) if block.language == "python" and all(map(can_run, block.words))]


def can_run(word: str) -> bool:
    """Whether a word behind the language allows a block to run here."""
    package = word.removeprefix("needs-")
    return word != "no-run" and (package == word or importlib.util.find_spec(package) is not None)


def commands(page: str) -> Iterator[list[str]]:
    """Command lines as words, up to a pipe or a redirection; in a console block those after the prompt."""
    for block in blocks(page):
        if block.language in SHELLS:
            for line in block.text.replace("\\\n", " ").splitlines():
                prompted = line.lstrip().startswith("$ ")
                if prompted or block.language != "console":
                    yield from one_command(line.lstrip().removeprefix("$ "))


def one_command(line: str) -> Iterator[list[str]]:
    for command in re.split(r"\s(?:\|\|?|&&?|;)(?:\s|$)", line):
        words = shlex.split(re.split(r"\s[12]?>", command)[0], comments=True)
        if words:
            yield words


def lay_pictures(page: str, folder: Path) -> None:
    """A picture under every relative name that the page's blocks mention."""
    for name in sorted(set(PICTURE.findall("\n".join(block.text for block in blocks(page))))):
        place = folder / name
        if folder in place.resolve().parents:
            place.parent.mkdir(parents=True, exist_ok=True)
            if name == "photo.jpg":  # what `samhq sample` writes
                shutil.copy(sample_picture(), place)
            else:
                Image.fromarray(picture()).save(place)


def lay_scans(page: str, folder: Path) -> None:
    """The scans that the page names, a bright disc on a dark ground: [240 x, 200 y, 6 z] in NIfTI, one in DICOM."""
    slices, rows, columns = np.mgrid[:6, :200, :240]
    units = np.where(np.hypot(rows - 100, columns - 120) < 50 + 3 * slices, 60, -700)
    if "scan.nii.gz" in page and can_run("needs-nibabel"):
        import nibabel

        affine = np.array([[-0.7, 0, 0, 84], [0, -0.7, 0, 70], [0, 0, 3, -9], [0, 0, 0, 1]])
        nibabel.save(nibabel.Nifti1Image(units.T.astype(np.float32), affine), folder / "scan.nii.gz")
    if "slice.dcm" in page and can_run("needs-pydicom"):
        dicom(units[0]).save_as(folder / "slice.dcm", enforce_file_format=True)


def dicom(units: np.ndarray, **attributes: Any) -> Any:
    """A CT slice [H,W] of Hounsfield units, or frames [D,H,W], as pydicom holds it."""
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    about = {"Rows": units.shape[-2], "Columns": units.shape[-1], "SamplesPerPixel": 1, "PixelRepresentation": 0}
    about |= {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11, "PhotometricInterpretation": "MONOCHROME2"}
    about |= {"RescaleSlope": 1, "RescaleIntercept": -1024, "WindowCenter": [40, 300], "WindowWidth": [400, 1500]}
    about |= {"PixelSpacing": [0.7, 0.7], "SOPClassUID": CTImageStorage, "SOPInstanceUID": generate_uid()}
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID, made.file_meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    for name, value in (about | attributes).items():
        setattr(made, name, value)
    made.PixelData = (units + 1024).astype("<u2").tobytes()
    return made


def picture() -> np.ndarray:
    """A photograph, large enough for the coordinates of examples; without scikit-image waves and a disc."""
    try:
        from skimage.data import astronaut
    except ImportError:
        return deterministic.image(1024, 1024)
    return np.asarray(Image.fromarray(astronaut()).resize((1024, 1024)))


@pytest.mark.skipif(len(README.read_text().splitlines()) < STUB, reason="the README is not written yet")
def test_the_readme_shows_python_that_runs() -> None:
    assert runnable(README.read_text())


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = path.read_text(encoding="utf-8")
    if not runnable(page):
        pytest.skip("no Python to run")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    lay_pictures(page, tmp_path)
    lay_scans(page, tmp_path)
    names: dict[str, object] = {"__name__": path.stem}
    for block in runnable(page):
        code = compile("\n" * (block.line - 1) + block.text, str(path), "exec")
        exec(code, names)


def test_dicom_is_shown_as_a_viewer_shows_it(tmp_path: Path) -> None:
    pytest.importorskip("pydicom")
    page = (ROOT / "docs" / "guides" / "scans.md").read_text(encoding="utf-8")
    (block,) = (block for block in blocks(page) if "def as_shown" in block.text)
    names: dict[str, Any] = {"np": np}
    exec(block.text[: block.text.index("\n\n\nslice = ")], names)
    units = np.full((3, 4, 5), -160)
    units[:, 1], units[:, 2], units[:, 3] = 40, 140, 3000
    expected = np.zeros((3, 4, 5))
    expected[:, 1], expected[:, 2], expected[:, 3] = 0.5, 0.75, 1
    for given, shown in ((units, expected), (units[0], expected[0])):
        frames = {"NumberOfFrames": len(given)} if given.ndim == 3 else {}
        np.testing.assert_allclose(names["as_shown"](dicom(given, **frames)), shown)
        dark = dicom(given, **frames, PhotometricInterpretation="MONOCHROME1")
        np.testing.assert_allclose(names["as_shown"](dark), 1 - shown)


def test_masks_of_a_nifti_scan_lie_over_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nibabel = pytest.importorskip("nibabel")
    page = ROOT / "docs" / "guides" / "scans.md"
    test_python_blocks_run(page, tmp_path, monkeypatch)
    scan, organ = nibabel.load(tmp_path / "scan.nii.gz"), nibabel.load(tmp_path / "organ.nii.gz")
    np.testing.assert_array_equal(scan.affine, organ.affine)
    true, found = scan.get_fdata() > 0, organ.get_fdata() > 0
    assert found.shape == true.shape
    assert all((true & found)[..., z].sum() > 0.8 * (true | found)[..., z].sum() for z in range(6))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_blocks_that_are_not_run_are_python(path: Path) -> None:
    for block in blocks(path.read_text(encoding="utf-8")):
        if block.language == "python":
            ast.parse("\n" * (block.line - 1) + block.text, str(path))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_command_lines_are_understood(path: Path) -> None:
    """Flags and values are read, nothing is run; targets of make and scripts exist."""
    from samhq.cli.main import app

    makefile = ROOT / "Makefile"
    targets = re.findall(r"^([\w-]+):", makefile.read_text() if makefile.exists() else "", re.MULTILINE)
    for words in commands(path.read_text(encoding="utf-8")):
        if words[0] == "samhq":
            app.parse_args(words[1:])
        elif words[0] == "make":
            assert {word for word in words[1:] if "=" not in word and not word.startswith("-")} <= set(targets), words
        elif words[0].startswith("python") and len(words) > 1 and words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_in_sentences_and_tables_are_understood(path: Path) -> None:
    """They may lack arguments, as in `samhq write ... --format coco`, but have no flag that does not exist."""
    from cyclopts import MissingArgumentError

    from samhq.cli.main import app

    for command in INLINE.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        words = [word for word in shlex.split(command) if word != "..."]
        with contextlib.suppress(MissingArgumentError):
            app.parse_args(words[1:], exit_on_error=False, print_error=False)


SAMPLE = """
# Title
```python
x = 1
```
```python no-run
raise SystemExit
```
```console
$ samhq segment a.jpg --point 1,2 \\
    --output out  # a remark
3 masks
$ samhq models | head -3 && make demo
```
```bash
samhq info "a file.pth" > info.txt
```
=== "Tab"

    ```python
    if x:
        y = 2
    ```
"""


def test_the_reader_of_pages() -> None:
    assert [(block.text, block.line) for block in runnable(SAMPLE)] == [
        ("x = 1\n", 4),
        ("if x:\n    y = 2\n", 21),
    ]
    assert list(commands(SAMPLE)) == [
        ["samhq", "segment", "a.jpg", "--point", "1,2", "--output", "out"],
        ["samhq", "models"],
        ["head", "-3"],
        ["make", "demo"],
        ["samhq", "info", "a file.pth"],
    ]


def test_pictures_are_laid_inside_the_folder_only(tmp_path: Path) -> None:
    lay_pictures("```python\nopen('photos/cat.jpg'), open('../other.png')\n```\n", tmp_path)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["cat.jpg"]
    assert not (tmp_path.parent / "other.png").exists()


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_relative_links_lead_somewhere(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", prose)
    places = [(page.parent / link).resolve() for link in links]
    assert [place for place in places if not place.exists() and MADE not in place.parents] == []


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as the site gives them."""
    toc = pytest.importorskip("markdown.extensions.toc")
    headings = re.findall(r"^#+ (.+?)\s*$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    used: set[str] = set()
    return {toc.unique(toc.slugify(re.sub(r"\]\([^)]*\)", "]", heading), "-"), used) for heading in headings}


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: page.name)
def test_links_to_headings_lead_to_a_heading(page: Path) -> None:
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    links = re.findall(r"\]\(([^)#:]*\.md)?#([^)]*)\)", prose)
    places = [((page.parent / name).resolve() if name else page, anchor) for name, anchor in links]
    assert [place for place in places if MADE not in place[0].parents and place[1] not in anchors(place[0])] == []


def test_every_make_target_has_a_recipe() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert [name for name in phony[1].split() if not re.search(rf"^{name}:.*\n\t", text, re.MULTILINE)] == []
