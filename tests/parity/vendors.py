"""Other tools' own packages, each in an environment of its own, because their pinned versions clash with ours.

label-studio-sdk wants opencv-python-headless below 4.13, supervisely wants opencv-python, another Pillow, FastAPI and
starlette. An environment is made once, in the folder that SAMHQ_VENDORS names, by default in the user's cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

_FOLDER = Path(os.environ.get("SAMHQ_VENDORS") or Path.home() / ".cache" / "samhq-vendors")
_SECONDS = 900  #: for an installation on a busy machine


def vendor_python(requirement: str) -> Path:
    """The Python that has a package, such as "supervisely==6.74.51". Skips the test where it cannot be installed."""
    folder = _FOLDER / f"{requirement}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    done = folder / "installed"
    if not done.exists():
        venv.create(folder, with_pip=True, clear=True)
        command = [str(python), "-m", "pip", "install", "--quiet", requirement]
        installed = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
        if installed.returncode:
            pytest.skip(f"{requirement} cannot be installed here: {installed.stderr.strip().splitlines()[-1]}")
        done.touch()
    return python


def answer_of(python: Path, program: str, question: Any) -> Any:
    """What a program prints, JSON on its last line, for a question that it reads as JSON from its input."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(python), "-c", program],
        input=json.dumps(question),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])
