"""Documents that anybody may have written are read, or refused in a sentence."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from samhq.errors import ConfigError, ImageError
from samhq.storage.documents import _depth, parse_json, read_array, read_json, read_text
from samhq.storage.schema import BOX, COUNT, ID, TEXT, Fields, Items

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def levels(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(levels, inner), default=0)


@given(json_values)
def test_any_json_is_read_as_pythons_own_reader_does(value: Any) -> None:
    text = json.dumps(value)
    assert json.dumps(parse_json(text, "a document")) == text
    assert json.dumps(parse_json(b"\xef\xbb\xbf" + text.encode(), "a document")) == text


@given(json_values, st.integers(0, 300))
def test_the_depth_of_text_is_that_of_its_document(value: Any, more: int) -> None:
    nested = [value]
    for number in range(more):
        nested = [nested] if number % 2 else [{'a]"\\': nested}, "}]\\"]  # type: ignore[list-item,assignment]
    text = json.dumps(nested).encode()
    assert _depth(text) in ((0, levels(nested)) if text.count(b"[") + text.count(b"{") <= 100 else (levels(nested),))


@pytest.mark.parametrize("data", [
    b"", b"{", b"\xff\xfe{}", b"[" * 200 + b"]" * 200, b"[" * 200_000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b"1" * 10_000, b"\x00", b'"\xed\xa0\x80"', b"{'a': 1}", b"nul",
])  # fmt: skip
def test_what_is_no_document_is_refused_in_a_sentence(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(ConfigError, match=r"^Expected a list in .*a\.json .*\. Write one\.$") as caught:
        read_json(tmp_path / "a.json", "a list", error=ConfigError, advice="Write one.")
    assert len(str(caught.value)) < 400 + len(str(tmp_path))


@pytest.mark.parametrize("path", ["none.json", ".", "a\0b"])
def test_what_cannot_be_opened_is_refused(path: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Expected a list at .*, which cannot be read: "):
        read_json(tmp_path / path, "a list", error=ConfigError)


def test_what_does_not_fit_is_named_by_its_place() -> None:
    schema = Fields({"images": Items(Fields({"id": ID}, {"file_name": TEXT}))})
    with pytest.raises(
        ImageError, match=re.escape("a file with images[1].id as a whole number or text, got a list of 1.")
    ):
        parse_json('{"images": [{"id": 1}, {"id": [2]}]}', "a file", schema, ImageError)


def npy(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, **options)
    return stream.getvalue()


def zipped(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in names:
            archive.writestr(name, npy(np.ones(3)))
    return stream.getvalue()


WHOLE = npy(np.ones((4, 5), bool))
BROKEN = {
    "nothing": b"",
    "text": b"hello",
    "cut in the header": WHOLE[:20],
    "cut in the data": WHOLE[:-3],
    "a zip cut short": zipped("a.npy")[:-8],
    "only the start of a zip": b"PK\x03\x04" + b"\0" * 40,
    "a whole archive": zipped("a.npy", "b.npy"),
    "a pickle": npy(np.array([{}], object), allow_pickle=True),
    "a header of code": WHOLE.replace(b"'shape'", b"'shap('"),
    "a header that is deep": WHOLE[:8] + (60_000).to_bytes(2, "little") + b"(" * 60_000,
    "a shape beyond memory": WHOLE.replace(b"(4, 5)", b"(4,5e9)"),
    "a shape beyond all sizes": npy(np.zeros((1, 1))).replace(b"(1, 1), }    ", b"(9999999999,)"),
    "a negative shape": WHOLE.replace(b"(4, 5)", b"(-4,5)"),
    "no type": WHOLE.replace(b"|b1", b"|q9"),
    "bytes that are no text": WHOLE[:10] + b"\xff" * (len(WHOLE) - 10),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_arrays_are_refused_in_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "mask.npy").write_bytes(BROKEN[name])
    with pytest.raises(ImageError, match=r"^Expected a mask in .*mask\.npy, got"):
        read_array(tmp_path / "mask.npy", "a mask", ImageError)


@pytest.mark.parametrize("array", [np.eye(3, dtype=bool), np.zeros((0, 4), np.float32), np.array(2.5)])
def test_whole_arrays_are_read(array: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_array(tmp_path / "a.npy", "a mask"), array)


def test_a_box_has_four_finite_numbers() -> None:
    for value in ([1, 2, 3], [1, 2, 3, "4"], [1, 2, 3, float("nan")], [1, 2, 3, 10**400], [1, 2, 3, True], None):
        with pytest.raises(ConfigError, match=r"as (a list of 4, each )?a number of pixels"):
            parse_json(json.dumps(value), "a box", BOX, ConfigError)
    parse_json("[0, 1.5, -3, 1e3]", "a box", BOX)


def test_counts_are_whole() -> None:
    parse_json("3.0", "a count", COUNT)
    with pytest.raises(ConfigError, match=r"a whole number of at least 0, got 3\.5"):
        parse_json("3.5", "a count", COUNT, ConfigError)


def test_text_is_what_a_file_may_be_called() -> None:
    for name in ("a.png", "é", "caf\udce9.png"):
        parse_json(json.dumps(name), "a name", TEXT)
    for name in ("", "a\0", "\ud800"):
        with pytest.raises(ConfigError, match="as text, got"):
            parse_json(json.dumps(name), "a name", TEXT, ConfigError)


def test_text_is_read_with_and_without_a_mark(tmp_path: Path) -> None:
    for data in (b"a\nb", b"\xef\xbb\xbfa\nb"):
        (tmp_path / "a.txt").write_bytes(data)
        assert read_text(tmp_path / "a.txt", "lines") == "a\nb"
    (tmp_path / "a.txt").write_bytes(b"\xff")
    for name in ("a.txt", "none.txt", "a\0b"):
        with pytest.raises(ConfigError, match="Expected lines"):
            read_text(tmp_path / name, "lines", ConfigError)
