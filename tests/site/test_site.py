"""The documentation site: its made pages, and what a strict build of it looks like from outside."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import samhq
from samhq.cli.main import app

ROOT = Path(__file__).parents[2]
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    pytest.importorskip("mkdocs")
    monkeypatch.syspath_prepend(str(ROOT / "docs" / "_site"))
    import hooks

    yield hooks
    for name in ("hooks", "made_pages", "notebook_pages"):
        sys.modules.pop(name, None)


def commands() -> set[str]:
    return {name for name in app if not name.startswith("-")}


def test_every_command_has_a_page_with_its_flags(hooks: ModuleType) -> None:
    pages = hooks.command_pages()
    assert {Path(page).stem for page in pages} == commands() | {"commands"}
    assert "`--box BOX...`" in pages["reference/commands/segment.md"]
    assert "(commands/segment.md) | Write masks" in pages["reference/commands.md"]
    assert "\nsamhq batch run [OPTIONS] JOB\n" in pages["reference/commands/batch.md"]


def test_every_public_name_has_an_entry(hooks: ModuleType) -> None:
    text = "\n".join(hooks.python_pages().values())
    for name, module in samhq._WHERE.items():
        assert re.search(rf"::: {module}\.{name}$|#{module}\.{name} }}", text, re.MULTILINE), name


def test_every_example_has_a_page_with_its_code(hooks: ModuleType) -> None:
    import made_pages

    files = sorted((ROOT / "examples").glob("*.py"))
    pages = made_pages.example_pages()
    assert [f"examples/{path.stem}.md" for path in files] == list(pages)
    assert all(path.read_text(encoding="utf-8") in pages[f"examples/{path.stem}.md"] for path in files)


def test_a_module_without_a_group_is_refused(hooks: ModuleType) -> None:
    import made_pages

    assert made_pages.group_of("samhq.results.detections") == "text"
    assert made_pages.group_of("samhq.results.prompt") == "results"
    with pytest.raises(LookupError, match=r"Add one\."):
        made_pages.group_of("samhq.resultant")


@pytest.mark.parametrize(
    ("link", "here", "source", "there"),
    [
        ("../ARCHITECTURE.md", "", None, "explanation/architecture.md"),
        ("../../README.md", "guides", None, "../index.md"),
        ("docs/export.md", "explanation", "ARCHITECTURE.md", "../export.md"),
        ("ARCHITECTURE.md", "reference", "CONTRIBUTING.md", "../explanation/architecture.md"),
        ("../text.md", "guides", None, "../text.md"),
        ("../../notebooks/video.ipynb", "guides", None, "../notebooks/video.md"),
        ("video.ipynb", "notebooks", "notebooks/README.md", "video.md"),
        ("../docs/video.md", "notebooks", "notebooks/README.md", "../video.md"),
        ("../docs/video.md", "notebooks", "notebooks/video.md", "../video.md"),
        ("segment.py", "examples", "examples/README.md", "segment.md"),
        ("../examples/segment.py", "", None, "examples/segment.md"),
    ],
)
def test_links_between_files_lead_to_pages(
    hooks: ModuleType, link: str, here: str, source: str | None, there: str
) -> None:
    assert hooks._target(link, here, source) == there


def test_a_word_for_the_tests_leaves_a_fence_a_fence(hooks: ModuleType) -> None:
    from types import SimpleNamespace

    page = SimpleNamespace(file=SimpleNamespace(src_uri="video.md"))
    text = "    ```python no-run\n    x = 1\n    ```\n```python needs-pydicom\ny\n```\n"
    plain = text.replace(" no-run", "").replace(" needs-pydicom", "")
    assert hooks.on_page_markdown(text, page=page) == plain


def test_a_notebook_becomes_a_page(hooks: ModuleType, tmp_path: Path) -> None:
    import notebook_pages

    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "words"]},
        {
            "cell_type": "code",
            "source": ["1 + 1"],
            "outputs": [
                {"data": {"text/plain": ["2"]}},
                {"data": {"image/png": "cGljdHVyZQ==", "text/plain": "<Figure>"}},
                {"text": ["printed\n"]},
            ],
        },
        {"cell_type": "code", "source": [], "outputs": []},
    ]
    (tmp_path / "one.ipynb").write_text(json.dumps({"cells": cells}))
    text, pictures = notebook_pages.page_of(tmp_path / "one.ipynb")
    assert notebook_pages.title_of(text) == "Title"
    assert "```python\n1 + 1\n```\n\n```text\n2\n```\n\n![Output of the cell above](one-1-1.png)" in text
    assert text.endswith("```text\nprinted\n```\n")
    assert pictures == {"one-1-1.png": b"picture"}


class Resources(HTMLParser):
    """What a page loads by itself, and the identifiers in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids |= {given["id"] or ""} if "id" in given else set()
        if tag == "a" and given.get("href"):
            self.links.append(given["href"] or "")
        address = given.get(LOADED.get(tag, ""))
        if address and given.get("rel") not in ("canonical", "next", "prev"):
            self.loaded.append(address)


@pytest.mark.slow
def test_the_site_is_whole_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs")
    site = tmp_path / "site"
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    ids: set[str] = set()
    for page in site.rglob("*.html"):
        seen = Resources(page.read_text(encoding="utf-8"))
        ids |= seen.ids
        assert "<p>```" not in page.read_text(encoding="utf-8"), f"{page}: a fence that is shown as text"
        assert [address for address in seen.loaded if re.match(r"(https?:)?//", address)] == [], page
        if page.name != "404.html":  # its addresses begin at the root of a server
            files = [address.split("?")[0].split("#")[0] for address in seen.loaded if not address.startswith("data:")]
            assert [file for file in files if not (page.parent / file).exists()] == [], page
            inside = [link.split("#")[0] for link in seen.links if not re.match(r"[a-z]+:|#|\.?$", link)]
            assert [link for link in inside if not (page.parent / link).exists()] == [], page
    assert {f"{module}.{name}" for name, module in samhq._WHERE.items()} <= ids
    assert {page.stem for page in (site / "reference" / "commands").glob("*.html")} == commands()
