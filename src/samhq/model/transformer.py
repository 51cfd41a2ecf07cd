"""Tokens and image attend to each other, twice. Knows nothing about what the tokens mean.

Before the first update all prompts of an image see the same image tokens, so those are projected once an
image and only then shared out to the prompts.

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), appendix A, "Lightweight mask decoder".
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from samhq.model.layers import MLPBlock


def share_out(x: Float[Tensor, " I *R"], owner: Int64[Tensor, " P"] | None) -> Float[Tensor, " P *R"]:
    """Row `owner[p]` for every prompt p; `owner` None means that the rows are the prompts' already."""
    if owner is None:
        return x
    return x.expand(len(owner), *x.shape[1:]) if x.shape[0] == 1 else x[owner]


class Attention(nn.Module):
    """Multi-head attention with separate projections, optionally in fewer channels than its input."""

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.q_proj = nn.Linear(dim, dim // downsample)
        self.k_proj = nn.Linear(dim, dim // downsample)
        self.v_proj = nn.Linear(dim, dim // downsample)
        self.out_proj = nn.Linear(dim // downsample, dim)

    def split(self, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B n L c"]:
        """The same vectors, head by head."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(
        self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Tensor | None = None,
        q_owner: Tensor | None = None,
        kv_owner: Tensor | None = None,
    ) -> Float[Tensor, "P L C"]:
        """Attended values [P,L,C]; `mask` as in PyTorch: True takes part, or floats added to the logits."""
        heads_q = share_out(self.split(self.q_proj(q)), q_owner)
        heads_k = share_out(self.split(self.k_proj(k)), kv_owner)
        heads_v = share_out(self.split(self.v_proj(v)), kv_owner)
        out = F.scaled_dot_product_attention(heads_q, heads_k, heads_v, attn_mask=mask)
        return self.out_proj(out.transpose(1, 2).flatten(2))


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens.

    The first block has no positions and no residual in its self-attention.
    """

    def __init__(self, dim: int, heads: int, mlp_dim: int, downsample: int, eps: float, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.cross_attn_token_to_image = Attention(dim, heads, downsample)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        self.mlp = MLPBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim, eps=eps)
        self.norm4 = nn.LayerNorm(dim, eps=eps)
        self.cross_attn_image_to_token = Attention(dim, heads, downsample)

    def forward(
        self,
        tokens: Float[Tensor, "P L C"],
        image: Float[Tensor, "I HW C"],
        token_pe: Float[Tensor, "P L C"],
        image_pe: Float[Tensor, "1 HW C"],
        owner: Int64[Tensor, " P"] | None,
        taking_part: Bool[Tensor, "P 1 1 L"] | None,
        similarity: Float[Tensor, "#P #n #L HW"] | None,
    ) -> tuple[Float[Tensor, "P L C"], Float[Tensor, "P HW C"]]:
        """The next tokens and the next image tokens, one set of each a prompt."""
        if self.first:
            tokens = self.self_attn(tokens, tokens, tokens, taking_part)
        else:
            q = tokens + token_pe
            tokens = tokens + self.self_attn(q, q, tokens, taking_part)
        tokens = self.norm1(tokens)
        placed = image + image_pe
        seen = self.cross_attn_token_to_image(tokens + token_pe, placed, image, similarity, kv_owner=owner)
        tokens = self.norm2(tokens + seen)
        tokens = self.norm3(tokens + self.mlp(tokens))
        told = self.cross_attn_image_to_token(placed, tokens + token_pe, tokens, taking_part, q_owner=owner)
        return tokens, self.norm4(share_out(image, owner) + told)


class TwoWayTransformer(nn.Module):
    """`depth` two-way blocks and a last look of the tokens at the image."""

    def __init__(self, *, dim: int, depth: int, heads: int, mlp_dim: int, downsample: int, eps: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(dim, heads, mlp_dim, downsample, eps, first=i == 0) for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(dim, heads, downsample)
        self.norm_final_attn = nn.LayerNorm(dim, eps=eps)

    def forward(
        self,
        tokens: Float[Tensor, "P L C"],
        image: Float[Tensor, "I HW C"],
        image_pe: Float[Tensor, "1 HW C"],
        owner: Int64[Tensor, " P"] | None = None,
        ignored: Bool[Tensor, "P L"] | None = None,
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
        target: Float[Tensor, "#P #L C"] | None = None,
    ) -> tuple[Float[Tensor, "P L C"], Float[Tensor, "P HW C"]]:
        """Tokens and image tokens after they met.

        `owner[p]` is the row of `image` that prompt p looks at; None where rows are prompts. `similarity` is
        added to the logits of tokens looking at the image, `target` to the tokens before every block
        (and so to their positions too): PerSAM's guidance (arXiv 2305.03048).
        """
        taking_part = None if ignored is None else ~ignored[:, None, None, :]
        token_pe = tokens if target is None else tokens + target
        tokens = token_pe
        for i, layer in enumerate(self.layers):
            if i and target is not None:
                tokens = tokens + target
            tokens, image = layer(tokens, image, token_pe, image_pe, owner, taking_part, similarity)
            owner = None
        seen = self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens + seen), image
