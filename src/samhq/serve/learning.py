"""A training run beside the server: starts `samhq train` as a child process, reads its progress, and ends it.

Knows nothing of projects or routes.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, get_args

from samhq.extras import missing_package
from samhq.serve.faults import Fault
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import NUMBER, Fields
from samhq.training.journal import LOG
from samhq.training.plan import Unit

_KEPT_LINES = 200
_SHOWN_LINES = 20
_SECONDS = 10.0  #: Time that a run has to save its state when the server ends.
_ROW = Fields({}, {"step": NUMBER} | dict.fromkeys(get_args(Unit), NUMBER))


class LearningRun:
    """A child process that trains, with lower priority than the server; it does not outlive the server.

    `command` writes its checkpoints and its log into `output`, and lasts `length` in `unit`. `ended` is done when the
    process has ended.
    """

    def __init__(self, command: Sequence[str], output: Path, length: float, unit: Unit = "epochs") -> None:
        self.output, self.length, self.unit = output, length, unit
        self.ended: Future[None] = Future()
        self._began = time.monotonic()
        self._seconds: float | None = None
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._cancelled = False
        self._process = subprocess.Popen(
            [*_nice(), *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl+C ends the server, and the server then ends the run in order
        )
        self._reader = threading.Thread(target=self._read, name="samhq-learning", daemon=True)
        self._reader.start()

    @property
    def state(self) -> str:
        """ "running", "stopping", "done", "failed" or "cancelled"."""
        code = self._process.poll()
        if code is None:
            return "stopping" if self._cancelled else "running"
        if self._cancelled:
            return "cancelled"
        return "failed" if code else "done"

    def about(self) -> dict[str, Any]:
        """The progress of the run, its last lines, and its weights if there are any."""
        state, weights = self.state, weights_of(self.output)
        rows = JsonLines(self.output / LOG, _ROW).intact()
        spent = max((row.get(self.unit) or 0.0 for row in rows), default=0.0)
        return {
            "state": state,
            "name": self.output.name,
            "seconds": round(self._seconds or time.monotonic() - self._began, 1),
            "fraction": 1.0 if state == "done" else min(spent / self.length, 1.0),
            "step": int(max((row.get("step") or 0 for row in rows), default=0)),
            "lines": list(self._lines)[-_SHOWN_LINES:],
            "output": str(self.output),
            "best": None if weights is None else str(weights),
        }

    def cancel(self) -> None:
        """Asks the run to save its state and end; a second time, and on Windows, it ends at once."""
        if self._process.poll() is not None:
            return
        if self._cancelled or os.name == "nt":
            self._process.terminate()
        else:
            self._process.send_signal(signal.SIGINT)
        self._cancelled = True

    def close(self) -> None:
        """Ends the run, if it still runs, and waits for it."""
        self.cancel()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_SECONDS)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join(_SECONDS)

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stream:
            self._lines.extend(line.rstrip("\n") for line in stream)
        self._process.wait()
        self._seconds = time.monotonic() - self._began
        self.ended.set_result(None)


def weights_of(output: Path) -> Path | None:
    """The weights that a run wrote: the best ones if it was validated, else the last; None if there are none yet."""
    files = (output / f"{name}.safetensors" for name in ("best", "last"))
    return next((file for file in files if file.is_file()), None)


class LearningRuns:
    """The runs of a server, at most one at a time."""

    def __init__(self) -> None:
        self._run: LearningRun | None = None
        self._lock = threading.Lock()

    def check_free(self) -> None:
        """Checks that a run can be started.

        Raises:
            Fault: one is running.
            MissingExtraError: the packages for training are not installed.
        """
        if self._run is not None and self._run.state in ("running", "stopping"):
            raise Fault(409, "Expected no training run, got one that is running. Wait for its end, or cancel it.")
        check_packages()

    @property
    def newest(self) -> LearningRun | None:
        """The newest run, if there was one."""
        return self._run

    def start(self, arguments: Sequence[str], output: Path, length: float, unit: Unit = "epochs") -> LearningRun:
        """Starts `samhq` with these arguments; the run lasts `length` in `unit`.

        Raises:
            Fault, MissingExtraError: as `check_free`.
        """
        with self._lock:
            self.check_free()
            command = [sys.executable, "-m", "samhq", *arguments, "--log-steps", "1"]
            self._run = LearningRun(command, output, length, unit)
            return self._run

    def about(self) -> dict[str, Any]:
        """The newest run; its state is "none" where there was none."""
        return {"state": "none"} if self._run is None else self._run.about()

    def cancel(self) -> None:
        """Ends the run in order."""
        if self._run is not None:
            self._run.cancel()

    def close(self) -> None:
        """Ends the run, and waits for it."""
        if self._run is not None:
            self._run.close()


def check_packages() -> None:
    """Checks that the packages for training are installed.

    Raises:
        MissingExtraError: they are not.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise missing_package("accelerate", "train", "training")


def _nice() -> list[str]:
    """The start of a command that gives it a lower priority, so that labelling stays fast."""
    nice = shutil.which("nice") if os.name != "nt" else None
    return [nice, "-n", "10"] if nice else []
