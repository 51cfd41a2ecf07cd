from __future__ import annotations

import subprocess
import sys


def test_a_process_that_fails_while_pictures_are_drawn_ahead_ends():
    """The traceback keeps the batches, so that nobody tells the workers to end but the interpreter, by SIGTERM."""
    code = """
from samhq.training.kinds import parse_kinds
from samhq.training.data import batches
from samhq.training.drawn import EndlessScenes
stream = batches(EndlessScenes(0, 32, 1, parse_kinds("box")), 32, 2, workers=1)
next(stream)
raise SystemExit(3)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 3
