"""What the sections share: their flags, the parties that these name, and where records go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from samhq.config import ModelConfig
from samhq.speed.contest import Contest
from samhq.speed.machine import has_bfloat16, instructions
from samhq.speed.report import text
from samhq.speed.work import Entrant, Work
from samhq.speed.worker import OURS, Setting

TRANSFORMERS, ORIGINAL = "benchmarks.peers:Transformers", "benchmarks.peers:Original"
SAM2 = {TRANSFORMERS: "benchmarks.peers_sam2:Transformers2"}  #: The classes for SAM 2.

PEERS = {
    "sdpa": (TRANSFORMERS, "sdpa"),
    "eager": (TRANSFORMERS, "eager"),
    "original": (ORIGINAL,),
    "as-transformers": ("benchmarks.interfaces:AsTransformers",),
    "as-predictor": ("benchmarks.interfaces:AsPredictor",),
    "plain": ("benchmarks.plain_tiny_vit:PlainTinyViT",),
}


def parser(description: str | None, *, models: list[str], peers: Iterable[str] = PEERS) -> argparse.ArgumentParser:
    """A command line with the flags of all sections."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", nargs="+", default=models, metavar="NAME", help=f"default: {' '.join(models)}")
    made.add_argument("--dtypes", nargs="+", default=["float32"], help="of ours; default: float32; auto: all fast ones")
    made.add_argument("--peers", nargs="*", default=list(peers), choices=list(PEERS), help="default: all")
    made.add_argument("--peer-dtypes", nargs="+", help="of the peers; default: as ours")
    made.add_argument("--device", default="cpu", help="cpu or cuda")
    made.add_argument("--threads", type=int, default=0, help="of PyTorch; default: its own choice")
    made.add_argument("--rounds", type=int, default=0, help="default: as many as fit into --seconds, at least 3")
    made.add_argument("--seconds", type=float, default=20.0, help="for one case, about")
    made.add_argument("--no-memory", dest="memory", action="store_false", help="leave out the extra call for the peak")
    made.add_argument("--json", type=Path, metavar="FILE", help="append one line a case to FILE")
    return made


def contest(config: ModelConfig, options: argparse.Namespace) -> Contest:
    """The parties that the flags name."""
    has_device(options)
    return Contest(
        entrants_of(options, SAM2 if config.second else None), Setting(config, options.device, options.threads)
    )


def entrants_of(options: argparse.Namespace, makers: Mapping[str, str] | None = None) -> list[Entrant]:
    """Ours in every dtype, then the peers in every dtype; `makers` may name others in their place."""
    named, dtypes = makers or {}, fast_dtypes(options) if options.dtypes == ["auto"] else options.dtypes
    entrants = [Entrant(named.get(OURS, OURS), dtype) for dtype in dtypes]
    for name in options.peers:
        maker, *more = PEERS[name]
        own = name.startswith("as-")
        entrants += [
            Entrant(named.get(maker, maker), dtype, tuple(more), own) for dtype in options.peer_dtypes or dtypes
        ]
    return entrants


def fast_dtypes(options: argparse.Namespace) -> list[str]:
    """float32, and bfloat16 where the device has arithmetic for it."""
    return ["float32", "bfloat16"] if options.device != "cpu" or has_bfloat16(instructions()) else ["float32"]


def has_device(options: argparse.Namespace) -> None:
    """Ends with a sentence, not an error, where there is no such GPU."""
    if options.device.startswith("cuda"):
        import torch

        if not torch.cuda.is_available():
            raise SystemExit("skipped: this machine has no CUDA device")


def show(parties: Contest, work: Work, options: argparse.Namespace) -> None:
    """Measures a piece of work, prints its table and writes its line."""
    record = parties.measure(work, rounds=options.rounds, seconds=options.seconds, memory=options.memory)
    print(text(record), end="\n\n", flush=True)
    append(options.json, record)


def append(path: Path | None, record: dict[str, Any]) -> None:
    """One more line of a file of records."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
