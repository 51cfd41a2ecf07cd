"""One process has a lock; when it ends, however it ends, the next one may have it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from samhq.storage.locks import only_one

_HOLDS = """
import sys, time
from pathlib import Path
from samhq.storage.locks import only_one
with only_one(Path(sys.argv[1])) as alone:
    print(alone, flush=True)
    time.sleep(60)
"""


def test_the_second_is_told_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.lock"
    process = subprocess.Popen([sys.executable, "-c", _HOLDS, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "True\n"
        with only_one(path) as alone:
            assert not alone
        process.kill()
        process.wait()
    with only_one(path) as alone:
        assert alone
        with only_one(path) as second:
            assert not second
    with only_one(path) as alone:
        assert alone
