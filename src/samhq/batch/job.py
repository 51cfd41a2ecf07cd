"""Long jobs: one function over a folder of thousands of pictures; a job can be stopped at any time and resumed.

Knows nothing about models or the function's work. It keeps the manifest, records failures, shows progress, and
distributes pictures to processes.
"""

from __future__ import annotations

import contextlib
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from samhq.batch.engine import Engine, Loop, local_engine
from samhq.batch.manifest import Manifest, OutputFile, Record, Source
from samhq.batch.names import stems
from samhq.batch.pool import Died
from samhq.batch.saving import Behind
from samhq.errors import MissingExtraError, SamHQError
from samhq.progress import progress_bar
from samhq.storage import digest
from samhq.storage.disk import is_disk_error

_AHEAD = 4  #: Largest number of pictures to read ahead.


@dataclass(frozen=True)
class Item:
    """A picture, the stem of its results' names, and the hash of the prompts for this picture only."""

    path: Path
    name: str
    prompts_hash: str = ""


def items_of(pictures: Sequence[Path], output: Path | None = None) -> list[Item]:
    """An item for each picture, with a unique name; with a number if another picture's result in `output` has it.

    >>> [item.name for item in items_of([Path("a/cat.jpg"), Path("b/cat.jpg"), Path("dog.jpg")])]
    ['a_cat_jpg', 'b_cat_jpg', 'dog']
    """
    names = stems(pictures)
    if output is not None:
        from samhq.results.origin import own_stems

        names = own_stems(names, [str(path) for path in pictures], output, ".json")
    return [Item(path, name) for path, name in zip(pictures, names, strict=True)]


@dataclass(frozen=True)
class Outcome:
    """The files written for a picture, and a few words about it for people.

    `save` writes further files and returns them. The job may call it in another thread, while the next picture is
    computed. It keeps `held` bytes in memory.
    """

    files: Sequence[Path] = ()
    summary: str = ""
    save: Callable[[], Sequence[Path]] | None = None
    held: int = 0


@runtime_checkable
class Preparing(Protocol):
    """A function of one picture that can do some of its work for several pictures at once."""

    def prepare(self, items: Sequence[Item]) -> None:
        """Does this work for pictures whose calls follow."""
        ...


@runtime_checkable
class ReadingAhead(Protocol):
    """A function of one picture that can read the next pictures in threads."""

    def read_ahead(self, items: Sequence[Item]) -> None:
        """Starts to read the pictures of the next calls, in their order."""
        ...

    def close(self) -> None:
        """Ends the threads."""
        ...


@dataclass(frozen=True)
class Tally:
    """The numbers of pictures that were finished now, had been finished before, and failed."""

    done: int = 0
    skipped: int = 0
    failed: int = 0


@dataclass(frozen=True)
class Report:
    """The outcome of one picture: its line of the manifest and the words of its function."""

    item: Item
    record: Record
    summary: str = ""
    error: SamHQError | None = None
    files: tuple[Path, ...] = ()  #: The written files.


#: Called once in every process; loads the model and returns the function for one picture. Must be picklable.
Work = Callable[[], Callable[[Item], Outcome]]
#: Writes files about a picture that failed, and returns them.
OnFailure = Callable[[Item, str], Sequence[Path]]


def run_job(
    items: Sequence[Item],
    work: Work,
    output: Path | None,
    *,
    options: Mapping[str, Any] | None = None,
    resume: bool = False,
    workers: int = 0,
    engine: Engine | None = None,
    keep_going: bool = True,
    tell: Callable[[Report], None] | None = None,
    on_failure: OnFailure | None = None,
    progress: bool = True,
) -> Tally:
    """The numbers of pictures that were done, skipped and failed, at the end of the job.

    `work` is called once in every process (a module-level function, a `partial` of one, or an instance of a
    module-level class). It loads the model and returns the function that writes the results of one picture, atomically
    (`samhq.storage.atomic.whole_file`), with names that begin with `item.name`.

    `output` is the folder for `manifest.jsonl`, which has a line for every picture; None keeps none. `options` are all
    settings that results depend on, as JSON values. `resume` skips a picture if its manifest line has the same content,
    name and options and no error, and every output is unchanged. All other pictures, failed ones too, are done again.

    If `work` has a number `together`, and its function a method `prepare(items)`, `prepare` is called before every
    `together` pictures, to do some of their work in one step. With workers it is not called.

    `workers=0` works in this process; 1 or more in that many other processes, each with its own model and
    OMP_NUM_THREADS threads (by default one). Results do not depend on their number. `engine` replaces `workers`. `tell`
    is called in this process for every picture, as it finishes; so is `on_failure` for pictures that failed.
    `progress=False` shows no bar.

    Without workers, threads read the next pictures and save the last results while a picture is computed: reading, if
    the function of `work` is `ReadingAhead`; saving, if its outcomes have `save`. Files and the order of records stay
    the same, and a picture's line is written after its files. A job of one picture starts no thread.

    If a picture raises an error, the picture fails and the job continues with the next one. Without `keep_going` the
    error is raised. Only errors that every other picture would get, too, end the job: a disk that is full, read-only or
    gone, and an extra that is not installed.

    Raises:
        ConfigError: a negative number of workers, or a worker that could not go on.
        SamHQError, OSError: errors of `work`; a disk that cannot be written; an extra that is not installed.
    """
    engine = engine or local_engine(workers)
    tasks = [_Task(item, digest.of_json([options or {}, item.prompts_hash])) for item in items]
    with contextlib.ExitStack() as stack:
        manifest = None if output is None else stack.enter_context(Manifest(output))
        waiting = _unfinished(manifest, tasks) if resume and manifest is not None else tasks
        skipped = len(tasks) - len(waiting)
        shown = progress and len(tasks) > 1
        show = stack.enter_context(progress_bar("picture", total=len(tasks), done=skipped)) if shown else None
        failed = 0
        together = getattr(work, "together", 1) if isinstance(engine, Loop) else 1
        grouped = _announced(waiting, together)
        run = _overlapped if isinstance(engine, Loop) and keep_going and len(grouped) > 1 else partial(_reports, engine)
        reports = stack.enter_context(contextlib.closing(run(work, grouped, output)))
        for done, report in enumerate(reports, start=skipped + 1):
            if report.error is not None:
                if not keep_going:
                    raise report.error
                failed += 1
                report = _with_files(report, output, on_failure)
            if manifest is not None:
                manifest.append(report.record)
            if tell is not None:
                tell(report)
            if show is not None:
                show(done, len(tasks))
    return Tally(len(waiting) - failed, skipped, failed)


@dataclass(frozen=True)
class _Task:
    """An item, the hash of all its settings, and the items to prepare before it."""

    item: Item
    options: str
    prepare: tuple[Item, ...] = ()


def _announced(tasks: Sequence[_Task], together: int) -> list[_Task]:
    """The tasks; the first of every `together` ones has the items of all of these to prepare."""
    if together < 2:
        return list(tasks)
    announced = []
    for start in range(0, len(tasks), together):
        first, *others = tasks[start : start + together]
        items = tuple(task.item for task in (first, *others))
        announced += [replace(first, prepare=items), *others]
    return announced


def _unfinished(manifest: Manifest, tasks: Sequence[_Task]) -> list[_Task]:
    """The tasks that remain, in order; deletes their partial files of a killed job."""
    left = [task for task in tasks if not manifest.finished(task.item.path, task.item.name, task.options)]
    manifest.sweep(task.item.name for task in left)
    return left


def _overlapped(work: Work, tasks: Sequence[_Task], output: Path | None) -> Generator[Report, None, None]:
    """The outcome of every task, in order; the next pictures are read and the last ones saved meanwhile."""
    process = work()
    with contextlib.ExitStack() as stack:
        if isinstance(process, ReadingAhead):
            stack.callback(process.close)
        saving = stack.enter_context(Behind[Report]())
        for number, task in enumerate(tasks):
            if isinstance(process, ReadingAhead):
                process.read_ahead([coming.item for coming in tasks[number : number + 1 + _AHEAD]])
            try:
                reports = _save_behind(saving, _compute(process, output, task), output)
            except (Exception, KeyboardInterrupt):
                yield from saving.rest()  # This ends the job, but not the results before it.
                raise
            yield from reports
        yield from saving.rest()


def _save_behind(saving: Behind[Report], computed: _Computed, output: Path | None) -> Iterator[Report]:
    """Starts to save a picture, and gives the reports that are ready."""
    return saving.start(partial(_save, computed, output), computed.outcome.held)


def _reports(engine: Engine, work: Work, tasks: Sequence[_Task], output: Path | None) -> Generator[Report, None, None]:
    """The outcome of every task, as it finishes."""
    start = partial(_start, work, output)
    with contextlib.closing(engine.run(start, tasks)) as done:
        for task, result in done:
            yield _lost(task, result) if isinstance(result, Died) else result


def _start(work: Work, output: Path | None) -> Callable[[_Task], Report]:
    return partial(_attempt, work(), output)


def _attempt(process: Callable[[Item], Outcome], output: Path | None, task: _Task) -> Report:
    """One picture, done or failed."""
    return _save(_compute(process, output, task), output)


@dataclass(frozen=True)
class _Computed:
    """A picture whose result may have to be saved, and the seconds until then."""

    task: _Task
    source: Source | None
    outcome: Outcome
    error: SamHQError | None
    seconds: float


def _compute(process: Callable[[Item], Outcome], output: Path | None, task: _Task) -> _Computed:
    """One picture, computed or failed."""
    started = time.perf_counter()
    source = None if output is None else Source.of(task.item.path)
    outcome, error = Outcome(), None
    try:
        if task.prepare and isinstance(process, Preparing):
            process.prepare(task.prepare)
        outcome = process(task.item)
    except Exception as caught:  # noqa: BLE001  One odd picture must not end a job of thousands.
        error = _as_failure(caught, output)
    return _Computed(task, source, outcome, error, time.perf_counter() - started)


def _save(computed: _Computed, output: Path | None) -> Report:
    """One picture with all its files, saved or failed."""
    started, item, outcome, error = time.perf_counter(), computed.task.item, computed.outcome, computed.error
    files: tuple[Path, ...] = tuple(outcome.files)
    outputs: tuple[OutputFile, ...] = ()
    try:
        if error is None:
            files = files if outcome.save is None else (*files, *outcome.save())
            outputs = _described(files, output)
    except Exception as caught:  # noqa: BLE001  As in `_compute`.
        error = _as_failure(caught, output)
    seconds = round(computed.seconds + time.perf_counter() - started, 3)
    why = None if error is None else str(error)
    record = Record(str(item.path), item.name, computed.source, computed.task.options, outputs, seconds, why)
    return Report(item, record, outcome.summary, error, files)


def _as_failure(error: Exception, output: Path | None) -> SamHQError:
    """The error for the record of one picture.

    Raises:
        Exception: the same error, if every other picture would get it, too.
    """
    if isinstance(error, MissingExtraError) or (isinstance(error, OSError) and is_disk_error(error, output)):
        raise error
    if isinstance(error, SamHQError):
        return error
    frame = traceback.extract_tb(error.__traceback__)[-1]
    failure = SamHQError(
        f"Expected to finish this picture, got {type(error).__name__}: {error} ({Path(frame.filename).name}, line "
        f"{frame.lineno}). Other pictures are not affected; if the picture opens elsewhere, please report this."
    )
    failure.__cause__ = error
    return failure


def _described(files: Sequence[Path], output: Path | None) -> tuple[OutputFile, ...]:
    """The files as entries of the manifest; none without a manifest.

    Raises:
        OSError: one cannot be read.
    """
    return () if output is None else tuple(OutputFile.of(file, output) for file in files)


def _lost(task: _Task, died: Died) -> Report:
    """The report of a picture whose process was killed."""
    path = task.item.path
    record = Record(str(path), task.item.name, Source.of(path), task.options, error=str(died))
    return Report(task.item, record, error=SamHQError(str(died)))


def _with_files(report: Report, output: Path | None, on_failure: OnFailure | None) -> Report:
    """A failure's report, with the files that describe it."""
    if on_failure is None or report.record.error is None:
        return report
    try:
        outputs = _described(on_failure(report.item, report.record.error), output)
    except OSError as error:
        if is_disk_error(error, output):
            raise
        return report  # The manifest has the error.
    return replace(report, record=replace(report.record, outputs=outputs))


def failure_record(output: Path, item: Item, reason: str) -> Sequence[Path]:
    """Writes NAME.json for a picture that failed."""
    from samhq.results.record_file import write_failure

    return [write_failure(output / f"{item.name}.json", str(item.path), reason)]
