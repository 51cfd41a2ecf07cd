"""The house keeps its shape: read from the source text, so a lazy import counts as much as one at the top."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import jaxtyping
import pytest

SOURCE = Path(__file__).parents[1] / "src"
#: Each folder, or file beside the folders, and its floor. Imports go down, or stay in the folder; floor 0 is one.
FLOORS = {
    "errors": 0,
    "config": 0,
    "encoder_config": 0,
    "types": 0,
    "operations": 0,
    "shapes": 0,
    "device": 0,
    "extras": 0,
    "options": 0,
    "plural": 0,
    "progress": 0,
    "allocation": 0,
    "threads": 0,
    "garbage": 0,
    "other_names": 0,
    "other_arguments": 0,
    "storage": 0,
    "image": 1,
    "model": 1,
    "masks": 2,
    "checkpoint": 2,
    "results": 3,
    "text": 4,
    "inference": 5,
    "formats": 4,
    "datasets": 5,
    "video": 6,
    "evaluation": 6,
    "runtime": 6,
    "compat": 7,
    "speed": 7,
    "onnx": 7,
    "export": 7,
    "training": 7,
    "batch": 7,
    "serve": 8,
    "integrations": 8,
    "cli": 9,
    "__main__": 10,
}
NAMELESS = {"utils", "util", "common", "misc", "helpers", "helper", "core", "base"}
LINES = 450
#: Heavy or optional: imported where they are used, so that everything else works and starts without them.
LATE = {"cv2", "pycocotools", "huggingface_hub", "tqdm", "skimage", "matplotlib", "accelerate", "tensorboard"}
LATE |= {"litert_torch", "litert_converter", "tensorflow"}
LATE |= {"onnx", "onnxruntime", "onnxscript", "openvino", "transformers", "yaml", "av"}
LATE |= {"fastapi", "starlette", "uvicorn", "pydantic", "cvat_sdk"}
LATE |= {"fsspec", "pyarrow", "ray", "s3fs"}
#: Drawing scenes is OpenCV from end to end, the server is FastAPI: other files import these late.
AT_HOME = {"samhq.datasets.drawn": {"cv2"}, "samhq.training.compose": {"cv2"}}
AT_HOME |= {"samhq.serve": {"fastapi", "starlette", "uvicorn", "pydantic"}}
AT_HOME |= {"samhq.serve.label_studio": AT_HOME["samhq.serve"]}
#: Rooms that work where torch is not installed.
WITHOUT_TORCH = {"storage", "masks", "results", "formats", "runtime"}
FORBIDDEN = {"torchvision", "timm", "transformers", "segment_anything", "segment_anything_hq", "mobile_sam"}
#: Detectors are transformers' networks; nothing else here runs on it.
ALLOWED = {"samhq.text": {"transformers"}}
SHAPED = {name for name in dir(jaxtyping) if isinstance(getattr(jaxtyping, name), type)} | {"Float", "Bool", "Shaped"}

FILES = sorted((SOURCE / "samhq").rglob("*.py"))


def module_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_of(file): file for file in FILES}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports(module: str, *, body: list[ast.stmt] | None = None) -> set[str]:
    """Every module that this one names in an import, in functions too; `body` takes the place of its statements."""
    found = set()
    for node in ast.walk(ast.Module(tree(module).body if body is None else body, [])):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} line {node.lineno}: imports are absolute"
            source = node.module or ""
            for alias in node.names:
                name = f"{source}.{alias.name}"
                found.add(name if name in MODULES else source)
    return found


def names_in_strings(module: str) -> set[str]:
    """The modules that a string names, alone (`"samhq.errors"`) or with an attribute (`"samhq.speed.ours:Ours"`)."""
    strings = {node.value for node in ast.walk(tree(module)) if isinstance(node, ast.Constant)}
    found = {s.split(":")[0] for s in strings if isinstance(s, str) and re.fullmatch(r"samhq(\.\w+)+(:\w+)?", s)}
    return {name if name in MODULES else name.rpartition(".")[0] for name in found} & set(MODULES)


def without_types(statements: list[ast.stmt]) -> list[ast.stmt]:
    """A file's statements but for what only a type checker reads."""
    return [s for s in statements if not (isinstance(s, ast.If) and ast.unparse(s.test) == "TYPE_CHECKING")]


def at_start(module: str) -> list[ast.stmt]:
    """What runs when the file is imported, to the point: no functions, and no methods of classes."""
    statements = without_types(tree(module).body)
    return [s for s in statements if not isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)]


def inside(module: str) -> set[str]:
    """The modules of samhq that this one names: in imports, in imports for type checkers only, and in strings."""
    own = {name for name in imports(module) if name.split(".")[0] == "samhq"}
    return (own | names_in_strings(module)) - {module}


def folder(module: str) -> str:
    return module.split(".")[1]


BELOW = [module for module in MODULES if module != "samhq"]


def test_the_source_is_found() -> None:
    assert {"samhq", "samhq.errors", "samhq.model.sam", "samhq.image.frame"} <= set(MODULES)
    assert "samhq.model.mask_decoder" in imports("samhq.model.sam")


def test_imports_for_type_checkers_and_names_in_strings_count() -> None:
    checked = imports("samhq.batch.settings", body=without_types(tree("samhq.batch.settings").body))
    assert "samhq.runtime" in inside("samhq.batch.settings") - checked
    assert "samhq.speed.ours" in names_in_strings("samhq.speed.worker")


def test_every_folder_has_a_floor() -> None:
    assert {folder(module) for module in BELOW} <= set(FLOORS)


@pytest.mark.parametrize("module", BELOW)
def test_imports_go_down(module: str) -> None:
    here = folder(module)
    for name in inside(module):
        assert name in MODULES, f"{module} imports {name}, which is no module"
        assert name != "samhq", f"{module} imports the public names; import from the module that has them"
        there = folder(name)
        allowed = there == here or FLOORS[there] < max(FLOORS[here], 1)
        assert allowed, f"{module} (floor {FLOORS[here]}) imports {name} (floor {FLOORS[there]})"


def test_there_are_no_circles() -> None:
    try:
        TopologicalSorter({module: inside(module) & set(MODULES) for module in BELOW}).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("module", BELOW)
def test_nobody_inside_imports_a_face(module: str) -> None:
    if folder(module) != "compat":
        assert not {name for name in inside(module) if name.startswith("samhq.compat")}
    face = module.split(".")[2:3]
    other = {name for name in inside(module) if name.startswith("samhq.compat.") and name.split(".")[2:3] != face}
    assert not other, f"{module} imports another face: {other}"


def test_the_public_names_are_only_looked_up() -> None:
    """`samhq/__init__.py` defines nothing but the look-up itself."""
    for node in tree("samhq").body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            assert node.name in ("__getattr__", "__dir__")
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            assert all(isinstance(target, ast.Name) and target.id.startswith("_") for target in targets)


@pytest.mark.parametrize("statement", ["import samhq", "import samhq; dir(samhq)", "import samhq.config, samhq.errors"])
def test_the_package_is_light_to_import(statement: str) -> None:
    heavy = ("torch", "numpy", "PIL", "cv2", "huggingface_hub", "jaxtyping")
    code = f"import sys; {statement}; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", MODULES)
def test_files_are_named_and_short(module: str) -> None:
    assert not NAMELESS & set(module.split("."))
    assert len(MODULES[module].read_text(encoding="utf-8").splitlines()) < LINES


@pytest.mark.parametrize("module", MODULES)
def test_what_is_heavy_or_optional_is_imported_late(module: str) -> None:
    assert FORBIDDEN & {name.split(".")[0] for name in imports(module)} <= ALLOWED.get(module.rpartition(".")[0], set())
    late = LATE & {name.split(".")[0] for name in imports(module, body=at_start(module))}
    assert late <= AT_HOME.get(module, AT_HOME.get(module.rpartition(".")[0], set()))


def test_some_rooms_need_no_torch() -> None:
    rooms = sorted(module for module in BELOW if folder(module) in WITHOUT_TORCH)
    for module in rooms:
        assert not {"torch", "jaxtyping"} & {name.split(".")[0] for name in imports(module)}, module
    absent = "import sys; sys.modules |= dict.fromkeys(['torch', 'jaxtyping'])"
    code = f"{absent}; from importlib import import_module; [import_module(name) for name in {rooms!r}]"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("module", MODULES)
def test_shapes_are_strings(module: str) -> None:
    """`Float[Tensor, P]` without quotes is checked by nobody; a lone letter is written `" P"` to keep them."""
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in SHAPED:
            shape = node.slice.elts[1] if isinstance(node.slice, ast.Tuple) and len(node.slice.elts) == 2 else None
            assert isinstance(shape, ast.Constant), f"{module} line {node.lineno}: {ast.unparse(node)}"
            assert isinstance(shape.value, str)


def test_two_public_classes_never_share_a_name() -> None:
    """Only the interfaces of other libraries may: their names are those that people know."""
    places: dict[str, list[str]] = {}
    for module in MODULES:
        if not module.startswith("samhq.compat."):
            for node in tree(module).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places.setdefault(node.name, []).append(module)
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


#: Why two public functions may share a name.
COMMAND = "a command of the command line has the name of what it does, as the function for other programs has"
ADDRESS = "an address of the server has the name of what it does"
ROW = "a function of each kind of encoder, in one table"
PROGRAM = "where a program starts"
SHARED = {
    **dict.fromkeys(("convert", "detect", "evaluate", "export", "train", "write"), COMMAND),
    **dict.fromkeys(("decode", "encode", "health", "info", "redo", "state", "undo", "upload"), ADDRESS),
    **dict.fromkeys(("keywords", "recognise"), ROW),
    "main": PROGRAM,
}


def public_functions() -> dict[str, set[str]]:
    """The modules of each public function's name; overloads of one function count once."""
    places: dict[str, set[str]] = {}
    for module in MODULES:
        for node in tree(module).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                places.setdefault(node.name, set()).add(module)
    return places


def test_two_public_functions_share_a_name_only_for_a_reason() -> None:
    shared = {name: where for name, where in public_functions().items() if len(where) > 1}
    assert {name: sorted(where) for name, where in shared.items() if name not in SHARED} == {}
    assert set(SHARED) == set(shared), "names that are no longer shared"
    for name, where in shared.items():
        if SHARED[name] == COMMAND:
            assert f"samhq.cli.{name}" in where
        elif SHARED[name] == ADDRESS:
            assert any(module.startswith("samhq.serve.") for module in where)
        elif SHARED[name] == ROW:
            assert all(module.startswith("samhq.model.encoders.") for module in where)


PAGE = (SOURCE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")


def rows_below(title: str) -> list[list[str]]:
    """The cells of the tables in a section of the page ARCHITECTURE.md, without their heads."""
    section = PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines() if line[:1] == "|"]
    return rows[2:]


def test_the_page_has_every_floor() -> None:
    said = {
        name.rstrip("/"): int(row[0].split()[0])
        for row in rows_below("Floors")
        for name in re.findall(r"`([\w/]+)`", row[1])
    }
    entries = {"onnx", "__main__"}  # an old address of `runtime/`, and the start of the program
    assert said == {name: floor for name, floor in FLOORS.items() if name not in entries}


@pytest.mark.parametrize("row", rows_below("One guess"), ids=lambda row: row[0][:40])
def test_what_the_page_says_is_where_it_says(row: list[str]) -> None:
    for path in re.findall(r"`([\w/]+(?:\.py|/))`", row[1]):
        assert (SOURCE / "samhq" / path).exists(), path
    for names, path in re.findall(r"((?:`[\w.]+`(?:, | and )?)+) in `([\w/]+\.py)`", row[1]):
        text = (SOURCE / "samhq" / path).read_text(encoding="utf-8")
        for name in re.findall(r"`([\w.]+)`", names):
            assert re.search(rf"\b{name.rpartition('.')[2]}\b", text), f"{name} in {path}"
