"""A GPU in one run of less than ten minutes: a line a case, and with --json a JSON line.

Encoding of ViT-B, L, H and Hiera-L for 1 and 16 pictures, decoding of 1, 64 and 1024 boxes, and whole-image masks.
Parties: samhq, samhq compiled, and transformers eager, SDPA and compiled, one after the other in one process. Weights
are random. "Of limit" is the share of the rate of the device's own matrix products in the same type. A case that fails
(memory, a missing package) says why, and the next one runs.

    python benchmarks/gpu.py --json gpu.jsonl
    python benchmarks/gpu.py --device cpu --small --dtype float32       # shows that the script runs
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.peers import Transformers
from samhq.config import ModelConfig, model_config
from samhq.model.compiled import compile_parts
from samhq.speed.machine import describe_machine, gemm
from samhq.speed.ours import Ours, random_model
from samhq.speed.work import Decode, Encode, EverythingLoad, Work, decoder_only

ENCODERS = ("sam_hq_vit_b", "sam_hq_vit_l", "sam_hq_vit_h", "sam2.1_hiera_large")
DECODER = "sam_hq_vit_b"
PARTIES = ("samhq", "samhq compiled", "transformers sdpa", "transformers eager", "transformers compiled")


def main(arguments: list[str] | None = None) -> None:
    """All cases that begin in time."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--device", default="cuda", help="cuda or cpu")
    flags.add_argument("--dtype", default="bfloat16", choices=["float32", "bfloat16", "float16"])
    flags.add_argument("--parties", nargs="+", default=list(PARTIES), choices=PARTIES)
    flags.add_argument("--minutes", type=float, default=9.0, help="begin no case later than this")
    flags.add_argument("--seconds", type=float, default=3.0, help="for the repetitions of a case, about")
    flags.add_argument("--small", action="store_true", help="only decoding of few boxes, and 2 x 2 points")
    flags.add_argument("--json", type=Path, metavar="FILE", help="append one line a case to FILE")
    options = flags.parse_args(arguments)
    ends, device = time.monotonic() + 60 * options.minutes, torch.device(options.device)
    product, operations = gemm(options.dtype, device)
    rate = operations / median_seconds(product, device, options.seconds)
    print(json.dumps(describe_machine(device)))
    print(f"matrix products, {options.dtype}: {rate / 1e12:.2f} TFLOP/s", flush=True)
    for work in works(small=options.small):
        for name in options.parties:
            if time.monotonic() > ends:
                print("stopped: the time is over", flush=True)
                return
            record = {"party": name, "model": work.config.name, "case": work.case, **work.facts()}
            record |= measured(name, work, options, device, rate)
            print(line(record), flush=True)
            if options.json is not None:
                with options.json.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | {"device": str(device), "dtype": options.dtype}) + "\n")


def works(*, small: bool) -> Iterator[Work]:
    """The cases, the most important first."""
    decoder = decoder_only(model_config(DECODER))
    if small:
        yield Encode(decoder, 1)
        yield from (Decode(decoder, count, hq="add") for count in (1, 4))
        yield EverythingLoad(decoder, 2)
        return
    for images in (1, 16):
        yield from (Encode(model_config(name), images) for name in ENCODERS)
    yield from (Decode(decoder, count, hq="add") for count in (1, 64, 1024))
    yield EverythingLoad(model_config(DECODER), 32)


def measured(name: str, work: Work, options: argparse.Namespace, device: torch.device, rate: float) -> dict[str, Any]:
    """Median seconds, the share of the limit and the peak of the device's memory; or why there are none."""
    try:
        with torch.inference_mode():
            run = getattr(party(name, work.config, options.dtype, device), work.verb)(work).run
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            seconds = median_seconds(run, device, options.seconds)
    except Exception as error:  # noqa: BLE001 - one failed case must not end the others
        return {"failed": f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"[:200]}
    finally:
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    record: dict[str, Any] = {"seconds": seconds, "a_second": work.count / seconds}
    if flops := work.flops():
        record["of_limit"] = flops / seconds / rate
    if device.type == "cuda":
        record["peak_mb"] = torch.cuda.max_memory_allocated(device) / 1e6
    return record


def party(name: str, config: ModelConfig, dtype: str, device: torch.device) -> Ours | Transformers:
    """The party with random weights, compiled if its name says so."""
    model, compiled = random_model(config), name.endswith("compiled")
    if name.startswith("samhq"):
        return Ours(compile_parts(model) if compiled else model, dtype, device)
    made = Transformers(model, dtype, device, "eager" if name.endswith("eager") else "sdpa")
    if compiled:
        made.model.vision_encoder.compile()
        made.model.mask_decoder.compile(dynamic=True)
    return made


def median_seconds(run: Any, device: torch.device, seconds: float) -> float:
    """The median of as many calls as fit into about so many seconds, at least 3, after two calls that do not count."""
    timed(run, device)
    once = timed(run, device)
    return statistics.median(timed(run, device) for _ in range(max(3, min(50, int(seconds / max(once, 1e-6))))))


def timed(run: Any, device: torch.device) -> float:
    """Seconds of one call until the device has finished it."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    started = time.perf_counter()
    run()
    wait()
    return time.perf_counter() - started


def line(record: dict[str, Any]) -> str:
    """A record for people."""
    count = record.get("images") or record.get("prompts") or ""
    what = f"{record['model']}, {record['case']} {count}, {record['party']}"
    if "failed" in record:
        return f"{what}: {record['failed']}"
    limit = f", {record['of_limit']:.0%} of limit" if "of_limit" in record else ""
    peak = f", peak {record['peak_mb']:.0f} MB" if "peak_mb" in record else ""
    return f"{what}: {1e3 * record['seconds']:.1f} ms, {record['a_second']:.1f} a second{limit}{peak}"


if __name__ == "__main__":
    main()
