"""Windows' rules for files, pretended on Linux: what is open is not replaced or deleted, and some names are not taken.

Inside `windows()` there is no `fcntl`; `msvcrt` locks files as on Windows. What it cannot show: drives, backslashes,
the console, and what other programs hold open.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any
from unittest.mock import patch

from samhq.storage import names

AVAILABLE = os.path.isdir("/proc/self/fd")
#: Characters and names that Windows takes in no part of a path, and endings that it drops.
_REFUSED = re.compile(r'[<>:"|?*\\\x00-\x1f]|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)|[ .]$', re.IGNORECASE)
_TAKEN = (".", "..")


def _open_files() -> set[str]:
    """The real paths of the files that this process has open or mapped into its memory."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        try:
            found.add(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    with _open("/proc/self/maps") as maps:
        return found | {line.split(None, 5)[5].strip() for line in maps if len(line.split(None, 5)) > 5}


def _refuse(path: Any, target: Any = None) -> None:
    raise PermissionError(errno.EACCES, "It is being used by another process", path, 32, target)


def _check_free(*paths: Any) -> None:
    opened = _open_files()
    for path in paths:
        if not isinstance(path, int) and os.path.realpath(os.fsdecode(path)) in opened:
            _refuse(*paths)


def _check_name(path: Any) -> None:
    """Refuses names that Windows does not take."""
    if isinstance(path, int) or os.fsdecode(path).startswith(("/proc/", "/sys/", "/dev/")):
        return
    for part in os.fsdecode(path).split("/"):
        if part not in _TAKEN and _REFUSED.search(part):
            raise OSError(errno.EINVAL, f"The name {part!r} is not taken", path)


_open = builtins.open


def _locking(descriptor: int, mode: int, count: int) -> None:
    del mode, count
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


def _msvcrt() -> ModuleType:
    module = ModuleType("msvcrt")
    module.locking, module.LK_NBLCK = _locking, 2  # type: ignore[attr-defined]
    return module


def _checked(function: Callable[..., Any], count: int, *, named: bool = False, free: bool = True) -> Callable[..., Any]:
    """The function, after its first `count` arguments, which are paths, passed Windows' rules."""

    def checked(*args: Any, **kwargs: Any) -> Any:
        if free:
            _check_free(*args[:count])
        if named and not (function is _open and args[1:2] and "r" in args[1] and "+" not in args[1]):
            _check_name(args[count - 1])
        return function(*args, **kwargs)

    return checked


@contextmanager
def _modules(pretended: dict[str, Any]) -> Iterator[None]:
    """Modules in place of others, or None for those that cannot be imported; other imports stay afterwards."""
    before = {name: sys.modules.get(name) for name in pretended}
    sys.modules.update(pretended)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


@contextmanager
def windows() -> Iterator[None]:
    """A context in which files follow Windows' rules."""
    with ExitStack() as stack:
        stack.enter_context(_modules({"fcntl": None, "msvcrt": _msvcrt()}))
        stack.enter_context(patch.object(names, "WINDOWS", True))
        for name, count in (("replace", 2), ("rename", 2), ("unlink", 1), ("remove", 1)):
            stack.enter_context(patch.object(os, name, _checked(getattr(os, name), count, named=count == 2)))
        for name in ("open", "mkdir"):
            stack.enter_context(patch.object(os, name, _checked(getattr(os, name), 1, named=True, free=False)))
        for module in (builtins, io):
            stack.enter_context(patch.object(module, "open", _checked(_open, 1, named=True, free=False)))
        yield
