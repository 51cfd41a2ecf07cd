"""Paths stay inside the folder that is served, whatever they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serve.served import Client, photograph

from samhq.errors import ConfigError
from samhq.serve.faults import Fault
from samhq.serve.places import Root


@pytest.fixture
def root(tmp_path: Path) -> Root:
    photograph(tmp_path / "secret.png")
    photograph(tmp_path / "photos-too" / "other.png")
    photograph(tmp_path / "photos" / "sub" / "a.png")
    photograph(tmp_path / "photos" / "b.png")
    (tmp_path / "photos" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "photos" / "out").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "photos" / "inside.png").symlink_to(tmp_path / "photos" / "b.png")
    (tmp_path / "photos" / "circle").symlink_to(tmp_path / "photos" / "circle")
    return Root(tmp_path / "photos")


OUTSIDE = (
    *("..", "../secret.png", "sub/../../secret.png", "link.png", "out/secret.png", "out", "circle", "missing.png"),
    *("/etc/passwd", "../photos-too/other.png", "%2e%2e/secret.png", "..\\secret.png", "\\\\host\\share\\a.png"),
    *("a\0.png", "http://127.0.0.1/a.png", "file:///etc/passwd", "~/a.png"),
)


@pytest.mark.parametrize("path", OUTSIDE)
def test_what_is_outside_is_not_found(root: Root, path: str) -> None:
    with pytest.raises(Fault) as raised:
        root.inside(path)
    assert raised.value.status_code == 404


def test_what_is_inside_is_found(root: Root) -> None:
    assert root.inside("sub/a.png") == root.folder / "sub" / "a.png"
    assert root.inside("inside.png") == root.folder / "b.png"
    assert root.inside(str(root.folder / "b.png")) == root.folder / "b.png"


def test_links_that_lead_out_are_no_pictures(root: Root) -> None:
    assert list(root.pictures()) == ["b.png", "inside.png"]
    assert list(root.pictures(root.folder / "sub")) == ["sub/a.png"]


@pytest.mark.parametrize("name", ["missing", "a.png"])
def test_the_folder_has_to_be_one(tmp_path: Path, name: str) -> None:
    photograph(tmp_path / "a.png")
    with pytest.raises(ConfigError, match="Expected a folder"):
        Root(tmp_path / name)


@pytest.mark.parametrize("path", OUTSIDE)
def test_the_page_opens_nothing_outside(client: Client, path: str) -> None:
    assert client.fault("POST", "/images/open", {"path": path})[:2] == (404, "not_found")


@pytest.mark.parametrize("path", ["/..%2f..%2fetc/passwd", "/assets/../../app.py", "/%2e%2e/app.py", "/../app.py"])
def test_the_page_has_no_other_files(client: Client, path: str) -> None:
    assert client.get(path).status_code == 404
