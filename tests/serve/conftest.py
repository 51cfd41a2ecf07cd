"""A client of a running server over a folder with two pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serve.served import Client, folder_of, opened

from samhq.serve.project import Project


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with Client(opened(folder_of(tmp_path / "photos"))) as client:
        yield client


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A project with one picture of 8 x 10 pixels (height x width), number 1."""
    project = Project(tmp_path / "a.samhq", "a")
    project.add_image("a.png", (8, 10), rel_path="a.png")
    yield project
    project.close()
