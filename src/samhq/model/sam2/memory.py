"""SAM 2's memory of objects: what is stored of an object on a frame, and how a frame uses it.

A mixin of `Sam2`; models for single pictures lack it. Knows tensors of one frame at a time, nothing about videos, files
or which frames are remembered.

Source: Ravi et al., SAM 2 (arXiv 2408.00714), section 4 and appendix D.1.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import MemoryConfig
from samhq.device import to_device
from samhq.model.linear import MLP
from samhq.model.sam2.memory_attention import Memory, MemoryAttention
from samhq.model.sam2.memory_encoder import MemoryEncoder
from samhq.model.sam2.positions import sine_grid, sine_times


class Remembering(nn.Module):
    """Parameters and steps of memory, with the names of the published files."""

    memory_config: MemoryConfig

    def add_memory(self, config: MemoryConfig, dim: int) -> None:
        """Creates these modules."""
        self.memory_config = config
        self.memory_attention = MemoryAttention(
            dim=dim, memory_dim=config.dim, depth=config.depth, mlp_dim=config.mlp_dim, dropout=config.dropout
        )
        self.memory_encoder = MemoryEncoder(dim=dim, out=config.dim, depth=config.fuser_depth)
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(config.maps, 1, 1, config.dim))
        self.no_mem_pos_enc = nn.Parameter(torch.zeros(1, 1, dim))
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, dim))
        self.mask_downsample = nn.Conv2d(1, 1, kernel_size=4, stride=4)
        self.obj_ptr_proj = MLP(dim, dim, dim, 3)
        if config.absent_map:
            self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, config.dim))
        if config.pointer_times:
            self.obj_ptr_tpos_proj = nn.Linear(dim, config.dim)

    def remember(
        self,
        features: Float[Tensor, "I C g g"],
        logits: Float[Tensor, "P 1 S S"],
        object_score: Float[Tensor, "P 1"],
        *,
        binary: bool,
    ) -> Float[Tensor, "P c g g"]:
        """The memory map of each object on a frame.

        `features` are the encoder's, before any memory (one row for all, or one for each object). `logits` are the
        masks at the model's side; with `binary` they become 0 and 1, as for prompted frames, else probabilities. If
        `object_score` is not above 0, SAM 2.1 marks the map as one without the object.
        """
        config = self.memory_config
        values = (logits > 0).to(features.dtype) if binary else logits.to(features.dtype).sigmoid()
        features = features.expand(logits.shape[0], -1, -1, -1)
        maps = self.memory_encoder(features, values * config.mask_scale - config.mask_shift)
        if not config.absent_map:
            return maps
        absent = (object_score <= 0).to(maps.dtype)[..., None, None]
        return maps + absent * self.no_obj_embed_spatial[..., None, None]

    def pointer(self, token: Float[Tensor, "P C"], object_score: Float[Tensor, "P 1"]) -> Float[Tensor, "P C"]:
        """The object pointer from a mask's token; if the score is not above 0, the pointer of no object."""
        present = (object_score > 0).to(token.dtype)
        return present * self.obj_ptr_proj(token) + (1 - present) * self.no_obj_ptr

    def mask_positions(self, grid: int) -> Float[Tensor, "1 L c"]:
        """The positions of the cells of a memory map."""
        channels, device = self.memory_config.dim, self.maskmem_tpos_enc.device
        return sine_grid(channels, grid, grid, device).to(self.maskmem_tpos_enc.dtype).flatten(2).mT

    def gather(
        self,
        maps: list[Float[Tensor, "P c g g"]],
        ages: list[int],
        pointers: list[Float[Tensor, "P C"]],
        times: list[float],
    ) -> Memory:
        """The memory for a frame: maps, each with its age, then pointers, each with its time.

        An age is 1 for the frame before and so on, and 0 for a prompted frame at any distance. A time is the distance
        in frames divided by the largest distance that counts, negative for later frames; only SAM 2.1 uses it.

        Two maps of a grid of 4 by 4 and one pointer of 256 channels give 2 * 16 + 4 keys of 64 channels.
        """
        count, grid = maps[0].shape[0], maps[0].shape[-1]
        places, own = self.mask_positions(grid), self.no_obj_ptr.dtype
        values = [memory_map.to(own).flatten(2).mT for memory_map in maps]
        positions = [places + self.maskmem_tpos_enc[age - 1, 0] for age in ages]
        if pointers:
            tokens, when = self._pointer_tokens(pointers, times)
            values.append(tokens.to(own))
            positions.append(when.to(own))
        keys = torch.cat([memory_map.expand(count, -1, -1) for memory_map in positions], dim=1)
        return Memory(torch.cat(values, dim=1), keys, values[-1].shape[1] if pointers else 0)

    def _pointer_tokens(
        self, pointers: list[Tensor], times: list[float]
    ) -> tuple[Float[Tensor, "P M c"], Float[Tensor, "1 M c"]]:
        """Pointers split into tokens with a memory's channels, and their times."""
        channels = self.memory_config.dim
        tokens = torch.stack(pointers, dim=1)
        parts = tokens.shape[2] // channels
        tokens = tokens.reshape(len(tokens), -1, channels)
        if not self.memory_config.pointer_times:
            return tokens, tokens.new_zeros(1, *tokens.shape[1:])
        when = to_device(torch.tensor(times), tokens.device)
        sines = sine_times(when, self.no_obj_ptr.shape[1]).to(self.no_obj_ptr.dtype)
        return tokens, self.obj_ptr_tpos_proj(sines).repeat_interleave(parts, dim=0)[None]

    def conditioned(self, features: Float[Tensor, "I C g g"], memory: Memory) -> Float[Tensor, "P C g g"]:
        """A frame's features, from the encoder's, after attention with the memory of each object."""
        return self.memory_attention(features.expand(memory.values.shape[0], -1, -1, -1), memory)

    def mask_logits_of(self, mask: Float[Tensor, "P 1 S S"]) -> Float[Tensor, "P 1 G G"]:
        """The mask prompt for a given mask of zeros and ones, for its pointer."""
        return self.mask_downsample(mask)


def at_model_side(logits: Float[Tensor, "P K G G"], side: int) -> Float[Tensor, "P K S S"]:
    """Low-resolution logits at the model's side, as memory takes them."""
    return F.interpolate(logits.float(), (side, side), mode="bilinear", align_corners=False)
