"""Pages made when the site is built: of commands, of groups of public names, and of files of the repository.

Gives Markdown by the page's path; knows nothing about MkDocs.
"""

from __future__ import annotations

import ast
import inspect
import re
from importlib import import_module
from pathlib import Path

import samhq
from samhq.cli.main import app

ROOT = Path(__file__).parents[2]

#: Files of the repository that are pages of the site too.
COPIED = {
    "explanation/architecture.md": "ARCHITECTURE.md",
    "reference/changes.md": "CHANGELOG.md",
    "reference/contributing.md": "CONTRIBUTING.md",
    "notebooks/index.md": "notebooks/README.md",
    "examples/index.md": "examples/README.md",
}

#: Groups of public names: page, title, first sentence, and the modules whose names belong there; the longest counts.
GROUPS = (
    ("segmenting", "Segmenting", "Load a model, encode pictures, and get masks.", ("samhq.inference",)),
    ("results", "Prompts and results", "What goes in and what comes out.", ("samhq.results", "samhq.formats")),
    (
        "text",
        "Objects by name",
        "Detectors, examples and searches.",
        ("samhq.text", "samhq.inference.by_text", "samhq.results.detections"),
    ),
    ("video", "Videos", "Objects followed through frames.", ("samhq.video",)),
    ("pictures", "Pictures", "Files, bands and the sample picture.", ("samhq.image",)),
    ("training", "Training", "Teach a model on your own pictures.", ("samhq.training",)),
    (
        "evaluation",
        "Data and evaluation",
        "Data sets, and how well a model does on them.",
        ("samhq.evaluation", "samhq.datasets"),
    ),
    (
        "segment-anything",
        "segment-anything's interface",
        "The names of segment-anything and SAM-HQ.",
        ("samhq.compat.segment_anything",),
    ),
    ("sam2", "SAM 2's interface", "The names of SAM 2 and HQ-SAM 2.", ("samhq.compat.sam2",)),
    ("transformers", "transformers' interface", "The names of transformers.", ("samhq.compat.transformers",)),
    (
        "runtime",
        "Without torch",
        "Exported models in ONNX Runtime or OpenVINO; import these from `samhq.runtime`.",
        ("samhq.runtime",),
    ),
    ("errors", "Errors", "Every error that samhq raises on purpose.", ("samhq.errors",)),
)

#: Names that people use and that are not in `samhq` itself, because that would import more than they need.
BESIDE = {"OnnxPredictor": "samhq.runtime", "OnnxSegmenter": "samhq.runtime"}


def copied_pages() -> dict[str, str]:
    """The repository's own pages, as they are."""
    return {page: (ROOT / source).read_text(encoding="utf-8") for page, source in COPIED.items()}


def example_pages() -> dict[str, str]:
    """A page of each example: what it says about itself, and its code."""
    pages = {}
    for path in sorted((ROOT / "examples").glob("*.py")):
        code = path.read_text(encoding="utf-8")
        said = (ast.get_docstring(ast.parse(code)) or "").splitlines()[0]
        pages[f"examples/{path.stem}.md"] = f"# {path.name}\n\n{said}\n\n```python\n{code}```\n"
    return pages


def command_pages() -> dict[str, str]:
    """A page of each command from what its `--help` says, and a first page that lists them."""
    whole = app.generate_docs(output_format="markdown", usage_name="samhq")
    # Usage lines of subcommands name the module that runs: `samhq data check -m mkdocs`.
    whole = re.sub(r"^(samhq \w+ \w+) -m \S+", r"\1", whole, flags=re.MULTILINE)
    parts = re.split(r"^## samhq ", whole, flags=re.MULTILINE)
    parts = [part for part in parts if not part.startswith("--")]
    pages = {}
    for part in parts[1:]:
        name, text = part.split("\n", 1)
        pages[f"reference/commands/{name.strip()}.md"] = f"# samhq {name.strip()}\n{_deeper(text)}"
    links = "\n".join(
        f"| [`samhq {Path(page).stem}`](commands/{Path(page).name}) | {_summary(text)} |"
        for page, text in pages.items()
    )
    first = (
        "# Command line\n\nThese pages are made from what `samhq COMMAND --help` prints. "
        "`python -m samhq` does the same as `samhq`. "
        "`samhq --install-completion` installs completion for bash, zsh and fish.\n\n"
        f"| command | what it does |\n|---|---|\n{links}\n\n"
        "Exit code 0: all done; 1: failed in part; 2: wrong use; 130: interrupted.\n"
    )
    return {"reference/commands.md": first, **pages}


def _deeper(text: str) -> str:
    """Subcommands (`### samhq data check`) become sections, and bold headings too."""
    text = re.sub(r"^### samhq ", "## samhq ", text, flags=re.MULTILINE)
    return re.sub(r"^\*\*(Arguments|Parameters|Commands)\*\*:", r"**\1**", text, flags=re.MULTILINE)


def _summary(text: str) -> str:
    """The first line of prose, after the title and the usage."""
    prose = re.sub(r"```.*?```", "", text.split("\n", 1)[1], flags=re.DOTALL).strip()
    return prose.splitlines()[0]


def group_of(module: str) -> str:
    """The page that names of a module belong to.

    Raises:
        LookupError: no group has it.
    """
    found = [(prefix, page) for page, _, _, prefixes in GROUPS for prefix in prefixes]
    matching = [(len(prefix), page) for prefix, page in found if f"{module}.".startswith(f"{prefix}.")]
    if not matching:
        raise LookupError(f"Expected a group of docs/_site/made_pages.py for {module}, got none. Add one.")
    return max(matching)[1]


def python_pages() -> dict[str, str]:
    """A page of each group of public names, for mkdocstrings to fill, and a first page that lists them."""
    names: dict[str, list[tuple[str, str]]] = {page: [] for page, *_ in GROUPS}
    for name, module in sorted({**samhq._WHERE, **BESIDE}.items()):
        names[group_of(module)].append((name, module))
    pages, rows = {}, []
    for page, title, sentence, _ in GROUPS:
        places = "\n\n".join(_entry(name, module) for name, module in names[page])
        pages[f"reference/python/{page}.md"] = f"# {title}\n\n{sentence}\n\n{places}\n"
        shown = ", ".join(f"[`{name}`](python/{page}.md#{module}.{name})" for name, module in names[page])
        rows.append(f"| [{title}](python/{page}.md) | {shown} |")
    table = "\n".join(rows)
    first = f"# Python\n\nImport every name from `samhq`, if nothing else is said.\n\n| | names |\n|---|---|\n{table}\n"
    return {"reference/python.md": first, **pages}


def _entry(name: str, module: str) -> str:
    """The entry of a name: mkdocstrings reads it from the source, but names made by a call are not there to read."""
    value = getattr(import_module(module), name)
    if inspect.isclass(value) or (inspect.isfunction(value) and value.__code__.co_name == name):
        return f"::: {module}.{name}"
    heading = f"## `{name}` {{ #{module}.{name} }}"
    if isinstance(value, dict):
        return f"{heading}\n\nA registry of builders by name: {', '.join(f'`{key}`' for key in value)}."
    return f"{heading}\n\n```python\n{name}(checkpoint=None)\n```\n\n{inspect.getdoc(value)}"
