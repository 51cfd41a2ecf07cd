"""Tests mirror the source file by file, and no file of tests or benchmarks is too long."""

from __future__ import annotations

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
SOURCE = ROOT / "src" / "samhq"
LINES = 450
#: Folders with another subject than one source file: other programs' answers, a browser, what lies beside the package.
ELSEWHERE = {"golden", "parity", "browser", "benchmarks", "examples", "notebooks", "package", "site"}
#: Tests of the package, the repository or a room as a whole.
WHOLE = {
    "test_architecture",
    "test_called_modules",
    "test_hostile_documents",
    "test_layout",
    "test_on_windows",
    "test_pretended_cuda",
    "test_public_api",
    "test_readme",
    "test_twelve_bits",
    "test_without_torch",
}
FACE = "an interface of another library: tested through what its users call"
DRAWN = "one part of a drawn scene, which only whole scenes show to be right"
EXPORTED = "a step of an export, which only a whole export shows to be right"
NETWORK = "a part of a network that is compared with its source as a whole"
#: Source files without a test file of their own: the test file that tests each, below `tests/`, and why. Only shorter.
WITHOUT = {
    "__main__": ("cli/test_main", "three lines that call `main`"),
    "batch/exported": ("cli/test_segment", "needs an exported model, which the tests of commands make"),
    "batch/pool": ("batch/test_job", "processes of a job; killed, interrupted and counted there"),
    "checkpoint/hf_config_sam2": ("checkpoint/test_hf_config", "the rows for SAM 2 of what that file reads and writes"),
    "compat/sam2/automatic": ("compat/sam2/test_predictor", FACE),
    "compat/sam2/state": ("compat/sam2/test_video_predictor", FACE),
    "compat/transformers/image_processor": ("compat/transformers/test_processors", FACE),
    "compat/transformers/sam2": ("parity/test_transformers_sam2", FACE),
    "compat/transformers/whole_image": ("compat/transformers/test_pipelines", FACE),
    **{
        f"datasets/drawn/{name}": ("datasets/drawn/test_scene", DRAWN)
        for name in ("assemblies", "backgrounds", "camera", "canvas", "raster", "shapes", "textures")
    },
    **{f"export/{name}": ("export/test_convert", EXPORTED) for name in ("graphs", "original", "quantise", "trace")},
    "inference/candidates": ("inference/test_automatic", "the first half of what that file does with one batch"),
    "inference/seams": ("inference/test_tiles", "views of tiles, which the tests of tiles make"),
    "model/sam2/mask_decoder": ("model/sam2/test_sam2", NETWORK),
    "model/sam2/memory": ("model/sam2/test_sam2", NETWORK),
    "speed/ours": ("speed/test_contest", "a party, which a contest runs"),
    "speed/worker": ("speed/test_contest", "the processes that a contest starts"),
    "training/sources": ("training/test_loop", "the data that runs open by name"),
}

SOURCES = {str(file.relative_to(SOURCE).with_suffix("")) for file in SOURCE.rglob("*.py") if file.stem != "__init__"}
FILES = [file for folder in (TESTS, ROOT / "benchmarks", ROOT / "examples") for file in sorted(folder.rglob("*.py"))]


def mirrored() -> dict[str, Path]:
    """The test files by the source file that they are named for."""
    files = [file for file in TESTS.rglob("test_*.py") if file.relative_to(TESTS).parts[0] not in ELSEWHERE]
    return {
        str(file.relative_to(TESTS).parent / file.stem.removeprefix("test_")): file
        for file in files
        if file.stem not in WHOLE
    }


def test_every_test_file_is_named_for_a_source_file() -> None:
    assert {name: file for name, file in mirrored().items() if name not in SOURCES} == {}


def test_every_source_file_has_its_test_file() -> None:
    assert SOURCES - set(mirrored()) == set(WITHOUT)


@pytest.mark.parametrize("name", WITHOUT)
def test_files_without_one_are_tested_elsewhere(name: str) -> None:
    place, reason = WITHOUT[name]
    assert (TESTS / f"{place}.py").is_file()
    assert reason


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < LINES
