"""The command `samhq`: its commands, and how errors become one sentence and an exit code.

Nothing heavy is imported before a command runs, so that help is fast.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from cyclopts import App, CycloptsError

from samhq.cli.batch import batch
from samhq.cli.benchmark import benchmark
from samhq.cli.convert import convert
from samhq.cli.data import data
from samhq.cli.detect import detect
from samhq.cli.embed import embed
from samhq.cli.evaluate import evaluate
from samhq.cli.everything import everything
from samhq.cli.export import export
from samhq.cli.info import info
from samhq.cli.models import models
from samhq.cli.sample import sample
from samhq.cli.segment import segment
from samhq.cli.serve import serve
from samhq.cli.spellings import renewed
from samhq.cli.track import track
from samhq.cli.train import train
from samhq.cli.write import write
from samhq.errors import ConfigError, SamHQError
from samhq.storage.names import printable

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="samhq",
    help="Segment pictures by points, boxes and masks, with SAM, SAM-HQ, Light HQ-SAM, MobileSAM and SlimSAM.",
    help_epilogue="Exit code 0: done, 1: failed in part, 2: wrong use, 130: interrupted.",
    help_format="plaintext",
    version=lambda: version("samhq"),
    version_flags=("--version", "-V"),
    result_action="return_value",
    print_error=False,
    exit_on_error=False,
    suppress_keyboard_interrupt=False,
)
for command in (
    segment,
    everything,
    detect,
    track,
    write,
    embed,
    serve,
    evaluate,
    train,
    benchmark,
    models,
    info,
    sample,
    convert,
    export,
):
    app.command(command, help_epilogue="")
app.command(data)
app.command(batch)
app.register_install_completion_command()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (by default that of this process); returns its exit code. Each error becomes one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # A file name may be bytes that are no valid text.
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _check_no_empty(given)
        # The parser would take a lone hyphen for an option.
        code = app(["stdin:" if word == "-" else word for word in renewed(given, _note)]) or DONE
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        error.verbose = False
        return _say(f"{error} See {_help(error)}.", WRONG_USE)
    except SamHQError as error:
        return _say(str(error), WRONG_USE)
    except BrokenPipeError:  # The reader, such as `head`, closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _say(f"cannot go on: {error}", FAILED)
    except KeyboardInterrupt:
        return _say("stopped; every file written so far is whole.", INTERRUPTED)


#: Flags whose value may be empty.
_TEXTS = ("--image-url", "--loss", "--source-weights")


def _check_no_empty(arguments: Sequence[str]) -> None:
    """Refuses an empty argument, such as an unset shell variable gives: as a path it would mean the current folder.

    Raises:
        ConfigError: there is one.
    """
    for before, argument in zip(["", *arguments], arguments, strict=False):
        flag, equals, value = argument.partition("=")
        empty = flag.startswith("--") and equals and not value
        name = flag if empty else before if before.startswith("-") else "an argument"
        if (not argument or empty) and name not in _TEXTS:
            raise ConfigError(f"Expected a value for {name}, got an empty one. Check the variable that it comes from.")


def _note(line: str) -> None:
    print(f"samhq: {line}", file=sys.stderr)


def _say(sentence: str, code: int) -> int:
    print("samhq: " + "\n".join(map(printable, sentence.splitlines())), file=sys.stderr)
    return code


def _help(error: CycloptsError) -> str:
    return " ".join(["samhq", *(error.command_chain or ()), "--help"])
