"""Parties for the tests: they work in processes of their own, so they live in a module that those can import."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import torch

from samhq.model.sam import Sam
from samhq.speed.ours import Ours, Refusal, Workload
from samhq.speed.work import Click, Decode, Encode


class Odd(Ours):
    """This library with mistakes: other scores, no encoder, and a process that ends in the middle of a click."""

    name = "odd"

    def decoding(self, work: Decode) -> Workload:
        task = super().decoding(work)

        def answer() -> dict[str, torch.Tensor]:
            found = task.answer()
            return {**found, "iou": found["iou"] + 1e-3}

        return replace(task, answer=answer)

    def encoding(self, work: Encode) -> Workload:
        raise Refusal("encodes nothing")

    def clicking(self, work: Click) -> Workload:
        def run() -> Any:
            os._exit(3)

        return replace(super().clicking(work), run=run)


class Absent:
    """Never there."""

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        raise Refusal("not installed")
