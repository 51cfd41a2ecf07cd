"""Updates of weights: parameter groups, the learning rate over time, averaged weights.

Knows nothing about losses or data; here a network is a list of named tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn

from samhq.training.config import TrainConfig

#: Settings of a group that come from the configuration; the learning rate is set at every step.
_CONFIGURED = ("weight_decay", "betas", "highest", "wait")
#: Prefixes of the image encoder's names, and of the parts after its pre-trained part.
ENCODER = "image_encoder."
#: The learning rate rises for at most this share of the plan, so that short runs reach the highest one.
_LONGEST_RISE = 0.1
NECK = ("image_encoder.neck.", "image_encoder.fine.")


def optimiser(learning: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> torch.optim.Optimizer:
    """The run's optimiser over the named parameters that learn."""
    groups = parameter_groups(learning, config)
    kind = torch.optim.Adam if config.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=_fuses(groups))


def load_optimiser(torch_optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Loads a saved optimiser's moments; keeps the weight decay and betas of this optimiser."""
    settings = [{name: group[name] for name in _CONFIGURED if name in group} for group in torch_optimiser.param_groups]
    torch_optimiser.load_state_dict(state)
    for group, kept in zip(torch_optimiser.param_groups, settings, strict=True):
        group.update(kept)


def _fuses(groups: list[dict[str, Any]]) -> bool:
    """Whether one kernel can do the whole step on this device."""
    return all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])


def parameter_groups(named: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> list[dict[str, Any]]:
    """Matrices, which decay, and all other parameters; the image encoder separately if it has its own learning rate.

    A group's `highest` is its highest learning rate, `wait` the number of steps before it begins to learn.
    """
    separate_encoder = config.encoder_rate is not None or config.encoder_wait > 0
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in named:
        encoder = separate_encoder and name.startswith(ENCODER) and not name.startswith(NECK)
        groups.setdefault((encoder, _decays(name, parameter)), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": config.weight_decay if decays else 0.0,
            "highest": (config.encoder_rate or config.learning_rate) if encoder else config.learning_rate,
            "wait": config.encoder_wait if encoder else 0,
        }
        for (encoder, decays), parameters in groups.items()
    ]


def _decays(name: str, parameter: nn.Parameter) -> bool:
    table = "embed" in name.split(".")[-2:][0] or "token" in name or "attention_biases" in name
    return parameter.ndim >= 2 and not table


def set_rates(torch_optimiser: torch.optim.Optimizer, config: TrainConfig, step: int, done: float) -> float:
    """Sets every group's learning rate for a step after the share `done` (0..1) of the plan; returns the first."""
    share = rate(config, step, done) / config.learning_rate
    for group in torch_optimiser.param_groups:
        warm_share = min(1.0, max(0.0, (step + 1 - group["wait"]) / max(1, config.warmup))) if group["wait"] else 1.0
        group["lr"] = group["highest"] * share * warm_share
    return share * config.learning_rate


def rate(config: TrainConfig, step: int, done: float) -> float:
    """The learning rate at a step, with the share `done` (0..1) of the plan finished.

    It rises for `warmup` steps or a tenth of the plan, whichever is shorter.

    >>> rate(TrainConfig(learning_rate=1.0, warmup=10), 4, 0.0)
    0.5
    >>> round(rate(TrainConfig(learning_rate=1.0, final_rate=0.01), 99, 1.0), 3)
    0.01
    """
    fall = min(1.0, max(0.0, (done - config.hold) / max(1e-9, 1 - config.hold)))
    if config.shape == "step":
        left = float(done < config.hold - 1e-9)
    else:
        left = 1 - fall if config.shape == "linear" else 0.5 * (1 + math.cos(math.pi * fall))
    share = config.final_rate + (1 - config.final_rate) * left
    return config.learning_rate * share * min(1.0, max((step + 1) / max(1, config.warmup), done / _LONGEST_RISE))


class Average:
    """A running average of named parameters, without bias towards their start; with `decay` 0 their last values.

    Buffers (BatchNorm statistics) are not averaged: they belong to the weights that produced them, and are estimated
    again for averaged weights.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: p.detach().clone() for name, p in named}

    @torch.no_grad()
    def update(self, present: Mapping[str, nn.Parameter]) -> None:
        """Adds the present weights. Early in the run the average spans a tenth of the run so far."""
        self.updates += 1
        decay = min(self.decay, 1 - 10 / (self.updates + 10))
        torch._foreach_lerp_(list(self.weights.values()), [present[name] for name in self.weights], 1 - decay)

    def apply_to(self, model: nn.Module) -> None:
        """Writes the averaged weights into a network."""
        with torch.no_grad():
            for name, p in model.named_parameters():
                if name in self.weights:
                    p.copy_(self.weights[name])

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continues from a saved average."""
        self.updates = state["updates"]
        for name, value in state["weights"].items():
            self.weights[name].copy_(value)
