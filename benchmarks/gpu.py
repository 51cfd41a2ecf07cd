"""A GPU in one run of less than ten minutes: a line a case, and with --json a JSON line as soon as it is known.

Encoding of ViT-H, B, L, Hiera-L and TinyViT for 1 and 16 pictures, decoding of 1, 64 and 1024 boxes, and whole-image
masks; the most important cases first, so that a run that ends early has them. Parties: samhq as it is, with
convolutions' weights as in files ("channels first"), compiled, and with CUDA graphs; transformers eager, with SDPA and
compiled. All get the same random weights in the same number type. "First" is the first call, with compilation. "Of
limit" is the share of the rate of the device's own large matrix products in the same type. A case that fails (memory,
a missing package, a first call that takes too long) says why, and the next one runs.

    python benchmarks/gpu.py --json gpu.jsonl
    python benchmarks/gpu.py --device cpu --small --dtype float32       # shows that the script runs
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.everything import Everything
from benchmarks.everything_parties import Ours, Transformers
from benchmarks.peers_sam2 import Transformers2
from samhq.config import ModelConfig, model_config
from samhq.model.compiled import compile_parts
from samhq.model.sam import Sam
from samhq.speed.machine import describe_machine, gemm
from samhq.speed.ours import Refusal, random_model
from samhq.speed.work import Decode, Encode, Work, decoder_only

PARTIES = (
    "samhq",
    "samhq channels first",
    "samhq compiled",
    "samhq graphs",
    "transformers sdpa",
    "transformers eager",
    "transformers compiled",
)
PLAIN, COMPILED = ("samhq", "transformers sdpa"), ("samhq compiled", "transformers compiled")
OTHERS = ("samhq graphs", "samhq channels first", "transformers eager")
SIZE = (1500, 1000)  #: Of the picture for whole-image masks: width and height.


@dataclass(frozen=True)
class Group:
    """Pieces of work for one model, and who does them: each party is made once for all of the work."""

    config: ModelConfig
    parties: tuple[str, ...]
    works: tuple[Work, ...]


def main(arguments: list[str] | None = None) -> None:
    """All cases that begin in time."""
    options = flags().parse_args(arguments)
    ends, device = time.monotonic() + 60 * options.minutes, torch.device(options.device)
    product, operations = gemm(options.dtype, device)
    rate = operations / repeated(product, device, options.seconds)
    write({"machine": describe_machine(device), "dtype": options.dtype, "tflops": rate / 1e12}, options.json)
    with tempfile.TemporaryDirectory() as folder:
        for group in plan(picture_in(Path(folder)), small=options.small):
            for record in measured(group, options, device, rate, ends):
                record |= {"device": str(device), "dtype": options.dtype}
                write(record, options.json)
                print(line(record), flush=True)
            if time.monotonic() > ends:
                print("stopped: the time is over", flush=True)
                return


def flags() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda or cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--parties", nargs="+", default=list(PARTIES), choices=PARTIES)
    parser.add_argument("--minutes", type=float, default=9.0, help="begin no case later than this")
    parser.add_argument("--seconds", type=float, default=2.0, help="for the repetitions of a case, about")
    parser.add_argument("--first", type=float, default=90.0, help="seconds that a first call may take")
    parser.add_argument("--small", action="store_true", help="only decoding of few boxes, and 2 x 2 points")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append one line a case to FILE")
    return parser


def plan(picture: str, *, small: bool) -> Iterator[Group]:
    """The cases, the most important first; compiled parties come after those that start at once."""
    decoder = decoder_only(model_config("sam_hq_vit_b"))
    if small:
        works = (Encode(decoder, 1), *decodes(decoder, 1, 4), everything(decoder, picture, 2))
        yield Group(decoder, PARTIES, works)
        return
    huge, large, base, hiera, light = map(
        model_config, ("sam_hq_vit_h", "sam_hq_vit_l", "sam_hq_vit_b", "sam2.1_hiera_large", "sam_hq_vit_tiny")
    )
    yield Group(huge, PLAIN, encodes(huge))
    yield Group(decoder, PLAIN, decodes(decoder))
    yield Group(base, PLAIN, (*encodes(base), everything(base, picture, 32)))
    yield Group(huge, COMPILED, (Encode(huge, 16),))
    yield Group(decoder, (*COMPILED, "samhq graphs"), decodes(decoder))
    yield Group(hiera, PLAIN, encodes(hiera))
    yield Group(large, PLAIN, encodes(large))
    yield Group(base, ("samhq graphs", *COMPILED), (*encodes(base), everything(base, picture, 32)))
    yield Group(base, OTHERS[1:], encodes(base))
    yield Group(light, ("samhq", "samhq channels first", "samhq graphs"), encodes(light))
    yield Group(decoder, ("transformers eager",), decodes(decoder))
    yield Group(hiera, COMPILED, (Encode(hiera, 16), Encode(hiera, 1)))
    yield Group(huge, ("samhq graphs", "transformers eager"), (Encode(huge, 1), Encode(huge, 16)))
    yield Group(large, COMPILED, (Encode(large, 16),))


def encodes(config: ModelConfig) -> tuple[Work, ...]:
    """Pictures in a batch, and one."""
    return Encode(config, 16), Encode(config, 1)


def decodes(config: ModelConfig, *counts: int) -> tuple[Work, ...]:
    """Boxes of one picture, with HQ masks."""
    return tuple(Decode(config, count, hq="add") for count in counts or (1, 64, 1024))


def everything(config: ModelConfig, picture: str, points: int) -> Everything:
    """A grid of points whose masks are all computed."""
    return Everything(config, picture, SIZE, points, pred_iou_thresh=0.0, stability_score_thresh=0.95)


def picture_in(folder: Path) -> str:
    """A smooth random picture in a file."""
    noise = np.random.default_rng(3).integers(0, 256, (12, 18, 3), np.uint8)
    Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC).save(folder / "picture.png")
    return str(folder / "picture.png")


def measured(
    group: Group, options: argparse.Namespace, device: torch.device, rate: float, ends: float
) -> Iterator[dict[str, Any]]:
    """A record for each party and piece of work that begins before `ends`."""
    model: Sam | None = None
    for name in group.parties:
        if name not in options.parties or time.monotonic() > ends:
            continue
        made: Any = None
        try:
            model = model or random_model(group.config)
            made = party(name, copy.deepcopy(model), options.dtype, device)
            reason = "not made"
        except Exception as error:  # noqa: BLE001 - one failed party must not end the others
            reason = short(error)
        for work in group.works:
            if time.monotonic() > ends:
                break
            about = {"party": name, "model": work.config.name, "case": work.case, **work.facts()}
            yield about | ({"failed": reason} if made is None else timings(made, work, options, device, rate))
        del made
        cleaned(device, name)


def cleaned(device: torch.device, name: str) -> None:
    """Frees what a party held; compiled code and its graphs hold memory, too."""
    if name.endswith(("compiled", "graphs")):
        torch._dynamo.reset()
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def party(name: str, model: Sam, dtype: str, device: torch.device) -> Any:
    """The party of this name with the model's weights."""
    kind = name.partition(" ")[2]
    if name.startswith("samhq"):
        ours = Ours(model, dtype, device)
        if kind == "channels first":
            for module in ours.model.modules():
                if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
                    module.weight.data = module.weight.data.contiguous()
        if kind in ("compiled", "graphs"):
            compile_parts(ours.model, graphs=kind == "graphs")
        return ours
    maker = Transformers2 if model.config.second else Transformers
    theirs = maker(model, dtype, device, "eager" if kind == "eager" else "sdpa")
    if kind == "compiled":
        theirs.model.vision_encoder.compile(dynamic=False)
        theirs.model.mask_decoder.compile(dynamic=True)
    return theirs


def timings(made: Any, work: Work, options: argparse.Namespace, device: torch.device, rate: float) -> dict[str, Any]:
    """Seconds of the first call, their median after it, share of the limit, peak memory; or why there are none."""
    if not hasattr(made, work.verb):
        return {"failed": "does not do this"}
    try:
        with torch.inference_mode():
            run = getattr(made, work.verb)(work).run
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            with at_most(options.first):
                first = timed(run, device)
            seconds = repeated(run, device, options.seconds)
    except Exception as error:  # noqa: BLE001 - one failed case must not end the others
        gc.collect()
        return {"failed": short(error)}
    record: dict[str, Any] = {"first_s": first, "seconds": seconds, "a_second": work.count / seconds}
    if flops := work.flops():
        record["of_limit"] = flops / seconds / rate
    if device.type == "cuda":
        record["peak_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return record


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Raises TimeoutError in the block after so many seconds; only where the system has alarms."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def stop(*_: Any) -> None:
        raise TimeoutError(f"the first call took more than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def repeated(run: Callable[[], Any], device: torch.device, seconds: float) -> float:
    """The median of as many calls as fit into about so many seconds, 3 to 50, after two calls that do not count."""
    timed(run, device)
    once = timed(run, device)
    return statistics.median(timed(run, device) for _ in range(max(3, min(50, int(seconds / max(once, 1e-6))))))


def timed(run: Callable[[], Any], device: torch.device) -> float:
    """Seconds of one call until the device has finished it."""
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.synchronize(device)
    started = time.perf_counter()
    run()
    if cuda:
        torch.cuda.synchronize(device)
    return time.perf_counter() - started


def short(error: Exception) -> str:
    """An error in one line; a refusal is a reason, not an error."""
    words = str(error).partition("\n")[0][:200]
    return words if isinstance(error, (Refusal, TimeoutError)) else f"{type(error).__name__}: {words}"


def write(record: dict[str, Any], file: Path | None) -> None:
    """Appends a JSON line; without a file the machine's line is printed."""
    if file is not None:
        with file.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(record) + "\n")
    if "machine" in record:
        print(json.dumps(record["machine"]))
        print(f"matrix products, {record['dtype']}: {record['tflops']:.2f} TFLOP/s", flush=True)


def line(record: dict[str, Any]) -> str:
    """A record for people."""
    count = record.get("images") or record.get("prompts") or record.get("points_per_side") or ""
    what = f"{record['model']}, {record['case']} {count}, {record['party']}"
    if "failed" in record:
        return f"{what}: {record['failed']}"
    limit = f", {record['of_limit']:.0%} of limit" if "of_limit" in record else ""
    peak = f", peak {record['peak_mb']:.0f} MB" if "peak_mb" in record else ""
    first = f"first {record['first_s']:.2f} s, then {1e3 * record['seconds']:.1f} ms"
    return f"{what}: {first}, {record['a_second']:.1f} a second{limit}{peak}"


if __name__ == "__main__":
    main()
