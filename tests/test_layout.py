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
    "test_public_api",
    "test_readme",
    "test_without_torch",
}
#: Source files without a test file of their own: the tests of the files that call them are theirs. Only ever shorter.
WITHOUT = {
    "__main__",
    "batch/exported",
    "batch/manifest",
    "batch/pool",
    "checkpoint/hf_config_sam2",
    "checkpoint/naming_sam2",
    "cli/flags",
    "compat/sam2/automatic",
    "compat/sam2/state",
    "compat/transformers/image_processor",
    "compat/transformers/nesting",
    "compat/transformers/picture_inputs",
    "compat/transformers/renaming",
    "compat/transformers/sam2",
    "compat/transformers/whole_image",
    "datasets/drawn/assemblies",
    "datasets/drawn/backgrounds",
    "datasets/drawn/camera",
    "datasets/drawn/canvas",
    "datasets/drawn/raster",
    "datasets/drawn/shapes",
    "datasets/drawn/textures",
    "datasets/hqseg",
    "export/graphs",
    "export/original",
    "export/quantise",
    "export/trace",
    "inference/candidates",
    "inference/seams",
    "model/sam2/mask_decoder",
    "model/sam2/memory",
    "model/sam2/memory_encoder",
    "shapes",
    "speed/machine",
    "speed/ours",
    "speed/work",
    "speed/worker",
    "storage/schema",
    "training/initialise",
    "training/norms",
    "training/sources",
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
    assert SOURCES - set(mirrored()) <= WITHOUT
    assert WITHOUT <= SOURCES, "files that are gone"


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_files_are_short(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) < LINES
