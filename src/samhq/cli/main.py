"""The command `samhq`: its commands, and how errors become one sentence and an exit code.

Nothing heavy is imported before a command runs, so that help is fast.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import Any

from cyclopts import App, CycloptsError, MissingArgumentError, UnknownOptionError

from samhq.cli.spellings import advice_for, renewed
from samhq.cli.whole_numbers import refuse_fractions
from samhq.errors import ConfigError, SamHQError
from samhq.garbage import collect_late
from samhq.progress import warnings_as_lines
from samhq.storage.names import printable
from samhq.threads import let_waiting_threads_sleep

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

#: Every command in the order of the help, and what the list of commands says about it: its docstring's first line.
#: A command is a file of this folder with a function, or an app, of the same name; it is imported when it is used.
COMMANDS = {
    "segment": "Write masks, an overlay and a JSON record for every picture.",
    "everything": "Write masks of everything in every picture, without prompts.",
    "detect": "Find objects by class names or by an example and write their boxes.",
    "track": "Follow objects through a video and write their masks for every frame.",
    "write": "Write finished results for annotation and training tools.",
    "embed": "Encode pictures and store the embeddings, for prompts later.",
    "serve": "Label pictures on a web page, by clicks, boxes, brush and text.",
    "evaluate": "Measure models on a data set: IoU, boundary IoU, thin structures, sizes, clicks; or AP, SegInW, J&F.",
    "train": "Train a model on pictures with masks: HQ tuning, fine-tuning, or from scratch.",
    "benchmark": (
        "Measure encoding, decoding, one click and whole-image segmentation: time, memory, and the share of the limit."
    ),
    "models": (
        "List the models that `--model` knows by name: family, size, source, and whether they are on this machine."
    ),
    "info": "Describe a weights file: model, family, layout, dtype, number of parameters, and missing tensors.",
    "sample": "Write a sample photograph, 600 x 400 pixels: a coffee cup with a spoon.",
    "convert": "Convert weights to another file layout; the values stay the same.",
    "export": "Export a model to ONNX files that run without torch: encoder.onnx and decoder.onnx.",
    "data": "Check a data set, or make a drawn one.",
    "batch": "Segment any number of pictures, on one machine or many.",
}
APPS = ("data", "batch")  #: Commands with commands of their own.
#: Commands that import much before their work begins, and then call `collect_as_usual`.
LOADING = ("segment", "everything", "track", "embed", "serve", "train")


def _version() -> str:
    from importlib.metadata import version

    return version("samhq")


def _app(*, for_list: bool) -> App:
    """The application. The list of commands takes each command's help from `COMMANDS`; this imports no command."""
    application = App(
        name="samhq",
        help=(
            "Segment pictures and videos by points, boxes, masks or class names, with SAM, SAM-HQ, Light HQ-SAM, "
            "MobileSAM, SlimSAM, SAM 2 and HQ-SAM 2."
        ),
        help_epilogue="Exit code 0: done, 1: failed in part, 2: wrong use, 130: interrupted.",
        help_format="plaintext",
        help_formatter=_Help(),
        version=_version,
        version_flags=("--version", "-V"),
        result_action="return_value",
        print_error=False,
        exit_on_error=False,
        suppress_keyboard_interrupt=False,
        config=refuse_fractions,
    )
    for name, line in COMMANDS.items():
        options: dict[str, Any] = {} if name in APPS else {"help_epilogue": ""}
        application.command(f"samhq.cli.{name}:{name}", name=name, help=line if for_list else None, **options)
    application.register_install_completion_command()
    return application


class _Help:
    """Formats help as cyclopts does, but makes one paragraph of a flag's text, however the source breaks its lines.

    Imports rich only when help is printed.
    """

    def __call__(self, console: Any, options: Any, panel: Any) -> None:
        """Prints a table of commands, arguments or flags."""
        from cyclopts.help import DefaultFormatter, InlineText
        from rich.text import Text

        for entry in panel.entries:
            text = entry.description.primary_renderable if isinstance(entry.description, InlineText) else None
            if isinstance(text, Text):
                entry.description.primary_renderable = Text(" ".join(text.plain.split()))
        DefaultFormatter()(console, options, panel)

    def render_usage(self, console: Any, options: Any, usage: Any) -> None:
        """Prints the line of usage."""
        from cyclopts.help import DefaultFormatter

        DefaultFormatter().render_usage(console, options, usage)


app = _app(for_list=False)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (by default that of this process); returns its exit code. Each error becomes one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # A file name may be bytes that are no valid text.
    let_waiting_threads_sleep()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if arguments is None and given[:1] and given[0] in LOADING:
        collect_late()
    with warnings_as_lines():
        return _exit_code(given)


def _exit_code(arguments: list[str]) -> int:
    """Runs a command line and returns its exit code; each error becomes one sentence."""
    try:
        _check_no_empty(arguments)
        # The parser would take a lone hyphen for an option.
        chosen = app if any(word in COMMANDS for word in arguments) else _app(for_list=True)
        code = chosen(["stdin:" if word == "-" else word for word in renewed(arguments, _note)]) or DONE
        sys.stdout.flush()
        return code
    except CycloptsError as error:
        error.verbose = False
        return _say(f"{_words(error)} See {_help(error)}.", WRONG_USE)
    except SamHQError as error:
        return _say(str(error), WRONG_USE)
    except BrokenPipeError:  # The reader, such as `head`, closed the pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except OSError as error:
        return _say(_of_system(error), FAILED)
    except KeyboardInterrupt:
        return _say("stopped; every file written so far is whole.", INTERRUPTED)


#: What to do about errors of the system.
_SPACE, _PLACE = "Free some space", "Choose a folder that you may write to"
_REMEDIES = {
    **dict.fromkeys((errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)), _SPACE),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), _PLACE),
}


def _of_system(error: OSError) -> str:
    """The sentence about a file that the system does not let us read or write."""
    place = "" if error.filename is None else f" ({error.filename})"
    remedy = _REMEDIES.get(error.errno or 0, "Correct this")
    reason = error.strerror or str(error)
    return f"Expected files that can be read and written, got: {reason}{place}. {remedy}, and repeat the command."


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
        name = before if before.startswith("-") else "an argument"
        name = flag if empty else name
        if (not argument or empty) and name not in _TEXTS:
            raise ConfigError(f"Expected a value for {name}, got an empty one. Check the variable that it comes from.")


def _note(line: str) -> None:
    print(f"samhq: {line}", file=sys.stderr)


def _say(sentence: str, code: int) -> int:
    print("samhq: " + "\n".join(map(printable, sentence.splitlines())), file=sys.stderr)
    return code


def _words(error: CycloptsError) -> str:
    """The parser's sentence; for an argument that was left out a plainer one."""
    sentence = str(error)
    if isinstance(error, UnknownOptionError):
        advice = advice_for("".join((error.command_chain or ())[:1]), error.token.keyword or error.token.value)
        return f"{sentence.split(' Did you mean')[0]} {advice}." if advice else sentence
    if not isinstance(error, MissingArgumentError) or error.argument is None or "Did you mean" in sentence:
        return sentence
    given = error.keyword is not None or bool(error.argument.tokens)
    return sentence if given else f"Expected {error.argument.name}, got none."


def _help(error: CycloptsError) -> str:
    return " ".join(["samhq", *(error.command_chain or ()), "--help"])
