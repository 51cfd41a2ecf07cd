"""Every example runs as a user runs it and writes what it says; none needs a module of one system alone."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
#: Modules and functions that only some systems have.
NOT_EVERYWHERE = {"resource", "fcntl", "pwd", "grp", "termios", "fork", "forkpty", "mkfifo", "SIGKILL", "getrusage"}


def run(name: str, folder: Path, *arguments: str) -> str:
    """What the example printed."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, FOLDER / f"{name}.py", "--output", "made here", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs_on_every_system(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not names & NOT_EVERYWHERE
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not [text for text in texts if text.startswith(("/tmp", "/home", "/dev", "C:"))]
    assert ast.unparse(tree.body[-1]).startswith("if __name__ == '__main__'"), "workers would start it again"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_it_is_listed_with_the_command_that_runs_it(path: Path) -> None:
    assert f"python examples/{path.name}" in ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert f"]({path.name})" in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_clicks_and_boxes(tmp_path: Path) -> None:
    printed = run("segment", tmp_path)
    assert [line.split(":")[0] for line in printed.splitlines()[:3]] == ["cup", "spoon", "saucer"]
    assert all(Path(tmp_path, line).is_file() for line in printed.splitlines()[3:])


@pytest.mark.slow
def test_everything(tmp_path: Path) -> None:
    run("everything", tmp_path, "--points-per-side", "6")
    (coco,) = (tmp_path / "made here" / "coco").rglob("*.json")
    assert json.loads(coco.read_text(encoding="utf-8"))["annotations"]


def test_boxes_from_a_file(tmp_path: Path) -> None:
    assert [line.split(":")[0] for line in run("boxes_from_file", tmp_path).splitlines()[:2]] == ["cup", "spoon"]
    assert list((tmp_path / "made here" / "yolo").rglob("*.txt"))


def test_a_video(tmp_path: Path) -> None:
    assert run("video", tmp_path, "--frames", "2").count("pixels of cup") == 2
    assert Image.open(tmp_path / "made here" / "001.png").size == (420, 340)


@pytest.mark.slow
def test_evaluation(tmp_path: Path) -> None:
    printed = run("evaluate", tmp_path)
    assert printed.count("| starter | box") == 2
    assert "The worst: object" in printed


def test_a_job_over_many_pictures(tmp_path: Path) -> None:
    printed = run("many_pictures", tmp_path)
    assert "first run: 3 done, 0 skipped, 0 failed" in printed
    assert "second run: 0 done, 3 skipped, 0 failed" in printed


@pytest.mark.slow
def test_without_torch(tmp_path: Path) -> None:
    pytest.importorskip("onnxscript")
    assert "torch imported: False" in run("without_torch", tmp_path)
    mask = np.asarray(Image.open(tmp_path / "made here" / "mask.png"))
    assert mask.shape == (400, 600)
    assert mask[110, 290]
    assert not mask[390, 10]


def test_a_client_of_the_server(tmp_path: Path) -> None:
    pytest.importorskip("fastapi")
    assert run("serve_client", tmp_path).count("predicted IoU") == 2
    written = json.loads((tmp_path / "made here" / "labels.json").read_text(encoding="utf-8"))
    assert len(written["annotations"]) == 2
    assert {"cup", "spoon"} <= {category["name"] for category in written["categories"]}


@pytest.mark.slow
def test_the_demo(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    assert run("demo", tmp_path).count("predicted IoU") == 3
    assert (tmp_path / "made here" / "overview.jpg").is_file()


@pytest.mark.slow
def test_fine_tuning(tmp_path: Path) -> None:
    pytest.importorskip("accelerate")
    assert "is the tuned model" in run("finetune_coco", tmp_path, "--pictures", "5", "--epochs", "1")
