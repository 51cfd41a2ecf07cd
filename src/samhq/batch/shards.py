"""Shards: Parquet files with one row for every picture, complete or absent. Knows nothing about models or who works.

The bytes of a shard depend on its rows and its job's fingerprint alone, so two workers on one shard do no harm.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from samhq.extras import from_extra

_GROUP = 64  #: Pictures in a row group.


def shard_name(number: int) -> str:
    """The file name of a shard.

    >>> shard_name(12)
    'shard-00012.parquet'
    """
    return f"shard-{number:05d}.parquet"


def packed(rows: Sequence[dict[str, Any]], fingerprint: str) -> bytes:
    """Rows as a Parquet file; the rows' fields are those of `schema`.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    with from_extra("batch", "shards"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    about = schema().with_metadata({b"fingerprint": fingerprint.encode()})
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows), about), stream, compression="zstd", row_group_size=_GROUP)
    return stream.getvalue()


def is_whole(content: bytes | None, fingerprint: str, rows: int) -> bool:
    """Whether this is a readable file with so many rows of the job with this fingerprint."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if content is None:
        return False
    try:
        about = pq.read_metadata(pa.BufferReader(content))
    except (pa.ArrowException, OSError):
        return False
    return about.num_rows == rows and (about.metadata or {}).get(b"fingerprint") == fingerprint.encode()


def unpacked(content: bytes) -> list[dict[str, Any]]:
    """The rows of a shard."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pq.read_table(pa.BufferReader(content)).to_pylist()


def schema() -> Any:
    """The columns of a shard.

    `id`, `uri`; `status` is "ok", "empty" (no instance) or "error", with `error_type` and `error_msg`; `height`,
    `width`; `instances` with `counts` (COCO's compressed RLE, of the picture's size), `bbox` (x, y, width, height),
    `area` in pixels, `iou` (predicted), `stability` (whole image), `prompt` (its number), `label` and `score` (the
    detector's).
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
    columns |= {"error_type": pa.string(), "error_msg": pa.string(), "height": pa.int32(), "width": pa.int32()}
    return pa.schema({**columns, "instances": pa.list_(pa.struct(instance))})
