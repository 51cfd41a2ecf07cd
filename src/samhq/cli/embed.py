"""`samhq embed`: pictures encoded once, for any number of prompts later.

Light until it runs: the network's side is imported inside functions.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.flags import Dtype
from samhq.cli.job import conclude, tell
from samhq.cli.looks import ALL_AS_IT_IS, BandFlags
from samhq.cli.pictures import find_pictures
from samhq.cli.places import make_folder


def embed(
    *images: str,
    output: Annotated[Path, Parameter(alias="-o")],
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    device: str | None = None,
    dtype: Dtype = "float32",
    store: Literal["float32", "float16"] = "float32",
    look: BandFlags = ALL_AS_IT_IS,
    workers: int = 0,
    recursive: Annotated[bool, Parameter(alias="-r", negative="")] = False,
) -> int:
    """Encode pictures and keep what the model knows about them, for prompts later.

    For example: samhq embed photos --output embeddings
    samhq segment photos --prompts objects.json --embeddings embeddings -o masks

    One safetensors file for each picture, found by the content of picture and
    weights, whatever their names. What is there and whole is not encoded again,
    so an interrupted run goes on where it was; what is damaged is made anew.

    Exit code 0: all done. 1: some of several pictures failed. 2: wrong use, such
    as a single picture that cannot be read. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
        output: Folder for the embeddings; made if it is not there. Several runs may share it.
        model: A name that `samhq models` lists, a weights file, a folder or a hub id. [default: the starter in the
            package]
        device: cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]
        dtype: Of the weights, as `samhq segment` and `samhq everything` will be asked: other weights encode anew; auto
            is bfloat16 where the device multiplies it in hardware.
        store: How the numbers are stored; float16 takes half the space and gives nearly the same masks.
        workers: Processes, each with its own model and one thread (OMP_NUM_THREADS for more); 0: this one, with all
            cores.
        recursive: Take pictures in subfolders too.
    """
    from samhq.batch.embed import EmbedWork
    from samhq.batch.job import items_of, run_job
    from samhq.batch.settings import ModelSettings

    pictures = find_pictures(images, output, recursive=recursive)
    make_folder(output)
    items = items_of(pictures)
    work = EmbedWork(output, store, ModelSettings(model, device=device, dtype=dtype), look)
    tally = run_job(items, work, None, workers=workers, keep_going=len(items) > 1, tell=tell)
    return conclude(tally)
