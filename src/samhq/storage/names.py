"""Names of results that file systems accept. Knows nothing about the files."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator

from samhq.storage import digest

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

WINDOWS = os.name == "nt"
_NO_WINDOWS = re.compile(r'[<>:"|?*\\/\x00-\x1f]|[ .]+$')  #: What names on Windows cannot have anywhere, or at the end.
_DEVICES = re.compile(r"^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)  #: Names that Windows keeps for devices.

_LONGEST = (
    200  #: Bytes of a name, of the 255 that file systems take; the rest is for endings such as `_cutout_12_3.png`.
)
_KEPT = 180  #: Bytes of a longer name that are kept, before a dash and a hash.


def short_name(name: str) -> str:
    """The name itself, or, if it is too long for file names, its beginning and a hash; on Windows as Windows takes it.

    >>> short_name("cat"), len(short_name("猫" * 80).encode()), short_name("猫" * 80)[60:]
    ('cat', 193, '-d7f496bfd1ec')
    """
    name = windows_name(name) if WINDOWS else name
    content = os.fsencode(name)
    if len(content) <= _LONGEST:
        return name
    kept = content[:_KEPT].decode("utf-8", "ignore")
    return f"{kept}-{digest.of_bytes(content)[:12]}"


def windows_name(name: str) -> str:
    """The name with underscores where Windows would refuse it, or write to a stream or a device.

    >>> windows_name("12:30?"), windows_name("aux"), windows_name("cat")
    ('12_30_', 'aux_', 'cat')
    """
    return _DEVICES.sub(r"\1_\2", _NO_WINDOWS.sub("_", name))


def numbered(name: str) -> Iterator[str]:
    """The name with 2, 3, 4 and so on, to be tried until one is free.

    >>> others = numbered("cat")
    >>> next(others), next(others)
    ('cat_2', 'cat_3')
    """
    return (f"{name}_{number}" for number in itertools.count(2))


def is_text(name: str) -> bool:
    r"""Whether a name can be written as UTF-8; false if it has bytes that were not text, or halves of characters.

    >>> is_text("猫.jpg"), is_text("a\udcff.jpg")
    (True, False)
    """
    return not any("\ud800" <= character <= "\udfff" for character in name)


def printable(text: str) -> str:
    r"""Text for a terminal: characters that move the cursor, change colours or the direction become escapes.

    >>> print(printable("a\x1b[31m\nb\udcff.jpg"))
    a\x1b[31m\nb\xff.jpg
    """
    return _CONTROLS.sub(_escaped, text)


def xml_text(text: str) -> str:
    r"""Text that XML may hold: control characters, and bytes that were not text, become escapes.

    >>> print(xml_text("a\x07b\udcff.jpg"))
    a\x07b\xff.jpg
    """
    return _NO_XML.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    """One character in Python's notation for escapes; a byte that was not text keeps its value."""
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return match[0].encode("unicode_escape").decode("ascii")
