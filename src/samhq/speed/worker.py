"""One party in its own process, which works on request.

So each party has its own allocator, its own resident memory and none of the others' imports. They still work in turn:
the others wait for a message.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from samhq.config import ModelConfig
from samhq.errors import SamHQError
from samhq.speed.work import Entrant, Work

if TYPE_CHECKING:
    import numpy as np

    from samhq.speed.measure import Measurement, Peak

OURS = "samhq.speed.ours:Ours"


class PartyError(SamHQError):
    """A party's process ended before it answered."""


@dataclass(frozen=True)
class Setting:
    """The common conditions: the model, the device, PyTorch's threads (0: its own choice)."""

    config: ModelConfig
    device: str = "cpu"
    threads: int = 0
    weights: str = "random"  #: Or "starter" for the weights in the package.


class Seat:
    """A party in its own process, seen from outside: sends it work and receives results."""

    def __init__(self, entrant: Entrant, setting: Setting) -> None:
        self.entrant, self.name, self.absent = entrant, "", ""
        context = get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(
            target=answer_messages, args=(far_end, entrant, setting, list(sys.path)), daemon=True
        )
        self._process.start()
        far_end.close()

    @property
    def label(self) -> str:
        """Name and dtype."""
        return f"{self.name} {self.entrant.dtype}"

    def ready(self) -> bool:
        """Waits until the party has started; returns whether it is available. `absent` gives the reason if not."""
        self.name, self.absent = self._receive()
        return not self.absent

    def take(self, work: Work) -> str:
        """Prepares the party for a piece of work; returns the reason if it cannot do it."""
        return self._ask("take", work)

    def answer(self) -> dict[str, np.ndarray]:
        """The results of the work, float32."""
        return self._ask("answer")

    def run(self) -> Measurement:
        """Does the work once and measures it."""
        return self._ask("run")

    def peak(self) -> Peak | None:
        """Does the work once and measures its memory."""
        return self._ask("peak")

    def run_watched(self) -> tuple[Measurement, Peak | None]:
        """Does the work once and measures time and memory together."""
        return self._ask("run_watched")

    def notes(self) -> dict[str, Any]:
        """Facts that the work found, as JSON values."""
        return self._ask("notes")

    def multiply(self, dtype: str) -> float:
        """Operations per second of one matrix product."""
        return self._ask("multiply", dtype)

    def machine(self) -> dict[str, Any]:
        """The machine and the versions."""
        return self._ask("machine")

    def close(self) -> None:
        """Ends the process."""
        self._pipe.close()  # It ends by itself when nobody listens.
        self._process.join(10)
        if self._process.is_alive():
            self._process.kill()

    def _ask(self, *message: Any) -> Any:
        self._pipe.send(message)
        return self._receive()

    def _receive(self) -> Any:
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionResetError) as error:
            self._process.join(10)
            raise PartyError(
                f"Expected an answer of {self.entrant.maker} in {self.entrant.dtype}, got the end of its process (exit "
                f"code {self._process.exitcode}). What it printed says why; without memory enough, leave it out."
            ) from error


def answer_messages(pipe: Connection, entrant: Entrant, setting: Setting, path: list[str]) -> None:
    """The working side: builds the party, then answers messages until nobody listens."""
    sys.path[:] = path
    if not (entrant.own or entrant.maker.endswith(":Ours")):
        from samhq.allocation import SWITCH

        os.environ[SWITCH] = "0"  # A peer keeps the allocator that its users have.
    import torch

    from samhq.checkpoint.load import load_model
    from samhq.speed.ours import Refusal, random_model

    if setting.threads:
        torch.set_num_threads(setting.threads)
    with torch.inference_mode():
        try:
            model = load_model() if setting.weights == "starter" else random_model(setting.config)
            party = _make(entrant, model, torch.device(setting.device))
        except Refusal as reason:
            pipe.send((entrant.name, str(reason)))
            return
        pipe.send((party.name, ""))
        _Desk(party, torch.device(setting.device)).work(pipe)


def _make(entrant: Entrant, model: Any, device: Any) -> Any:
    module, name = entrant.maker.split(":")
    return getattr(import_module(module), name)(model, entrant.dtype, device, *entrant.options)


class _Desk:
    """A party's answers to messages."""

    def __init__(self, party: Any, device: Any) -> None:
        self.party, self.device, self.task = party, device, None
        self.yardsticks: dict[str, tuple[Any, int]] = {}

    def work(self, pipe: Connection) -> None:
        while True:
            try:
                verb, *arguments = pipe.recv()
            except (EOFError, ConnectionResetError):
                return
            pipe.send(getattr(self, verb)(*arguments))

    def take(self, work: Work) -> str:
        from samhq.speed.ours import Refusal

        self.task = None  # Free the memory of the one before.
        prepare = getattr(self.party, work.verb, None)
        if prepare is None:
            return f"does no {work.verb}"
        try:
            self.task = prepare(work)
        except Refusal as reason:
            return str(reason)
        return ""

    def answer(self) -> Mapping[str, np.ndarray]:
        assert self.task is not None
        return {name: value.float().cpu().numpy() for name, value in self.task.answer().items()}

    def run(self) -> Measurement:
        from samhq.speed.measure import once

        assert self.task is not None
        return once(self.task.run, self.device)

    def peak(self) -> Peak | None:
        from samhq.speed.measure import peak

        assert self.task is not None
        return peak(self.task.run, self.device)

    def run_watched(self) -> tuple[Measurement, Peak | None]:
        from samhq.speed.measure import peak

        samples: list[Measurement] = []
        measured = peak(lambda: samples.append(self.run()), self.device)
        return (samples or [self.run()])[0], measured

    def notes(self) -> dict[str, Any]:
        assert self.task is not None
        return self.task.notes

    def multiply(self, dtype: str) -> float:
        from samhq.speed.machine import gemm
        from samhq.speed.measure import once

        if dtype not in self.yardsticks:
            self.yardsticks[dtype] = gemm(dtype, self.device)
            self.yardsticks[dtype][0]()
        work, operations = self.yardsticks[dtype]
        return operations / once(work, self.device).seconds

    def machine(self) -> dict[str, Any]:
        from samhq.speed.machine import describe_machine

        return describe_machine(self.device)
