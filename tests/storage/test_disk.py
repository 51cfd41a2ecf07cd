"""What every file would meet is about the disk; what one file meets is not."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from samhq.storage.disk import is_disk_error


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO, errno.ESTALE, errno.EDQUOT])
def test_errors_of_the_disk(number: int, tmp_path: Path) -> None:
    assert is_disk_error(OSError(number, "it"), tmp_path)
    assert is_disk_error(OSError(number, "it"), None)


@pytest.mark.parametrize("number", [errno.ENAMETOOLONG, errno.EFBIG, errno.EISDIR, errno.ENOENT, None])
def test_errors_of_one_file(number: int | None, tmp_path: Path) -> None:
    assert not is_disk_error(OSError(number, "it"), tmp_path)
    assert not is_disk_error(OSError(number, "it"), None)


def test_a_folder_that_vanished(tmp_path: Path) -> None:
    assert is_disk_error(FileNotFoundError(errno.ENOENT, "it"), tmp_path / "gone")
