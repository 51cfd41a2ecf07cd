"""Old spellings of flags, which work for one more release, and flags of other programs, which get advice.

Knows only words, not what flags do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

#: For each command the old spellings of flags and the new ones.
RENAMED = {
    "train": {"--model": "--arch", "--shape": "--schedule"},
    "evaluate": {"--prompts": "--kinds"},
    "benchmark": {"--prompts": "--decode"},
    "write": {"--embed": "--inline"},
}
#: Flags whose value used to be two words and is now one: `--scale 0.5 1.5` is `--scale 0.5,1.5`.
PAIRS = {"train": ("--scale",)}
_PICTURES = "Pictures and folders come behind the command: samhq everything photos --output out"
_TAKE_PICTURES = ("segment", "everything", "detect", "embed", "track")
#: Flags of other programs (segment-anything's scripts, Ultralytics) that no command here has, and what to write.
OF_OTHERS = {
    "--checkpoint": "Write --model FILE; the file itself says which model it is",
    "--model-type": "Leave it out: the file of --model itself says which model it is",
    "--input": _PICTURES,
    "--source": _PICTURES,
    "--imgsz": "Leave it out: a model sees a square of its own side; --tile cuts large pictures",
    "--conf": "Write --pred-iou-thresh for everything, --threshold for objects by name",
    "--save-txt": "Leave it out, and run samhq write OUT --format yolo --output dataset afterwards",
}
#: Flags of `samhq segment` that no job takes, and what to do.
_NOT_IN_JOBS = {
    "--mask": "A rough mask belongs to one picture: use samhq segment",
    "--crs": "A job's prompts are in pixels: use samhq segment for map coordinates",
}
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.IGNORECASE)


def renewed(arguments: Sequence[str], say: Callable[[str], None]) -> list[str]:
    """The command line with new spellings in place of old ones; `say` gets a line for each old one.

    >>> renewed(["train", "--model=sam_vit_b", "--scale", "0.5", "1.5"], lambda line: None)
    ['train', '--arch=sam_vit_b', '--scale', '0.5,1.5']
    """
    command = next((word for word in arguments if not word.startswith("-")), "")
    names, pairs = RENAMED.get(command, {}), PAIRS.get(command, ())
    words: list[str] = []
    for word in arguments:
        flag, equals, value = word.partition("=")
        if flag in names:
            say(f"{command} {flag} is now {names[flag]}. The old spelling works for one more release.")
            word = names[flag] + equals + value
        elif len(words) > 1 and words[-2] in pairs and _NUMBER.fullmatch(words[-1]) and _NUMBER.fullmatch(word):
            pair = f"{words.pop()},{word}"
            say(f"{command} {words[-1]} takes one word now: {pair}. The old spelling works for one more release.")
            word = pair
        words.append(word)
    return words


def advice_for(command: str, flag: str) -> str:
    """What to write in place of a flag of another program or command; empty for other flags.

    >>> advice_for("segment", "--model_type")
    'Leave it out: the file of --model itself says which model it is'
    """
    name = flag.partition("=")[0].replace("_", "-")
    if command == "batch":
        return _NOT_IN_JOBS.get(name, "")
    return OF_OTHERS.get(name, "") if command in _TAKE_PICTURES else ""
