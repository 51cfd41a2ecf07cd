"""What tests of `samhq segment` share: a drawn picture, the command, and the files that it writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.inference.test_segment import picture

from samhq.cli.main import main

Shown = pytest.CaptureFixture[str]


def drawn(path: Path, height: int = 40, width: int = 60) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(height, width)).save(path)
    return path


def run(weights: Path, out: Path, *arguments: object) -> int:
    return main(["segment", *map(str, arguments), "--model", str(weights), "--device", "cpu", "--output", str(out)])


def record(out: Path, name: str = "cat") -> Any:
    return json.loads((out / f"{name}.json").read_text())


def mask_files(out: Path, pattern: str = "*_mask_*.png") -> np.ndarray:
    files = sorted(out.glob(pattern))
    masks = []
    for file in files:
        with Image.open(file) as png:
            masks.append(np.asarray(png) > 127)
    return np.stack(masks)


def files_in(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != "manifest.jsonl"}
