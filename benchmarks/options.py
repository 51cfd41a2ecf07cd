"""What the sections share: their flags, the parties that these name, and where records go."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from benchmarks.plain_tiny_vit import PlainTinyViT
from samhq.benchmark.cases import Case, Ours, Party, ours
from samhq.benchmark.peers import Original, Refusal, Transformers
from samhq.benchmark.report import measure, text
from samhq.model.sam import Sam

Maker = Callable[[Sam, str, torch.device], Any]
PEERS: dict[str, Maker] = {
    "sdpa": lambda model, dtype, device: Transformers(model, "sdpa", dtype, device),
    "eager": lambda model, dtype, device: Transformers(model, "eager", dtype, device),
    "original": Original,
    "plain": PlainTinyViT,
}


def parser(description: str | None, *, models: list[str], peers: Iterable[str] = PEERS) -> argparse.ArgumentParser:
    """A command line with the flags of all sections."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", nargs="+", default=models, metavar="NAME", help=f"default: {' '.join(models)}")
    made.add_argument("--dtypes", nargs="+", default=["float32"], help="of ours and of the peers; default: float32")
    made.add_argument("--peers", nargs="*", default=list(peers), choices=list(PEERS), help="default: all")
    made.add_argument("--device", default="cpu", help="cpu or cuda")
    made.add_argument("--threads", type=int, help="of PyTorch; default: its own choice")
    made.add_argument("--rounds", type=int, default=0, help="default: as many as fit into --seconds, at least 3")
    made.add_argument("--seconds", type=float, default=20.0, help="for one case, about")
    made.add_argument("--no-memory", dest="memory", action="store_false", help="leave out the extra call for the peak")
    made.add_argument("--json", type=Path, metavar="FILE", help="append one line a case to FILE")
    return made


def device_of(options: argparse.Namespace) -> torch.device:
    """The device; where there is no such GPU the section ends with a sentence and no error."""
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("skipped: this machine has no CUDA device")
    if options.threads:
        torch.set_num_threads(options.threads)
    return device


class Contest:
    """A model's parties: ours in every dtype, then the peers, each made when it is first needed."""

    def __init__(self, model: Sam, options: argparse.Namespace, device: torch.device) -> None:
        self.ours: list[Ours] = [ours(model, dtype, device) for dtype in options.dtypes]
        self.peers: list[Any] = []
        self.absent: dict[str, str] = {}
        for name in options.peers:
            for dtype in options.dtypes:
                try:
                    self.peers.append(PEERS[name](model, dtype, device))
                except Refusal as reason:
                    self.absent[name] = str(reason)

    def enter(self, take: Callable[[Any], Party]) -> tuple[list[Party], dict[str, str]]:
        """Everybody that can do a piece of work, and the others with their reasons."""
        parties, absent = [take(party) for party in self.ours], dict(self.absent)
        for peer in self.peers:
            try:
                parties.append(take(peer))
            except Refusal as reason:
                absent[f"{peer.name} {peer.dtype}"] = str(reason)
        return parties, absent


def show(case: Case, options: argparse.Namespace, device: torch.device) -> None:
    """Measures a case, prints its table and writes its line."""
    record = measure(case, device, rounds=options.rounds, seconds=options.seconds, memory=options.memory)
    print(text(record), flush=True)
    print(flush=True)
    append(options.json, record)


def append(path: Path | None, record: dict[str, Any]) -> None:
    """One more line of a file of records."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
