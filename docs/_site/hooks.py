"""What MkDocs calls while it builds the site: adds the pages that are made, and their places in the navigation."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

from made_pages import COPIED, command_pages, copied_pages, example_pages, python_pages
from notebook_pages import notebook_pages, title_of

#: Pages of the site that stand for files of the repository, by the file.
PAGES = {source: page for page, source in COPIED.items()} | {"README.md": "index.md"}
#: Words of mkdocs.yml's navigation that stand for pages that are made, and the folder of those.
FOLDERS = {
    "NOTEBOOKS": "notebooks/index.md",
    "EXAMPLES": "examples/index.md",
    "COMMANDS": "reference/commands.md",
    "PYTHON": "reference/python.md",
}
#: Folders of the site whose pages are made of files in a folder of that name beside docs/.
NOT_IN_DOCS = ("notebooks", "examples")
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)")
#: A fence with a word for the tests behind its language. Markdown would not take it for a fence.
FENCE = re.compile(r"^([ \t]*```\w+)[ \t]+(?:no-run|needs-\w+)[ \t]*$", re.MULTILINE)

_made: dict[str, str | bytes] = {}


def on_config(config: Any) -> Any:
    """Makes the pages, and puts them where the navigation has a word for them."""
    _made.update(copied_pages())
    _made.update(command_pages())
    _made.update(python_pages())
    _made.update(notebook_pages())
    _made.update(example_pages())
    config.nav = _with_pages(config.nav)
    return config


def _with_pages(entries: list[Any]) -> list[Any]:
    return [_entry(entry) for entry in entries]


def _entry(entry: Any) -> Any:
    if isinstance(entry, str):
        return entry
    ((title, value),) = entry.items()
    if isinstance(value, list):
        return {title: _with_pages(value)}
    return {title: _section(FOLDERS[value])} if value in FOLDERS else entry


def _section(first: str) -> list[Any]:
    """The first page of a section and all pages below it."""
    folder = posixpath.dirname(first) if first.endswith("/index.md") else first.removesuffix(".md")
    below = [page for page in _made if page.startswith(f"{folder}/") and page.endswith(".md") and page != first]
    return [first, *({title_of(str(_made[page])): page} for page in below)]


def on_files(files: Files, config: Any) -> Files:
    """Adds what was made to the files of the site."""
    for path, content in _made.items():
        files.append(File.generated(config, path, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links to files of the repository lead to the site's pages, and fences have a language only."""
    here = posixpath.dirname(page.file.src_uri)
    source = COPIED.get(page.file.src_uri) or (page.file.src_uri if here in NOT_IN_DOCS else None)
    linked = LINK.sub(lambda match: f"]({_target(match[1], here, source)}", markdown)
    return FENCE.sub(r"\1", linked)


def _target(link: str, here: str, source: str | None) -> str:
    """The link as it must be on the site; `source` is the file of the repository that the page is a copy of."""
    folder = posixpath.dirname(source) if source else posixpath.join("docs", here)
    place = posixpath.normpath(posixpath.join(folder, link))
    stem, suffix = posixpath.splitext(place)
    if posixpath.dirname(place) in NOT_IN_DOCS and suffix in (".ipynb", ".py"):
        return posixpath.relpath(f"{stem}.md", here or ".")
    if place in PAGES:
        return posixpath.relpath(PAGES[place], here or ".")
    if source and place.startswith("docs/"):
        return posixpath.relpath(place.removeprefix("docs/"), here or ".")
    return link
