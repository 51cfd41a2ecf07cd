"""Notebooks as pages: the Markdown of a notebook that was run, with its pictures as files.

Knows nothing about MkDocs.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
NOTEBOOKS = ROOT / "notebooks"


def notebook_pages() -> dict[str, str | bytes]:
    """A page of each notebook, and its pictures; by path."""
    pages: dict[str, str | bytes] = {}
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        text, pictures = page_of(path)
        pages[f"notebooks/{path.stem}.md"] = text
        pages |= {f"notebooks/{name}": content for name, content in pictures.items()}
    return pages


def title_of(page: str) -> str:
    """The page's first heading."""
    return next(line.removeprefix("# ").strip() for line in page.splitlines() if line.startswith("# "))


def page_of(path: Path) -> tuple[str, dict[str, bytes]]:
    """A notebook's Markdown, and its pictures by file name."""
    parts, pictures = [], {}
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        elif cell["cell_type"] == "code" and source.strip():
            parts.append(f"```python\n{source}\n```")
            for place, output in enumerate(cell["outputs"]):
                shown, picture = _shown(output, f"{path.stem}-{number}-{place}")
                parts.append(shown)
                pictures |= picture
    return "\n\n".join(part for part in parts if part) + "\n", pictures


def _shown(output: dict[str, Any], name: str) -> tuple[str, dict[str, bytes]]:
    """One output: its picture if it has one, else its text."""
    data = output.get("data", {})
    for suffix in ("jpeg", "png"):
        if f"image/{suffix}" in data:
            content = base64.b64decode("".join(data[f"image/{suffix}"]))
            return f"![Output of the cell above]({name}.{suffix})", {f"{name}.{suffix}": content}
    text = "".join(output.get("text", data.get("text/plain", ""))).rstrip()
    return (f"```text\n{text}\n```" if text else ""), {}
