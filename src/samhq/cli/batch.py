"""`samhq batch`: any number of pictures, on one machine or many, in shards that survive whatever happens.

Imports the network and pyarrow only inside functions, so that help is fast.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from samhq.cli.everything import AutomaticFlags
from samhq.cli.flags import STARTER, ModelFlags
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.cli.prompts import NO_JOB_PROMPTS, JobPromptFlags
from samhq.cli.text import NO_TEXT, TextFlags
from samhq.cli.write import FinishFlags, WriteFlags
from samhq.errors import ConfigError
from samhq.plural import plural
from samhq.progress import print_line

if TYPE_CHECKING:
    from samhq.batch.engine import Engine
    from samhq.batch.rows import FailedPictures
    from samhq.batch.shard_work import ShardReport
    from samhq.batch.sharded import RunProgress

batch = App(name="batch", help="Segment any number of pictures, on one machine or many.", help_format="plaintext")

_PLAIN = AutomaticFlags()
_AS_FOUND, _UNFINISHED = WriteFlags(), FinishFlags()


@batch.command(help_epilogue="")
def plan(
    source: str,
    /,
    *,
    out: Annotated[str, Parameter(alias=["-o", "--output"])],
    everything: Annotated[bool, Parameter(negative="")] = False,
    embed: Annotated[bool, Parameter(negative="")] = False,
    prompt: JobPromptFlags = NO_JOB_PROMPTS,
    text: TextFlags = NO_TEXT,
    bands: BandFlags = ALL_AS_IT_IS,
    automatic: AutomaticFlags = _PLAIN,
    model: ModelFlags = STARTER,
    store: Literal["float32", "float16"] | None = None,
    batch_size: int = 1,
    shard_size: int = 256,
) -> int:
    """List the pictures of a job, and store its settings.

    For example: samhq batch plan s3://bucket/photos --text "cup, red car" --out s3://bucket/job

    The job's folder gets manifest.parquet, the list of pictures, and job.json with
    the settings and a fingerprint of everything that results depend on.

    Parameters:
        source: A folder with its subfolders, or one picture; WebDataset's tars (a folder of them, one, or several by
            x-*.tar or x-{000..099}.tar); or a .parquet file with a column uri and optionally id. A path, or an
            address: s3://, gs://, hf://, az://, https://.
        out: Folder of the job, a path or an address.
        everything: Find everything in the pictures, without prompts.
        embed: Encode the pictures, and store the embeddings in the job's folder, for prompts later.
        store: With --embed: number type of stored embeddings. float16 takes half the space. [default: float32]
        batch_size: Number of pictures to encode at once. More are faster on a GPU. A worker that runs out of memory
            halves the number.
        shard_size: Pictures in a shard. If a worker is killed, it computes its shard again.
    """
    from samhq.batch.answers import Question
    from samhq.batch.objects import without_objects
    from samhq.batch.plan import plan_job

    text.check()
    text = text.found_in([])
    if everything + embed + text.wanted + (prompt != NO_JOB_PROMPTS) != 1:
        raise ConfigError(
            "Expected one of --everything, --embed, --text, --like, or prompts by --point, --box or --prompts, "
            "got none or several. Give one."
        )
    if store is not None and not embed:
        raise ConfigError(f"Expected --embed with --store {store}, got none. Leave --store out.")
    objects, objects_of = _objects(prompt) if prompt != NO_JOB_PROMPTS else ([], {})
    given = asdict(automatic) if everything else {}
    stored = (store or "float32") if embed else None
    question = Question(model, text, objects, objects_of, given, stored, batch_size, bands)
    planned = plan_job(source, out, question, shard_size=shard_size)
    unasked = without_objects([name for name, _ in planned.pictures], objects, objects_of) if objects_of else 0
    if unasked:
        print_line(f"Not in {prompt.prompts}: {plural(unasked, 'picture')}, which will fail; for no objects write []")
    print_line(f"{plural(planned.images, 'picture')} in {plural(planned.shards, 'shard')}; now: samhq batch run {out}")
    return 0


def _objects(prompt: JobPromptFlags) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The objects of every picture, and those of single pictures by id, as JSON values.

    Raises:
        PromptError: flags that do not go together, or a prompts file that cannot be read.
        ConfigError: a prompts file with masks, or without objects.
    """
    prompt.check()
    if prompt.prompts is None:
        fields = ("points", "labels", "box", "label")
        objects = [{name: getattr(given, name) for name in fields} for given in prompt.drawn()]
        return objects, {}
    from samhq.batch.objects import objects_in_file

    return objects_in_file(prompt.prompts)


@batch.command(help_epilogue="")
def run(
    job: str,
    /,
    *,
    engine: Literal["local", "ray", "static"] = "local",
    workers: int = 0,
    shard: str = "0/1",
    address: str | None = None,
    gpus: float = 0,
    retry_errors: Annotated[bool, Parameter(negative="")] = False,
    max_error_rate: float = 1.0,
    picture_timeout: float | None = None,
    price_per_hour: float | None = None,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> int:
    """Compute the remaining shards of a job. Stop it at any time, and run it again.

    For example: samhq batch run JOB --workers 4
    samhq batch run JOB --engine ray --address auto --workers 8 --gpus 1
    samhq batch run JOB --engine static --shard $SLURM_PROCID/$SLURM_NTASKS

    A shard with a complete file is not computed again. Several runs of one job may
    work at the same time. When all shards are done, the folder gets _SUCCESS.

    Exit code 0: all done. 1: pictures failed, now or in an earlier run, or a shard
    was given up because its worker died three times. 2: wrong use.

    Parameters:
        job: Folder that samhq batch plan made.
        engine: local: processes of this machine. ray: actors of a Ray cluster. static: every N-th shard, see --shard.
        workers: Processes or actors, each with its own model, and its own GPU if there are several; 0: this process,
            for ray one actor.
        shard: With --engine static: i/N, which of N runs this is, counted from 0.
        address: With --engine ray: an existing cluster. "auto": that of this machine. [default: start one here]
        gpus: With --engine ray: GPUs of an actor.
        retry_errors: Compute only the pictures again that failed in finished shards.
        picture_timeout: Seconds for reading a picture, and again for computing it. If they are exceeded, its process
            ends, the picture counts as failed, and its shard continues in another process. Works with workers of every
            engine; with --workers 0 one is started. [default: no limit]
        max_error_rate: Stop if more than this share of the pictures fails: 0.01 is one in a hundred.
        price_per_hour: Price of all machines of this run for an hour. Prints the price of a million pictures.
        quiet: Print nothing for finished shards.
    """
    from samhq.batch.sharded import run_sharded

    if engine != "static" and shard != "0/1":
        raise ConfigError(f"Expected --shard {shard} with --engine static, got --engine {engine}. Change one.")
    if engine != "ray" and (address is not None or gpus):
        raise ConfigError(f"Expected --address and --gpus with --engine ray, got --engine {engine}. Leave them out.")
    tally = run_sharded(
        job,
        _engine(engine, workers if picture_timeout is None else max(workers, 1), address, gpus),
        part=_part(shard),
        retry_errors=retry_errors,
        max_error_rate=max_error_rate,
        picture_timeout=picture_timeout,
        tell=None if quiet else partial(_tell, price_per_hour),
    )
    counts = f"{plural(tally.done, 'shard')} done, {tally.skipped} finished before"
    lost = plural(len(tally.lost), "shard")
    print_line(f"{counts}, {plural(tally.errors, 'picture')} failed, {lost} given up; results in {job}")
    if tally.stopped:
        print_line(f"Stopped: more than {100 * max_error_rate:g} % of the pictures failed.")
    return 1 if _tell_failed(job, tally.failed) or tally.lost else 0


def _tell_failed(job: str, failed: FailedPictures) -> int:
    """Prints the first pictures that failed, and why; returns how many failed."""
    if failed.count:
        print_line(f"{plural(failed.count, 'failed picture')}:")
        for name, reason in failed.first:
            print_line(f"  {name}: {reason}")
        if failed.count > len(failed.first):
            print_line(f"  and {failed.count - len(failed.first)} more; rows with the status error are in {job}/out")
        print_line(f"To try them again: samhq batch run {job} --retry-errors")
    return failed.count


def _engine(name: str, workers: int, address: str | None, gpus: float) -> Engine:
    if name == "ray":
        from samhq.batch.ray_engine import RayEngine

        return RayEngine(max(workers, 1), address, gpus=gpus)
    from samhq.batch.engine import local_engine

    return local_engine(workers)


def _part(text: str) -> tuple[int, int]:
    """The numbers of `i/N`.

    >>> _part("2/8")
    (2, 8)

    Raises:
        ConfigError: it is not of that form.
    """
    index, slash, parts = text.partition("/")
    if not (slash and index.isdecimal() and parts.isdecimal()):
        raise ConfigError(f"Expected --shard as i/N, counted from 0, got {text!r}. Write --shard 0/4.")
    return int(index), int(parts)


def _tell(price_per_hour: float | None, report: ShardReport, progress: RunProgress) -> None:
    """Prints a line about a shard and the run."""
    failed = f", {report.errors} failed" if report.errors else ""
    line = (
        f"shard {report.shard}: {plural(report.pictures, 'picture')} in {report.ended - report.began:.1f} s{failed}; "
    )
    line += f"{progress.shards_done} of {progress.shards}, {progress.rate:.2f} pictures a second, "
    line += f"{progress.pictures_left / progress.rate:.0f} s left"
    if price_per_hour is not None:
        from samhq.batch.status import cost_per_million

        line += f", {cost_per_million(progress.rate, price_per_hour):.2f} for a million"
    print_line(line)


@batch.command(help_epilogue="")
def status(
    job: str,
    /,
    *,
    price_per_hour: float | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Show the progress of a job. Reads only the job's folder, so it works on any machine.

    Parameters:
        job: Folder that samhq batch plan made.
        price_per_hour: Price of all machines at work for an hour. Prints the price of a million pictures.
        as_json: Print JSON.
    """
    from samhq.batch.plan import open_job
    from samhq.batch.rows import failed_pictures
    from samhq.batch.status import status_of

    planned = open_job(job)
    done = planned.done()
    state, failed = status_of(planned, done), failed_pictures(planned, done)
    price = None if price_per_hour is None else state.cost_per_million(price_per_hour)
    if as_json:
        first = [{"id": name, "reason": reason} for name, reason in failed.first]
        derived = {"eta_s": state.eta_s, "cost_per_million": price, "first_failed": first}
        print_line(json.dumps({**asdict(state), **derived}))
        return 0
    print_line(
        f"{state.pictures} of {plural(state.images, 'picture')}, {state.shards_done} of {plural(state.shards, 'shard')}"
    )
    print_line(f"{plural(state.empty, 'picture')} without masks, {state.errors} failed")
    if state.rate:
        recent = "" if state.recent_rate is None else f", {state.recent_rate:.2f} in the last minute of work"
        print_line(
            f"{state.rate:.2f} pictures a second{recent}; {state.eta_s:.0f} s left; {plural(state.hosts, 'machine')}"
        )
        print_line("time: " + ", ".join(f"{name} {100 * share:.0f} %" for name, share in state.shares.items()))
    if price is not None:
        print_line(f"{price:.2f} for a million pictures")
    _tell_failed(job, failed)
    return 0


@batch.command(help_epilogue="")
def export(
    job: str,
    /,
    *,
    format: Annotated[tuple[str, ...], Parameter(negative="")],
    output: Annotated[str, Parameter(alias="-o")],
    write: WriteFlags = _AS_FOUND,
    finish: FinishFlags = _UNFINISHED,
    allow_partial: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Write the masks of a job for annotation and training tools.

    For example: samhq batch export JOB --format coco --output dataset
    samhq batch export s3://bucket/job --format webdataset -o s3://bucket/dataset

    Formats: those of samhq write. Pictures that failed are left out and counted.

    Exit code 0: all done. 2: wrong use, such as a job that is not finished.

    Parameters:
        job: Folder that samhq batch plan made.
        format: One format. Repeat for more.
        output: Folder for the files, a path or an address.
        allow_partial: Write the finished shards of a job that is not finished.
    """
    from samhq.batch.dataset import export_job

    tally = export_job(job, format, output, write.options(finish), allow_partial=allow_partial)
    left_out = f", {plural(tally.failed, 'failed picture')} left out" if tally.failed else ""
    print_line(f"{plural(tally.masks, 'mask')} of {plural(tally.pictures, 'picture')}{left_out}; results in {output}")
    return 0
