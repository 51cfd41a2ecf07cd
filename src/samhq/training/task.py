"""The loss of a batch: pictures encoded or taken as features, prompts in rounds, masks compared with the truth.

A step runs only this module, so that wrappers of modules (several GPUs, mixed precision) wrap everything. Draws from
torch's global generator. Knows nothing about optimisers, files or the source of batches.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from samhq.model.sam import Sam
from samhq.training.config import TrainConfig
from samhq.training.data import TrainingBatch
from samhq.training.losses import Losses, mean_pooled, prompt_losses
from samhq.training.prompts import corrected
from samhq.types import ImageEmbedding, Prompts


class TrainingTask(nn.Module):
    """A network and the loss of its masks."""

    def __init__(self, sam: Sam, config: TrainConfig) -> None:
        super().__init__()
        self.sam, self.config = sam, config

    def forward(self, batch: TrainingBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of all prompts, rounds of correction included, and its parts for the log."""
        embedding = self.embedding(batch)
        first, masks = self.judge(embedding, batch.prompts, batch.targets, batch.ambiguous)
        parts = dict(first.parts)
        for name, rows in (("point", batch.ambiguous), ("box", _boxed(batch.prompts))):
            if bool(rows.any()):
                parts[f"iou_{name}"] = first.true_iou[rows].mean()
        total, count = first.total, round(self.config.correct * len(masks))
        if count:
            rows = torch.randperm(len(masks), device="cpu")[:count].to(masks.device)
            prompts, targets, masks = batch.prompts[rows], batch.targets[rows], masks[rows]
            low, clear = mean_pooled(targets, masks.shape[-1]), torch.zeros_like(batch.ambiguous[rows])
            for _ in range(self.config.rounds):
                prompts = corrected(prompts, masks, low)
                corrected_losses, masks = self.judge(embedding, prompts, targets, clear)
                total = (
                    total
                    + self.config.weights.corrected * self.config.correct * corrected_losses.total / self.config.rounds
                )
                parts["iou_again"] = corrected_losses.true_iou.mean()
        parts["loss"] = total
        return total, {name: value.detach() for name, value in parts.items()}

    def embedding(self, batch: TrainingBatch) -> ImageEmbedding:
        """The embedding of the batch's pictures, from features if the batch has them."""
        if batch.features is None:
            assert batch.pixels is not None
            self.sam.check_pixels(batch.pixels)
            pixels = batch.pixels.contiguous(memory_format=torch.channels_last)
            # An encoder that does not learn runs as in use and for stored features: nothing recorded, on a CPU in
            # pieces.
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.learns_encoder):
                if self.sam.config.second:
                    return self.sam.encode(pixels)
                features, (early, *_) = self.sam.image_encoder(pixels)
            return self.sam.embed(features, early)
        features, early, levels = batch.features
        return ImageEmbedding(features, levels=levels) if early is None else self.sam.embed(features, early)

    def judge(
        self, embedding: ImageEmbedding, prompts: Prompts, targets: Tensor, ambiguous: Tensor
    ) -> tuple[Losses, Tensor]:
        """The loss of one round of prompts, and SAM's chosen mask [P,G,G] of each."""
        attended = self.sam.attend(embedding, prompts)
        every = torch.arange(attended.iou.shape[1], device=targets.device).expand(len(targets), -1)
        mode = "add" if self.sam.config.hq else "off"
        plain, refined = self.sam.mask_decoder.logits(attended, embedding, every, mode)  # type: ignore[arg-type]
        assert plain is not None
        plain, refined = plain.float(), None if refined is None else refined.float()
        losses = prompt_losses(plain, refined, attended.iou, targets, ambiguous, self.config.weights)
        return losses, plain.detach()[torch.arange(len(plain), device=plain.device), losses.chosen]


def _boxed(prompts: Prompts) -> Tensor:
    assert prompts.boxes is not None
    return ~prompts.boxes.isnan().any(1)
