"""Flags of commands that process many pictures, and the lines that these commands print."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from samhq.batch.settings import EmbeddingSettings
from samhq.errors import ConfigError
from samhq.progress import print_line

if TYPE_CHECKING:
    from samhq.batch.job import Report, Tally


@Parameter(name="*")
@dataclass(frozen=True)
class JobFlags:
    """How to process many pictures."""

    resume: Annotated[bool, Parameter(negative="")] = False
    """Skip pictures that an earlier run with the same flags finished, if picture and results are unchanged."""

    workers: int = 0
    """Number of processes, each with its own model and one thread (OMP_NUM_THREADS for more). 0: this process."""

    recursive: Annotated[bool, Parameter(alias="-r", negative="")] = False
    """Include pictures in subfolders."""

    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False
    """Print only failures, and show no progress bar."""

    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False
    """Print the name of every written file."""

    def tell(self, report: Report) -> None:
        """The function that prints the outcome of a picture.

        Raises:
            ConfigError: both `quiet` and `verbose`.
        """
        self.check()
        if not self.quiet or report.record.error is not None:
            tell(report)
        for file in report.files if self.verbose else ():
            print_line(f"  {file}")

    def conclude(self, tally: Tally, output: Path) -> int:
        """The exit code; prints a line with the counts and the folder of the results, unless `quiet`."""
        if not self.quiet:
            print_line(conclusion(tally, output), stream=sys.stderr)
        return 1 if tally.failed else 0

    def check(self) -> None:
        """Refuses flags that contradict each other.

        Raises:
            ConfigError: both `quiet` and `verbose`.
        """
        if self.quiet and self.verbose:
            raise ConfigError("Expected --quiet or --verbose, got both. Leave one out.")


@Parameter(name="*")
@dataclass(frozen=True)
class EmbeddingFlags(EmbeddingSettings):
    """The folder of encoded pictures."""


#: The flags' defaults.
PLAIN_JOB, NO_EMBEDDINGS = JobFlags(), EmbeddingFlags()


def tell(report: Report) -> None:
    """Prints a line about a picture: on stdout if it is done, on stderr if it failed."""
    path = report.item.path
    if report.record.error is None:
        print_line(f"{path}: {report.summary}, {report.record.seconds:.2f} s")
    else:
        print_line(f"samhq: {path}: {report.record.error}", stream=sys.stderr)


def conclusion(tally: Tally, output: Path) -> str:
    """How many pictures are done, and where the results are.

    >>> from samhq.batch.job import Tally
    >>> conclusion(Tally(done=3, failed=1), Path("masks"))
    'samhq: 3 done, 1 failed; results in masks'
    """
    counts = (tally.done, "done"), (tally.skipped, "finished before"), (tally.failed, "failed")
    counted = ", ".join(f"{count} {word}" for count, word in counts if count)
    return f"samhq: {counted}; results in {output}" if tally.done + tally.skipped else f"samhq: {counted}"
