"""How weights move: parameter groups, orthogonalised momentum, the learning rate's course, averaged weights.

Knows nothing about losses or data; a network is a list of named tensors here.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from samhq.training.config import TrainConfig

#: Modules whose matrices are not hidden layers: they meet a loss or a table, where Adam does better.
_EDGES = ("token", "embed", "head", "patch_embed", "pe_layer", "attention_biases", "mask_downscaling")

#: What of a group the configuration says; the learning rate is set at every step.
_TOLD = ("weight_decay", "betas", "beta2")


class Muon(torch.optim.Optimizer):
    """Momentum whose matrices are made orthogonal before each step; any other tensor gets AdamW's step.

    Groups carry `orthogonal`; the update of a matrix is scaled to the size an Adam step would have, so that
    both kinds share one learning rate and weight decay.

    Source: Jordan et al., Muon (2024); the scale is that of arXiv 2502.16982.
    """

    def __init__(self, groups: list[dict[str, Any]], lr: float, beta1: float = 0.9, beta2: float = 0.98) -> None:
        super().__init__(
            groups, {"lr": lr, "beta1": beta1, "beta2": beta2, "momentum": 0.95, "eps": 1e-8, "weight_decay": 0.0}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One step for every parameter that has a gradient."""
        del closure
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
                (self._turn if group["orthogonal"] else self._adam)(group, params)

    def _adam(self, group: dict[str, Any], params: list[Tensor]) -> None:
        grads = [p.grad for p in params if p.grad is not None]
        first, second = self._buffers("first", params), self._buffers("second", params)
        step = group["steps"] = group.get("steps", 0) + 1
        torch._foreach_lerp_(first, grads, 1 - group["beta1"])
        torch._foreach_mul_(second, group["beta2"])
        torch._foreach_addcmul_(second, grads, grads, 1 - group["beta2"])
        scale = torch._foreach_sqrt(second)
        torch._foreach_mul_(scale, 1 / math.sqrt(1 - group["beta2"] ** step))
        torch._foreach_add_(scale, group["eps"])
        torch._foreach_addcdiv_(params, first, scale, -group["lr"] / (1 - group["beta1"] ** step))

    def _turn(self, group: dict[str, Any], params: list[Tensor]) -> None:
        momenta = self._buffers("first", params)
        grads = [p.grad for p in params if p.grad is not None]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, momenta, group["momentum"])
        by_shape: dict[tuple[int, ...], list[int]] = defaultdict(list)
        for i, p in enumerate(params):
            by_shape[(p.shape[0], p[0].numel())].append(i)
        for shape, rows in by_shape.items():
            updates = orthogonal(torch.stack([ahead[i].reshape(shape) for i in rows]))
            scale = -group["lr"] * 0.2 * math.sqrt(max(shape))
            for i, update in zip(rows, updates, strict=True):
                params[i].add_(update.view_as(params[i]), alpha=scale)

    def _buffers(self, name: str, params: list[Tensor]) -> list[Tensor]:
        for p in params:
            if name not in self.state[p]:
                self.state[p][name] = torch.zeros_like(p)
        return [self.state[p][name] for p in params]


def orthogonal(matrices: Tensor, steps: int = 5) -> Tensor:
    """Matrices [B,m,n] with the same singular vectors and all singular values near one.

    >>> torch.manual_seed(0); values = torch.linalg.svdvals(orthogonal(torch.randn(1, 8, 16)))
    <torch._C.Generator object at ...>
    >>> bool((values > 0.5).all() and (values < 1.5).all())
    True
    """
    flip = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if flip else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return x.mT if flip else x


def optimiser(learning: Iterable[tuple[str, nn.Parameter]], config: TrainConfig) -> torch.optim.Optimizer:
    """The run's optimiser over the named parameters that learn."""
    groups = parameter_groups(learning, config.weight_decay, config.optimiser == "muon")
    if config.optimiser == "muon":
        return Muon(groups, config.learning_rate, beta2=config.beta2)
    for group in groups:
        del group["orthogonal"]
    kind = torch.optim.Adam if config.optimiser == "adam" else torch.optim.AdamW
    return kind(groups, lr=config.learning_rate, betas=(0.9, config.beta2), fused=_fuses(groups))


def load_optimiser(made: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Goes on from a saved optimiser's moments with the weight decay and betas that this one was made with."""
    told = [{name: group[name] for name in _TOLD if name in group} for group in made.param_groups]
    made.load_state_dict(state)
    for group, own in zip(made.param_groups, told, strict=True):
        group.update(own)


def _fuses(groups: list[dict[str, Any]]) -> bool:
    """Whether one kernel can do the whole step there."""
    return all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])


def parameter_groups(
    named: Iterable[tuple[str, nn.Parameter]], weight_decay: float, orthogonal: bool
) -> list[dict[str, Any]]:
    """Hidden matrices, other matrices, and all else; only matrices decay."""
    hidden, matrices, rest = [], [], []
    for name, p in named:
        if p.ndim < 2 or "embed" in name.split(".")[-2] or "token" in name or "attention_biases" in name:
            rest.append(p)
        elif orthogonal and min(p.shape[0], p[0].numel()) >= 32 and not any(edge in name for edge in _EDGES):
            hidden.append(p)
        else:
            matrices.append(p)
    groups = [(hidden, weight_decay, True), (matrices, weight_decay, False), (rest, 0.0, False)]
    return [{"params": p, "weight_decay": decay, "orthogonal": o} for p, decay, o in groups if p]


def rate(config: TrainConfig, step: int, done: float) -> float:
    """The learning rate at a step, `done` (0..1) of the plan being behind it.

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
    return config.learning_rate * share * min(1.0, (step + 1) / max(1, config.warmup))


class Average:
    """A running average of named parameters, never biased towards their start; with `decay` 0 their last values.

    Buffers (BatchNorm statistics) are not averaged: they belong to the weights that made them and are
    estimated again with the averaged ones.
    """

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], decay: float) -> None:
        self.decay, self.updates = decay, 0
        self.weights = {name: p.detach().clone() for name, p in named}

    @torch.no_grad()
    def update(self, present: Mapping[str, nn.Parameter]) -> None:
        """Takes in the present weights. Early on the average reaches back a tenth of the run."""
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
        """Everything needed to go on."""
        return {"updates": self.updates, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on from a saved average."""
        self.updates = state["updates"]
        for name, value in state["weights"].items():
            self.weights[name].copy_(value)
