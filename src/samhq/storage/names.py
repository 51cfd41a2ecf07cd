"""Names of results that a file system takes. Knows nothing about what the files hold."""

from __future__ import annotations

import os

from samhq.storage import digest

_LONGEST = 200  #: bytes of a name, of the 255 that file systems take; the rest is for `_cutout_12_3.png` and the like
_KEPT = 180  #: bytes of a longer name that are kept, before a dash and what tells it from other long names


def short_name(name: str) -> str:
    """The name itself, or where it is too long to be the beginning of files' names, its own beginning and a hash.

    >>> short_name("cat"), len(short_name("猫" * 80).encode()), short_name("猫" * 80)[60:]
    ('cat', 193, '-d7f496bfd1ec')
    """
    content = os.fsencode(name)
    if len(content) <= _LONGEST:
        return name
    kept = content[:_KEPT].decode("utf-8", "ignore")
    return f"{kept}-{digest.of_bytes(content)[:12]}"
