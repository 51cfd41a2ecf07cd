"""The public names: each is there, says what it is, and is shown to people."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import samhq

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
WRITTEN = len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) >= 20


def seen_by_type_checkers() -> dict[str, str]:
    """Name and module of the imports that only type checkers read."""
    source = ast.parse(Path(inspect.getfile(samhq)).read_text(encoding="utf-8"))
    found = {}
    for node in ast.walk(source):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("samhq."):
            found |= {alias.asname or alias.name: node.module for alias in node.names}
    return found


@pytest.mark.parametrize("name", samhq.__all__)
def test_the_name_is_there(name: str) -> None:
    assert not name.startswith("_") or name == "__version__"
    assert getattr(samhq, name) is getattr(samhq, name)
    assert name in dir(samhq)


@pytest.mark.parametrize("name", samhq.__all__)
def test_the_name_says_what_it_is(name: str) -> None:
    value = getattr(samhq, name)
    if not (inspect.isclass(value) or inspect.isroutine(value)):
        return
    own = value.__doc__ if not inspect.isclass(value) else value.__dict__.get("__doc__")
    assert own, f"{name} has no docstring of its own"
    assert not own.startswith(f"{name}("), f"{name} has only the docstring that dataclasses write"


@pytest.mark.parametrize("name", samhq.__all__)
@pytest.mark.skipif(not WRITTEN, reason="the README is not written yet")
def test_the_name_is_shown(name: str) -> None:
    assert re.search(rf"\b{re.escape(name)}\b", TEXT), f"neither README.md nor docs/ mentions {name}"


def test_no_name_is_there_twice() -> None:
    assert len(set(samhq.__all__)) == len(samhq.__all__)


def test_type_checkers_see_the_same_names() -> None:
    seen = seen_by_type_checkers()
    assert set(seen) == {name for name in samhq.__all__ if name != "__version__"}
    for name, module in seen.items():
        assert getattr(import_module(module), name) is getattr(samhq, name)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Segment_anything'"):
        samhq.Segment_anything  # noqa: B018
    with pytest.raises(ImportError):
        from samhq import nothing_of_the_kind  # noqa: F401


def test_a_star_import_gives_all_of_them() -> None:
    code = "from samhq import *; import samhq; print(set(samhq.__all__) <= set(globals()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "True"


def documented(value: object) -> list[tuple[str, object]]:
    """A public function, or the public methods of a public class, with their names."""
    if not inspect.isclass(value):
        return [("", value)] if inspect.isroutine(value) else []
    members = inspect.getmembers(value, inspect.isroutine)
    return [(name, member) for name, member in members if not name.startswith("_") or name == "__init__"]


#: What people pass by these names, in every public function.
TYPED = {"points", "labels", "box", "boxes", "mask", "image", "point_coords", "point_labels", "mask_input"}


@pytest.mark.parametrize("name", samhq.__all__)
def test_prompts_and_pictures_have_types(name: str) -> None:
    """An editor says what may be given: none of these parameters is `Any`."""
    for method, function in documented(getattr(samhq, name)):
        if not getattr(function, "__module__", "").startswith("samhq."):
            continue
        for parameter in inspect.signature(function).parameters.values():
            given = str(parameter.annotation).removeprefix("typing.")
            assert parameter.name not in TYPED or given not in ("Any", "Any | None"), f"{name}.{method}: {parameter}"
