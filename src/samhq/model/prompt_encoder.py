"""Points, boxes and masks to vectors. Knows nothing about pictures or their size, nor about the decoder.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), section 3 and appendix A.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from samhq.device import to_device
from samhq.model.layers import LayerNorm2d
from samhq.types import BOTTOM_RIGHT, IGNORED, NOT_A_POINT, TOP_LEFT, Prompts, Sparse


class PositionEmbedding(nn.Module):
    """Random Fourier features of positions in the unit square, always computed in float32."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> PositionEmbedding:
        # Half-precision frequencies would move every point, so `.half()` and `.bfloat16()` do not convert this matrix.
        exact = self.positional_encoding_gaussian_matrix
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        cast = self.positional_encoding_gaussian_matrix
        if cast.dtype != exact.dtype and cast.is_floating_point():
            self.positional_encoding_gaussian_matrix = exact.to(cast.device)
        return self

    def forward(self, places: Float[Tensor, "*B 2"]) -> Float[Tensor, "*B C"]:
        """Sines, then cosines, of positions (x, y) in 0..1."""
        across, down = self.positional_encoding_gaussian_matrix.float()
        places = 2 * places.float() - 1
        # Written out, because a matrix product would be rounded by autocast, and by TF32 on a GPU.
        angles = 2 * math.pi * (places[..., :1] * across + places[..., 1:] * down)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)

    def grid(self, size: int) -> Float[Tensor, "1 C size size"]:
        """Features of the cell centres of a square grid."""
        centres = (torch.arange(size, device=self.positional_encoding_gaussian_matrix.device) + 0.5) / size
        y, x = torch.meshgrid(centres, centres, indexing="ij")
        return self(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]


class PromptEncoder(nn.Module):
    """Prompts in model pixels to sparse tokens and a dense map."""

    def __init__(self, *, dim: int, side: int, grid: int, channels: int, ends_boxes: bool = False) -> None:
        super().__init__()
        self.side, self.grid, self.ends_boxes = side, grid, ends_boxes
        self.pe_layer = PositionEmbedding(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.no_mask_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, channels // 4, kernel_size=2, stride=2),
            LayerNorm2d(channels // 4),
            nn.GELU(),
            nn.Conv2d(channels // 4, channels, kernel_size=2, stride=2),
            LayerNorm2d(channels),
            nn.GELU(),
            nn.Conv2d(channels, dim, kernel_size=1),
        )

    @property
    def embed_dim(self) -> int:
        """Channels of every token and map."""
        return self.no_mask_embed.embedding_dim

    @property
    def image_embedding_size(self) -> tuple[int, int]:
        """Height and width of the embedding grid."""
        return self.grid, self.grid

    @property
    def input_image_size(self) -> tuple[int, int]:
        """Height and width of the model's square, in pixels."""
        return self.side, self.side

    @property
    def mask_input_size(self) -> tuple[int, int]:
        """Height and width of a mask prompt."""
        return 4 * self.grid, 4 * self.grid

    def get_dense_pe(self) -> Float[Tensor, "1 C g g"]:
        """Position features of the embedding grid."""
        return self.pe_layer.grid(self.grid).to(self.no_mask_embed.weight.dtype)

    def sparse(self, prompts: Prompts) -> Sparse:
        """Tokens of points and boxes [P,T,C]; T is 0 if no prompt has either."""
        places, labels = tokens_of(prompts, ends_boxes=self.ends_boxes)
        ignored, device = ignored_of(labels), self.no_mask_embed.weight.device
        tokens = self.embed_places(to_device(places, device), to_device(labels, device))
        return Sparse(tokens, None if ignored is None else to_device(ignored, device))

    def embed_places(self, places: Float[Tensor, "P T 2"], labels: Int64[Tensor, "P T"]) -> Float[Tensor, "P T C"]:
        """One vector for each labelled position, in model pixels; half a pixel is added to reach pixel centres."""
        kinds = torch.cat([e.weight for e in (*self.point_embeddings, self.not_a_point_embed)])
        kinds = torch.cat([kinds, torch.zeros_like(kinds[:1])])
        row = torch.where(labels >= 0, labels, torch.where(labels == NOT_A_POINT, 4, 5))
        position = self.pe_layer((places.float() + 0.5) / self.side).masked_fill((labels < 0)[..., None], 0.0)
        return position.to(kinds.dtype) + kinds[row]

    def dense(self, masks: Float[Tensor, "P 1 G G"] | None) -> Float[Tensor, "p C h w"]:
        """The map to add to the image features: [1,C,1,1] without masks, else one map [P,C,g,g] for each prompt."""
        if masks is None:
            return self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        weight, incomplete = self.no_mask_embed.weight, bool(masks.isnan().any())
        masks = to_device(masks, weight.device)
        return self.dense_where_given(masks) if incomplete else self.mask_downscaling(masks.to(weight.dtype))

    def dense_where_given(self, masks: Float[Tensor, "P 1 G G"]) -> Float[Tensor, "P C h w"]:
        """As `dense`, but with the same operations whatever the masks hold, as exported graphs need it."""
        none = self.dense(None)
        missing = masks.isnan().flatten(1).any(1)
        maps = self.mask_downscaling(_filled(masks).to(none.dtype))
        return torch.where(missing[:, None, None, None], none, maps)


def _filled(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """The values with 0 in place of NaN; `nan_to_num` needs an operator that ONNX lacks for float16."""
    return values.masked_fill(values.isnan(), 0.0)


def tokens_of(prompts: Prompts, *, ends_boxes: bool = False) -> tuple[Float[Tensor, "P T 2"], Int64[Tensor, "P T"]]:
    """Every prompt as labelled positions: its points, then two positions for its box.

    A prompt with points but without a box ends in one "not a point", as SAM was trained; with `ends_boxes` a prompt
    with a box does too, as SAM 2 was trained. Padding that only makes rows equally long gets the label `IGNORED`, so
    that no prompt depends on the others.
    """
    count, device = prompts.image_index.shape[0], prompts.image_index.device
    points = prompts.points if prompts.points is not None else torch.zeros(count, 0, 2, device=device)
    labels = prompts.labels
    if labels is None:
        labels = torch.ones(points.shape[:2], dtype=torch.int64, device=device)
    has_points = (labels != IGNORED).any(1)
    pad = torch.where(has_points, NOT_A_POINT, IGNORED)[:, None]
    if prompts.boxes is None:
        if points.shape[1] == 0:
            return points, labels
        return torch.cat([points, torch.zeros_like(points[:, :1])], 1), torch.cat([labels, pad], 1)
    boxed = ~prompts.boxes.isnan().any(1)[:, None]
    corners = _filled(prompts.boxes).view(count, 2, 2).to(points.dtype)
    first = torch.where(boxed, TOP_LEFT, pad)
    second = torch.where(boxed, BOTTOM_RIGHT, IGNORED)
    if not ends_boxes:
        return torch.cat([points, corners], 1), torch.cat([labels, first, second], 1)
    last = torch.where(boxed, NOT_A_POINT, IGNORED)
    return torch.cat([points, corners, torch.zeros_like(corners[:, :1])], 1), torch.cat(
        [labels, first, second, last], 1
    )


def ignored_of(labels: Int64[Tensor, "P T"]) -> Bool[Tensor, "P T"] | None:
    """Which tokens are masked out of attention, or None if none is."""
    ignored = labels == IGNORED
    return ignored if bool(ignored.any()) else None
