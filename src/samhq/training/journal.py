"""The log of a run: lines for people, lines of JSON, a picture of its curves, scalars for TensorBoard.

Knows nothing about networks or data.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from samhq.evaluation.result import as_json
from samhq.extras import missing_package
from samhq.storage.atomic import whole_file
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import NUMBER, Fields
from samhq.training.curves import CURVES, curves_svg

LOG = "log.jsonl"  #: In a run's folder: one line of JSON for each printed line.
_ROW = Fields({}, {"step": NUMBER})
BOARD = "tensorboard"  #: In a run's folder.


class TrainingLog:
    """Means over several steps and scores of validations; `say` prints a line; without a folder no files are written.

    A resumed run appends. Lines of steps beyond `step`, which a killed run took after its last saved state, are
    removed.

    Raises:
        MissingExtraError: `board` is True, and TensorBoard is not installed.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        every: int,
        step: int = 0,
        board: bool | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        self._every, self._say = every, say
        self._folder = folder
        self._log = None if folder is None else _open_log(folder, step)
        self._rows: list[Mapping[str, float]] = []
        self._place: Mapping[str, Any] = {}
        self._since, self._images = time.monotonic(), 0
        self._board = None if folder is None else _open_board(folder / BOARD, board, step)

    def __enter__(self) -> TrainingLog:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self.catch_up()
        if error is None:
            self._draw()
        if self._board is not None:
            self._board.close()

    def step(self, place: Mapping[str, Any], parts: Mapping[str, float], images: int) -> None:
        """Adds a step; after every few steps writes a line with their means. `place` has "step"."""
        self._rows.append(parts)
        self._images += images
        self._place = place
        if not place["step"] % self._every:
            self.catch_up()

    def catch_up(self) -> None:
        """Writes a line about the steps since the last one, if there are any: before a validation, and at the end."""
        if not self._rows:
            return
        names = dict.fromkeys(name for row in self._rows for name in row)
        means = {name: _mean([row[name] for row in self._rows if name in row]) for name in names}
        now = time.monotonic()
        self._write({**self._place, "images_s": self._images / (now - self._since), **means})
        self._rows, self._since, self._images = [], now, 0

    def scores(self, step: int, scores: Mapping[str, float], note: str = "") -> None:
        """Writes a validation's result."""
        self._write({"step": step, "scores": dict(scores)}, shown=scores, note=note)
        self._draw()

    def _draw(self) -> None:
        """Draws the curves of the whole log again."""
        if self._folder is None or self._log is None:
            return
        with whole_file(self._folder / CURVES) as part:
            part.write_text(curves_svg(self._log.intact()), encoding="utf-8")

    def restart_clock(self) -> None:
        """Leaves the time until now out of the steps' time: a validation or a checkpoint took it."""
        self._since, self._images = time.monotonic(), 0

    def _write(self, row: Mapping[str, Any], shown: Mapping[str, Any] | None = None, note: str = "") -> None:
        if self._log is not None:
            self._log.append(as_json(row))
        words = row if shown is None else {"step": row["step"], "validation": note or "", **shown}
        self._say("  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in words.items()))
        if self._board is not None:
            for name, value in (shown or row).items():
                if isinstance(value, int | float) and name != "step":
                    group = "train" if shown is None else "validation"
                    self._board.add_scalar(f"{group}/{name}", value, row["step"])


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _open_log(folder: Path, step: int) -> JsonLines:
    """The log of a folder with the lines of an earlier run up to this step; step 0 starts a new one."""
    log = JsonLines(folder / LOG, _ROW)
    log.replace([row for row in log.intact() if _is_up_to(row, step)] if step else [])
    return log


def _is_up_to(row: dict[str, Any], step: int) -> bool:
    """Whether a line is of this step or an earlier one; a line with a damaged step is not."""
    value = row.get("step", 0)
    return isinstance(value, int | float) and value <= step


def _open_board(folder: Path, requested: bool | None, step: int) -> Any:
    installed = importlib.util.find_spec("tensorboard") is not None
    if requested and not installed:
        raise missing_package("tensorboard", "train", "scalars in TensorBoard")
    if requested is False or not installed:
        return None
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder), purge_step=step + 1 if step else None)
