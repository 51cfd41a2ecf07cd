"""One process has a lock; when it ends, however it ends, the next one may have it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from samhq.errors import ConfigError
from samhq.storage.locks import only_one

_HOLDS = """
import sys, time
from pathlib import Path
from samhq.storage.locks import only_one
with only_one(Path(sys.argv[1]), "waiting"):
    print("in", flush=True)
    time.sleep(60)
"""


def test_the_second_is_refused_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "run"
    process = subprocess.Popen([sys.executable, "-c", _HOLDS, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "in\n"
        with pytest.raises(ConfigError, match="where one is waiting now"), only_one(folder, "waiting"):
            pass
        process.kill()
        process.wait()
    with only_one(folder, "waiting"):
        with pytest.raises(ConfigError), only_one(folder, "waiting"):
            pass
        (folder / "result").touch()
    assert [path.name for path in folder.iterdir()] == ["result"]


def test_a_folder_that_was_made_for_nothing_goes(tmp_path: Path) -> None:
    (tmp_path / "users").mkdir()
    for name in ("users", "ours"):
        with only_one(tmp_path / name, "failing"):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["users"]


def test_of_many_threads_one_at_a_time_is_in(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(number: int) -> int:
        done = 0
        for _ in range(50):
            with contextlib.suppress(ConfigError), only_one(tmp_path, "counting"):
                inside.append(number)
                assert inside == [number]
                inside.remove(number)
                done += 1
        return done

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, range(4))) > 0
