"""`samhq embed`: encodes pictures once, for any number of prompts later.

Imports torch only inside functions, so that help is fast.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from samhq.cli.flags import Dtype
from samhq.cli.job import JobFlags
from samhq.cli.picture_flags import ALL_AS_IT_IS, BandFlags
from samhq.cli.pictures import find_pictures
from samhq.cli.places import make_folder


def embed(
    *images: str,
    output: Annotated[Path, Parameter(alias="-o")],
    model: Annotated[str | None, Parameter(alias="-m")] = None,
    device: str | None = None,
    dtype: Dtype = "float32",
    store: Literal["float32", "float16"] = "float32",
    bands: BandFlags = ALL_AS_IT_IS,
    workers: int = 0,
    recursive: Annotated[bool, Parameter(alias="-r", negative="")] = False,
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False,
) -> int:
    """Encode pictures and store the embeddings, for prompts later.

    For example: samhq embed photos --output embeddings
    samhq segment photos --prompts objects.json --embeddings embeddings -o masks

    Writes one safetensors file for each picture. It belongs to the content of
    picture and weights, whatever their names. A picture with a valid file is not
    encoded again, so an interrupted run continues. A damaged file is replaced.

    Exit code 0: all done. 1: some of several pictures failed. 2: wrong use, such
    as a single picture that cannot be read. 130: interrupted.

    Parameters:
        images: Files, folders, patterns such as '*.jpg', http(s) addresses, or - for the standard input.
        output: Folder for the embeddings. It is created if it does not exist. Several runs may share it.
        model: A name from `samhq models`, a weights file, a folder or a hub id. [default: the starter in the package]
        device: cpu, cuda, cuda:1, mps, ... [default: cuda where there is one, else cpu]
        dtype: Number type of the weights. Give `samhq segment` and `samhq everything` the same one: they encode again
            for another type. auto: bfloat16 if the device multiplies it faster, else float32.
        store: Number type of stored embeddings. float16 takes half the space and gives nearly the same masks.
        workers: Number of processes, each with its own model and one thread (OMP_NUM_THREADS for more). 0: this
            process, with all cores.
        recursive: Include pictures in subfolders.
        quiet: Print only failures, and show no progress bar.
    """
    from samhq.batch.embed import EmbedWork
    from samhq.batch.job import items_of, run_job
    from samhq.batch.settings import ModelSettings

    pictures = find_pictures(images, output, recursive=recursive)
    make_folder(output)
    items = items_of(pictures)
    work = EmbedWork(output, store, ModelSettings(model, device=device, dtype=dtype), bands)
    job, several = JobFlags(quiet=quiet), len(items) > 1
    tally = run_job(items, work, None, workers=workers, keep_going=several, tell=job.tell, progress=not quiet)
    return job.conclude(tally, output)
