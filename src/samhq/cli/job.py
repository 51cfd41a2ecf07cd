"""Flags of commands that work through many pictures, and how those tell what they do."""

from __future__ import annotations

import sys
from dataclasses import dataclass
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
    """How many pictures are worked through."""

    resume: Annotated[bool, Parameter(negative="")] = False
    """Skip what an earlier run with the same flags finished, where picture and results are still the same."""

    workers: int = 0
    """Processes, each with its own model and one thread (OMP_NUM_THREADS for more); 0: this one, with all cores."""

    recursive: Annotated[bool, Parameter(alias="-r", negative="")] = False
    """Take pictures in subfolders too."""

    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False
    """Say only what failed."""

    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False
    """Name every file that is written."""

    def tell(self, report: Report) -> None:
        """What is said about a picture.

        Raises:
            ConfigError: both `quiet` and `verbose`.
        """
        self.check()
        if not self.quiet or report.record.error is not None:
            tell(report)
        for file in report.files if self.verbose else ():
            print_line(f"  {file}")

    def conclude(self, tally: Tally) -> int:
        """The exit code, after a line of counts where several pictures were worked through."""
        return (1 if tally.failed else 0) if self.quiet else conclude(tally)

    def check(self) -> None:
        """Refuses flags that say the opposite of each other.

        Raises:
            ConfigError: both `quiet` and `verbose`.
        """
        if self.quiet and self.verbose:
            raise ConfigError("Expected --quiet or --verbose, got both. Leave one out.")


@Parameter(name="*")
@dataclass(frozen=True)
class EmbeddingFlags(EmbeddingSettings):
    """Where encoded pictures come from."""


#: What the flags are when none is given.
PLAIN_JOB, NO_EMBEDDINGS = JobFlags(), EmbeddingFlags()


def tell(report: Report) -> None:
    """A line for a picture that is done on stdout, for one that failed on stderr."""
    path = report.item.path
    if report.record.error is None:
        print_line(f"{path}: {report.said}, {report.record.seconds:.2f} s")
    else:
        print_line(f"samhq: {path}: {report.record.error}", stream=sys.stderr)


def conclude(tally: Tally) -> int:
    """The exit code, after a line on stderr of how many pictures were done, where that is not plain to see."""
    several = tally.done + tally.skipped + tally.failed > 1
    if several or tally.skipped:
        counts = (tally.done, "done"), (tally.skipped, "finished before"), (tally.failed, "failed")
        print_line("samhq: " + ", ".join(f"{count} {what}" for count, what in counts if count), stream=sys.stderr)
    return 1 if tally.failed else 0
