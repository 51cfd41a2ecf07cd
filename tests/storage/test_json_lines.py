"""Lines are complete or ignored, whatever moment a process was killed at."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from samhq.errors import ConfigError
from samhq.storage.json_lines import JsonLines
from samhq.storage.schema import WHOLE, Fields

DOCUMENTS = [{"n": 0}, {"n": 1, "text": "é\udcff\n"}, {"n": 2, "more": [1.5, None]}]


def lines_in(folder: Path) -> JsonLines:
    return JsonLines(folder / "rows.jsonl", Fields({"n": WHOLE}), "a row", ConfigError, "Delete it.")


@pytest.fixture
def written(tmp_path: Path) -> JsonLines:
    lines = lines_in(tmp_path)
    for document in DOCUMENTS:
        lines.append(document)
    return lines


def test_documents_come_back_in_order(written: JsonLines) -> None:
    assert list(written) == written.intact() == DOCUMENTS
    assert [written.at(place) for place, _ in written.places()] == DOCUMENTS
    assert len(written) == 3


def test_a_missing_file_has_no_lines(tmp_path: Path) -> None:
    lines = lines_in(tmp_path)
    lines.cut(0)
    assert (list(lines), lines.intact(), len(lines), list(tmp_path.iterdir())) == ([], [], 0, [])


def test_wherever_a_write_was_cut_the_other_lines_stay(written: JsonLines) -> None:
    """Cut at every byte, then continued: the new line is not joined to the rest, and only a cut line is lost."""
    content = written.path.read_bytes()
    for size in range(len(content) + 1):
        written.path.write_bytes(content[:size])
        complete = content[:size].count(b"\n")
        assert list(written) == DOCUMENTS[:complete]
        written.append({"n": 9})
        whole = complete if content[:size].endswith(b"\n") or content[size : size + 1] != b"\n" else complete + 1
        kept = written.intact()
        assert kept == [*DOCUMENTS[:whole], {"n": 9}]


def test_a_cut_file_has_the_first_lines_only(written: JsonLines) -> None:
    with written.path.open("a") as stream:
        stream.write('{"n": 3')
    written.cut(5)
    written.cut(2)
    assert list(written) == DOCUMENTS[:2]


def test_a_file_is_replaced_in_one_piece(written: JsonLines) -> None:
    written.replace(DOCUMENTS[1:])
    assert list(written) == DOCUMENTS[1:]
    with pytest.raises(TypeError):
        written.replace([{"n": 1}, {"n": object()}])
    assert list(written) == DOCUMENTS[1:]
    JsonLines(written.path.parent / "new" / "rows.jsonl").replace([])
    assert (written.path.parent / "new" / "rows.jsonl").read_bytes() == b""


@pytest.mark.parametrize("line", ["no json", '{"m": 1}', '{"n": 0.5}', "[1]", "\udcff"])
def test_a_foreign_line_is_an_error_or_left_out(written: JsonLines, line: str) -> None:
    with written.path.open("a", errors="surrogateescape") as stream:
        stream.write(line + "\n")
    written.append({"n": 4})
    assert written.intact() == [*DOCUMENTS, {"n": 4}]
    with pytest.raises(ConfigError, match=r"^Expected a row in .*rows\.jsonl .*Delete it\.$"):
        list(written)
    with pytest.raises(ConfigError, match="Delete it"):
        list(written.places())


def test_a_file_that_cannot_be_read_is_an_error_of_the_callers_class(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").mkdir()
    for read in (list, len, JsonLines.intact):
        with pytest.raises(ConfigError, match=r"Expected a row in .*cannot be read.*Delete it\."):
            read(lines_in(tmp_path))


def test_several_writers_never_share_a_line(written: JsonLines) -> None:
    other = JsonLines(written.path)
    for number in range(20):
        (written if number % 2 else other).append({"n": number}, sync=number == 0)
    assert [document["n"] for document in written][3:] == list(range(20))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(OSError, match="space"):
        JsonLines(Path("/dev/full")).append({"n": 1})
