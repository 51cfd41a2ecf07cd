"""Hashes are SHA-256 of the content alone."""

from __future__ import annotations

import hashlib
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.storage import digest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.binary(), max_size=4))
def test_bytes_are_hashed_one_after_the_other(parts: list[bytes]) -> None:
    expected = hashlib.sha256(b"".join(parts)).hexdigest()
    assert digest.of_bytes(*parts) == digest.of_parts(iter(parts)) == expected


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, (1 << 20) + 1])
def test_a_file_is_its_bytes(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(1 << 10)) * (size >> 10) + b"x" * (size % (1 << 10))
    (tmp_path / "a").write_bytes(content)
    assert digest.of_file(tmp_path / "a") == digest.of_bytes(content)


@given(st.dictionaries(st.text(), json_values, max_size=4))
def test_the_order_of_keys_does_not_matter(value: dict[str, object]) -> None:
    assert digest.of_json(dict(reversed(value.items()))) == digest.of_json(value)


@given(json_values, json_values)
def test_different_values_have_different_hashes(one: object, other: object) -> None:
    assert (digest.of_json(one) == digest.of_json(other)) == (digest.canonical(one) == digest.canonical(other))


def test_several_files_are_hashed_in_their_order(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        path.write_text(path.name)
    assert digest.of_files(paths) != digest.of_files(paths[::-1])
    with pytest.raises(OSError, match="nowhere"):
        digest.of_files([tmp_path / "nowhere"])


def test_what_has_no_end_is_not_read(tmp_path: Path) -> None:
    places = [Path("/dev/zero")] if Path("/dev/zero").exists() else []
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        places.append(tmp_path / "pipe")
    for place in places:
        with pytest.raises(OSError, match="Not a regular file"):
            digest.of_file(place)


@pytest.mark.parametrize("place", [0, 45, -3, None])
def test_a_changed_archive_is_an_error(tmp_path: Path, place: int | None) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("numbers", bytes(range(100)))
    digest.check_zip(path)
    content = bytearray(path.read_bytes())
    if place is not None:
        content[place] ^= 0xFF
    path.write_bytes(content if place is not None else b"no archive")
    with pytest.raises((OSError, ValueError)):
        digest.check_zip(path)
