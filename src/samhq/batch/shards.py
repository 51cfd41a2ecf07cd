"""Shards: Parquet files with one row for every picture, complete or absent. Knows nothing about models or workers.

The bytes of a shard depend on its rows and its job's fingerprint alone, so two workers on one shard do no harm.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from samhq.extras import from_extra

_GROUP = 64  #: Pictures in a row group.
_NAME = re.compile(r"shard-(\d{5,})(?:\.r(\d+))?\.parquet")


def shard_name(number: int, revision: int = 0) -> str:
    """The file name of a shard, or of the pictures of it that were tried again.

    >>> shard_name(12), shard_name(12, revision=1)
    ('shard-00012.parquet', 'shard-00012.r1.parquet')
    """
    return f"shard-{number:05d}{f'.r{revision}' if revision else ''}.parquet"


def revisions_of(names: Sequence[str]) -> dict[int, list[int]]:
    """The revisions of every shard among file names, in order; 0 is the shard itself.

    >>> revisions_of(["shard-00012.r1.parquet", "shard-00012.parquet", "note.txt"])
    {12: [0, 1]}
    """
    found: dict[int, list[int]] = {}
    for name in names:
        if known := _NAME.fullmatch(name):
            found.setdefault(int(known[1]), []).append(int(known[2] or 0))
    return {shard: sorted(revisions) for shard, revisions in sorted(found.items())}


@dataclass(frozen=True)
class Footer:
    """The part of a shard that tells what is in it: the job's fingerprint, and the numbers of rows by status."""

    fingerprint: str
    rows: int
    empty: int
    errors: int


def packed(rows: Sequence[dict[str, Any]], fingerprint: str) -> bytes:
    """Rows as a Parquet file; the rows' fields are those of `schema`.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    with from_extra("batch", "shards"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    counts = Counter(row["status"] for row in rows)
    about = {"fingerprint": fingerprint, "empty": str(counts["empty"]), "errors": str(counts["error"])}
    stream = io.BytesIO()
    table = pa.Table.from_pylist(list(rows), schema().with_metadata(about))
    pq.write_table(table, stream, compression="zstd", row_group_size=_GROUP)
    return stream.getvalue()


def read_footer(stream: Any) -> Footer | None:
    """The footer of an open shard, of which only the end is read; None for a file that is cut short or foreign."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        known = pq.read_metadata(stream)
        about = {
            name.decode(): value.decode() for name, value in (known.metadata or {}).items() if name != b"ARROW:schema"
        }
        return Footer(about["fingerprint"], known.num_rows, int(about["empty"]), int(about["errors"]))
    except (pa.ArrowException, KeyError, ValueError):
        return None


def unpacked(content: bytes) -> list[dict[str, Any]]:
    """The rows of a shard.

    Reads in this thread: threads that `read_table` starts abort a process that ends soon after.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False).to_pylist()


def schema() -> Any:
    """The columns of a shard.

    `id`, `uri`; `status` is "ok", "empty" (no instance) or "error", with `error_type` and `error_msg`; `attempts`, how
    often the picture was tried; `height`, `width`; `instances` with `counts` (COCO's compressed RLE, of the picture's
    size), `bbox` (x, y, width, height), `area` in pixels, `iou` (predicted), `stability` (whole image), `prompt` (its
    number), `label` and `score` (the detector's); `embedding`, the file's name in the job's folder of embeddings.
    """
    import pyarrow as pa

    instance = {
        "counts": pa.binary(),
        "bbox": pa.list_(pa.float32()),
        "area": pa.int64(),
        "iou": pa.float32(),
        "stability": pa.float32(),
        "prompt": pa.int32(),
        "label": pa.string(),
        "score": pa.float32(),
    }
    columns = {"id": pa.string(), "uri": pa.string(), "status": pa.string()}
    columns |= {"error_type": pa.string(), "error_msg": pa.string(), "attempts": pa.int32()}
    columns |= {"height": pa.int32(), "width": pa.int32(), "instances": pa.list_(pa.struct(instance))}
    return pa.schema({**columns, "embedding": pa.string()})
