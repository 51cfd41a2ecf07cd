"""Tiny models as ONNX files, exported once for all tests and all their processes: an export takes half a minute."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from filelock import FileLock

from samhq.config import ModelConfig
from samhq.export.convert import export
from tests import tiny


@contextmanager
def unwatched() -> Iterator[None]:
    """Annotations are not checked: checks of symbolic sizes would fix them in the graph."""
    jaxtyping.config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        jaxtyping.config.update("jaxtyping_disable", False)


def folder(factory: pytest.TempPathFactory, config: ModelConfig, **options: Any) -> Path:
    """Where this model's files are, with these options of the exporter."""
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "exported"
    shared.mkdir(exist_ok=True)
    place = shared / "-".join([config.name, *map(str, options.values())])
    with FileLock(f"{place}.lock"):
        if not place.exists():
            with unwatched():
                export(tiny.shared(config), place, **options)
    return place
