"""A job over any number of pictures: its folder has the list of pictures, the question, and a fingerprint of both.

Knows nothing about engines.
"""

from __future__ import annotations

import io
import json
from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from typing import Any

from samhq.batch.answers import Question
from samhq.batch.objects import check_ids, check_objects
from samhq.batch.places import Folder, check_no_file
from samhq.batch.shards import Footer, read_footer, revisions_of, shard_name
from samhq.batch.sources import list_pictures
from samhq.errors import ConfigError
from samhq.extras import from_extra
from samhq.plural import plural
from samhq.storage import digest
from samhq.storage.documents import parse_json
from samhq.storage.schema import ANY, TEXT, Either, Fields, Items, Named, Null, Number

SHARD_SIZE = 256  #: Default number of pictures in a shard.
JOB, MANIFEST, SUCCESS, SUMMARY = "job.json", "manifest.parquet", "_SUCCESS", "summary.json"
OUT, EVENTS = "out", "events"  #: Subfolders of the shards and of the records of their costs.

_OBJECTS = Items(Fields())
_QUESTION = Fields(
    {
        "model": Fields(),
        "text": Fields({"threshold": Items(Items(ANY)), "like": Items(Items(ANY)), "like_in": Either((Null(), TEXT))}),
        "objects": _OBJECTS,
        "objects_of": Named(_OBJECTS),
        "automatic": Fields(),
        "embed": ANY,
        "batch_size": Number(1, whole=True),
    }
)
_RECORD = Fields(
    {
        "fingerprint": TEXT,
        "images": Number(1, whole=True),
        "shard_size": Number(1, whole=True),
        "asked": Fields(),
        "question": _QUESTION,
    }
)


@dataclass(frozen=True)
class DoneShard:
    """A finished shard: its files' revisions, and the numbers of pictures without instances and of failed ones."""

    revisions: tuple[int, ...]
    empty: int
    errors: int


@dataclass(frozen=True)
class ShardedJob:
    """A planned job: its folder, its question, and the division of its pictures into shards."""

    folder: Folder
    question: Question
    fingerprint: str
    images: int
    shard_size: int

    @property
    def shards(self) -> int:
        """The number of shards."""
        return -(-self.images // self.shard_size)

    @cached_property
    def pictures(self) -> list[tuple[str, str]]:
        """Ids and addresses of all pictures, in the order of the shards.

        Raises:
            ConfigError: the list is not the one that was planned.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        content = self.folder.read(MANIFEST)
        if content is None:
            raise ConfigError(f"Expected {MANIFEST} in {self.folder.address}, got none. Plan the job again.")
        try:
            table = pq.ParquetFile(pa.BufferReader(content)).read(["id", "uri"], use_threads=False)
            ids, uris = table["id"].to_pylist(), table["uri"].to_pylist()
        except (pa.ArrowException, KeyError, OSError) as error:
            raise self._other_list(str(error)[:80]) from error
        if len(ids) != self.images:
            raise self._other_list(f"{plural(len(ids), 'picture')} in place of {self.images}")
        return list(zip(ids, uris, strict=True))

    def _other_list(self, got: str) -> ConfigError:
        file = self.folder.path(MANIFEST)
        return ConfigError(f"Expected the list that was planned in {file}, got {got}. Plan the job again.")

    def pictures_of(self, shard: int) -> list[tuple[str, str]]:
        """Ids and addresses of the pictures of a shard."""
        return self.pictures[shard * self.shard_size : (shard + 1) * self.shard_size]

    def size_of(self, shard: int) -> int:
        """The number of pictures in a shard."""
        return min(self.shard_size, self.images - shard * self.shard_size)

    def done(self, shards: Container[int] | None = None) -> dict[int, DoneShard]:
        """The shards, all or some, whose files are there, readable, complete and of this job; reads the files' ends.

        Raises:
            OSError: the folder cannot be read.
        """
        revisions_by_shard = revisions_of(self.folder.names(OUT))
        wanted = {
            shard: revisions for shard, revisions in revisions_by_shard.items() if shards is None or shard in shards
        }
        files = [(shard, revision) for shard, revisions in wanted.items() for revision in revisions]
        footers = self.folder.read_all([f"{OUT}/{shard_name(*file)}" for file in files], read_footer)
        known: dict[int, dict[int, Footer]] = {}
        for (shard, revision), footer in zip(files, footers, strict=True):
            if footer is not None and footer.fingerprint == self.fingerprint:
                known.setdefault(shard, {})[revision] = footer
        return {
            shard: _done_shard(revisions)
            for shard, revisions in known.items()
            if shard < self.shards and 0 in revisions and revisions[0].rows == self.size_of(shard)
        }


def _done_shard(footers: dict[int, Footer]) -> DoneShard:
    ordered = dict(sorted(footers.items()))
    errors = [footer.errors for footer in ordered.values()][-1]
    return DoneShard(tuple(ordered), sum(footer.empty for footer in ordered.values()), errors)


def plan_job(source: str, job: str, question: Question, *, shard_size: int = SHARD_SIZE) -> ShardedJob:
    """A job over all pictures of a source, written to the folder `job`. The same plan again changes nothing.

    `source` is as `samhq.batch.sources.list_pictures` takes it.

    Raises:
        ConfigError: no pictures, an id that occurs twice, prompts of a picture that is not in the source, a shard size
            below 1, or another job in the folder.
        PromptError: prompts that fit no picture.
        MissingExtraError: fsspec or pyarrow is not installed.
    """
    if shard_size < 1:
        raise ConfigError(f"Expected a shard size of 1 or more, got {shard_size}. The default is {SHARD_SIZE}.")
    check_no_file(job, "--out")
    check_objects(question.objects, question.objects_of)
    pictures = list_pictures(source)
    check_ids(question.objects_of, [name for name, _ in pictures], source)
    identity = {"question": question.options(), "pictures": pictures, "shard_size": shard_size}
    fingerprint = digest.of_json([identity, version("samhq")])
    folder = Folder(job)
    known = _record(folder)
    if known is not None and known["fingerprint"] != fingerprint:
        raise ConfigError(
            f"Expected the job that is planned in {job}, got other pictures, settings, weights or another version. "
            "Give a new folder as --out."
        )
    planned = ShardedJob(folder, question, fingerprint, len(pictures), shard_size)
    if known is None:
        folder.write(MANIFEST, _manifest(pictures))
        record = {"fingerprint": fingerprint, "images": len(pictures), "shard_size": shard_size, "source": source}
        record |= {"samhq": version("samhq"), "asked": question.options(), "question": question.record()}
        folder.write(JOB, json.dumps(record, indent=1).encode("ascii"))
    return planned


def open_job(job: str) -> ShardedJob:
    """A planned job, from its folder.

    Raises:
        ConfigError: the folder holds none.
    """
    check_no_file(job, "the job")
    folder = Folder(job)
    record = _record(folder)
    if record is None:
        raise ConfigError(f"Expected a job in {job}, got no {JOB}. Plan one: samhq batch plan PICTURES --out {job}")
    try:
        question = Question.of_record(record["question"])
    except (TypeError, ValueError, KeyError) as error:
        raise ConfigError(
            f"Expected a question of this version of samhq in {folder.path(JOB)}, got another: {str(error)[:120]}. "
            "Plan the job again in a new folder."
        ) from error
    return ShardedJob(folder, question, record["fingerprint"], record["images"], record["shard_size"])


def _record(folder: Folder) -> dict[str, Any] | None:
    """The content of a job's file; None where there is none.

    Raises:
        ConfigError: it is damaged.
    """
    content = folder.read(JOB)
    if content is None:
        return None
    advice = "Plan the job again in a new folder."
    record: dict[str, Any] = parse_json(content, f"a job in {folder.path(JOB)}", _RECORD, ConfigError, advice)
    return record


def check_weights(job: ShardedJob) -> None:
    """Refuses a job whose weights or detector have changed since it was planned.

    Raises:
        ConfigError: they have.
    """
    record = _record(job.folder)
    if record is None or json.loads(json.dumps(job.question.options())) != record["asked"]:
        raise ConfigError(
            f"Expected the weights that {job.folder.address} was planned with, got others under the same name. "
            "Restore the old ones, or plan a new job."
        )


def _manifest(pictures: list[tuple[str, str]]) -> bytes:
    with from_extra("batch", "batch jobs"):
        import pyarrow as pa
        import pyarrow.parquet as pq
    ids, uris = zip(*pictures, strict=True)
    stream = io.BytesIO()
    pq.write_table(pa.table({"id": ids, "uri": uris}), stream, compression="zstd")
    return stream.getvalue()
