"""The wheel and the sdist: built, installed into an environment of their own with declared dependencies, used there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import samhq

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SAMPLE_BOX = "326,200,407,326"
#: What only the extras bring. None may be there, so that what works in the environment works without them.
UNDECLARED = {"torchvision", "timm", "transformers", "opencv-python-headless", "fastapi", "onnx", "rasterio", "pytest"}
#: Imports every module of the package, and prints which failed and why.
IMPORT_ALL = """
import importlib, json, pkgutil, samhq
failed = {}
for module in pkgutil.walk_packages(samhq.__path__, "samhq."):
    if not module.name.endswith("__main__"):
        try:
            importlib.import_module(module.name)
        except ImportError as error:
            failed[module.name] = f"{type(error).__name__}: {error}"
print(json.dumps(failed))
"""


class Environment:
    """A virtual environment, away from this checkout and its packages."""

    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        self.scripts = folder / ("Scripts" if os.name == "nt" else "bin")

    def run(self, *words: object, cwd: Path, code: int = 0) -> str:
        """What a program of the environment printed; its exit code must be `code`."""
        environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        environment |= {"HF_HUB_OFFLINE": "1", "PYTHONIOENCODING": "utf-8"}
        program, *arguments = map(str, words)
        done = subprocess.run(
            [self.scripts / program, *arguments],
            cwd=cwd,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == code, f"{words}\n{done.stdout}\n{done.stderr}"
        return done.stdout if code == 0 else done.stderr

    def install(self, archive: Path, *flags: object) -> None:
        self.run("python", "-m", "pip", "install", "--quiet", "--no-compile", *flags, archive, cwd=archive.parent)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the sdist, and the sdist."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "build", "--outdir", folder, ROOT], check=True, capture_output=True)
    return next(folder.glob("*.whl")), next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def installed(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    environment = Environment(tmp_path_factory.mktemp("clean") / "venv")
    environment.install(archives[0], "--constraint", ROOT / "constraints.txt")
    return environment


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(archives: tuple[Path, Path]) -> None:
    source = ROOT / "src"
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "src"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    expected = {str(Path(name).relative_to("src").as_posix()) for name in tracked}
    with zipfile.ZipFile(archives[0]) as wheel:
        packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
        assert packed == expected
        for name in ("samhq/weights/starter.safetensors", "samhq/serve/static/index.html"):
            assert wheel.read(name) == (source / name).read_bytes()


def test_the_sdist_holds_what_explains_it_and_no_tests(archives: tuple[Path, Path]) -> None:
    with tarfile.open(archives[1]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"LICENSE", "NOTICE", "README.md", "CHANGELOG.md", "CITATION.cff", "SECURITY.md"} <= names
    assert not [name for name in names if name.startswith(("tests", "docs", "web"))]


def test_only_declared_packages_are_there_and_they_agree(installed: Environment, tmp_path: Path) -> None:
    listed = json.loads(installed.run("python", "-m", "pip", "list", "--format", "json", cwd=tmp_path))
    assert not {entry["name"].lower() for entry in listed} & UNDECLARED
    installed.run("python", "-m", "pip", "check", cwd=tmp_path)


def test_every_module_imports_or_names_its_extra(installed: Environment, tmp_path: Path) -> None:
    """A module that needs an extra says so with the package's name; an undeclared import would show here."""
    failed = json.loads(installed.run("python", "-c", IMPORT_ALL, cwd=tmp_path).splitlines()[-1])
    extras = ("accelerate", "cv2", "fastapi", "starlette", "onnx", "transformers", "uvicorn", "pydantic")
    wrong = {name: why for name, why in failed.items() if not any(f"'{extra}" in why for extra in extras)}
    assert {name: why for name, why in wrong.items() if not why.startswith("MissingExtraError")} == {}
    assert not [name for name in failed if name.startswith(("samhq.inference", "samhq.model", "samhq.cli"))]


def test_it_segments_the_sample_picture_as_this_checkout_does(installed: Environment, tmp_path: Path) -> None:
    assert installed.run("samhq", "--version", cwd=tmp_path) == installed.run(
        "python", "-m", "samhq", "--version", cwd=tmp_path
    )
    installed.run("samhq", "sample", cwd=tmp_path)
    installed.run("samhq", "segment", "photo.jpg", "--box", SAMPLE_BOX, "--output", "out", cwd=tmp_path)
    (file,) = [path for path in (tmp_path / "out").rglob("*.png") if "overlay" not in path.stem]
    mask = np.asarray(Image.open(file)) > 0
    expected = samhq.load().segment(tmp_path / "photo.jpg", box=[326, 200, 407, 326]).masks[0]
    assert (mask & expected).sum() / (mask | expected).sum() > 0.98
    installed.run("samhq", "write", "out", "--format", "coco", "--output", "data", cwd=tmp_path)
    assert list((tmp_path / "data").rglob("*.json"))


def test_what_needs_an_extra_says_which(installed: Environment, tmp_path: Path) -> None:
    said = installed.run("samhq", "serve", ".", cwd=tmp_path, code=2)
    assert "samhq[serve]" in said
    assert "Traceback" not in said


def test_the_sdist_installs_too(archives: tuple[Path, Path], installed: Environment, tmp_path: Path) -> None:
    installed.run("python", "-m", "pip", "uninstall", "--quiet", "--yes", "samhq", cwd=tmp_path)
    installed.install(archives[1], "--no-deps")
    installed.run("samhq", "sample", cwd=tmp_path)
    installed.run("samhq", "segment", "photo.jpg", "--box", SAMPLE_BOX, "--output", "out", cwd=tmp_path)
