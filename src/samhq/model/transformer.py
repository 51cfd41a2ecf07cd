"""Attention of tokens to the image and of the image to tokens, twice. Knows nothing about the meaning of tokens.

A prompt has few tokens and an image has thousands of positions, so projections of positions are moved to the tokens: in
the logits of tokens that attend to the image, `(W x) . q` equals `x . (W' q)`. So one vector for each token and head is
projected, not every position for every prompt. The sums are the same, in another order. Before the first update all
prompts of an image see the same positions, and the first block's work on them is done once for each image (`Shared`).

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), appendix A, "Lightweight mask decoder".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from samhq.device import autocasts
from samhq.model.layers import unrecorded, untouched
from samhq.model.linear import MLP, MLPBlock
from samhq.types import Shared


class Attention(nn.Module):
    """Multi-head attention with separate projections, optionally in fewer channels than its input.

    `forward` is the usual formula. `attend_to_image` and `image_update` compute the same for few tokens and many image
    positions. They use the weights of the projections without calling them, so they need `folds`.
    """

    def __init__(self, dim: int, heads: int, downsample: int = 1) -> None:
        super().__init__()
        self.heads = heads
        self.scale = (dim // downsample // heads) ** -0.5
        self.q_proj = nn.Linear(dim, dim // downsample)
        self.k_proj = nn.Linear(dim, dim // downsample)
        self.v_proj = nn.Linear(dim, dim // downsample)
        self.out_proj = nn.Linear(dim // downsample, dim)

    @property
    def folds(self) -> bool:
        """Whether the projections are plain and without hooks, so that their weights may be folded into products."""
        linear = (self.q_proj, self.k_proj, self.v_proj, self.out_proj)
        return untouched(self, Attention) and all(untouched(layer, nn.Linear) for layer in linear)

    def heads_of(self, projection: nn.Module, x: Float[Tensor, "B L C"]) -> Float[Tensor, "B n L c"]:
        """Projected vectors, head by head."""
        projected: Tensor = projection(x)
        return projected.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def rows_of(self, projection: nn.Linear) -> Float[Tensor, "n c C"]:
        """The weight of a projection, head by head."""
        return projection.weight.view(self.heads, -1, projection.in_features)

    def join(self, x: Float[Tensor, "B n L c"]) -> Float[Tensor, "B L C"]:
        """All heads' vectors, projected to the input's channels."""
        return self.out_proj(x.transpose(1, 2).flatten(2))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Float[Tensor, "B L C"]:
        """Attended values [B,L,C]; `mask` as in PyTorch: True takes part, or floats added to the logits."""
        return self.attended(q, self.heads_of(self.k_proj, k), self.heads_of(self.v_proj, v), mask)

    def attended(
        self,
        q: Float[Tensor, "B L C"],
        keys: Float[Tensor, "B n M c"],
        values: Float[Tensor, "B n M c"],
        mask: Tensor | None = None,
    ) -> Float[Tensor, "B L C"]:
        """As `forward`, for keys and values that are already projected."""
        heads = self.heads_of(self.q_proj, q)
        return self.join(F.scaled_dot_product_attention(heads, keys, values, attn_mask=mask))

    def attend_to_image(
        self,
        tokens: Float[Tensor, "P L C"],
        keys: Float[Tensor, "P HW C"],
        values: Float[Tensor, "P HW C"],
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
    ) -> Float[Tensor, "P L C"]:
        """The update of each token [P,L,C] from the image, whose `keys` and `values` are not yet projected."""
        # The bias of keys adds the same to all logits of a token, which softmax ignores; distributed training needs it.
        heads = self.heads_of(self.q_proj, tokens)
        logits = self.folded(heads, self.k_proj, keys, biased=not unrecorded(keys))
        if similarity is not None:
            logits = logits + similarity
        means = (logits.softmax(-1).flatten(1, 2) @ values).view(tokens.shape[0], self.heads, -1, tokens.shape[2])
        attended = means @ self.rows_of(self.v_proj).mT
        return self.join(attended + self.v_proj.bias.view(self.heads, 1, -1))

    def image_update(
        self, values: Float[Tensor, "P L C"], logits: Float[Tensor, "P n L HW"], taking_part: Tensor | None
    ) -> tuple[Float[Tensor, "P HW R"], Float[Tensor, "P R C"]]:
        """The update of the image in factored form: weights [P,HW,R] times vectors [P,R,C]; R is heads times tokens."""
        if taking_part is not None:
            logits = logits.masked_fill(~taking_part.mT, -torch.inf)
        weights = logits.softmax(2).flatten(1, 2).mT
        heads = self.heads_of(self.v_proj, values)
        vectors = heads @ self.out_proj.weight.T.view(self.heads, -1, self.out_proj.out_features)
        # The weights of one head's tokens add up to 1 at each position, so each head's vectors carry a share of the
        # bias.
        return weights, (vectors + self.out_proj.bias / self.heads).flatten(1, 2)

    def image_to_token_logits(
        self, positions: Float[Tensor, "P HW C"], tokens: Float[Tensor, "P L C"]
    ) -> Float[Tensor, "P n L HW"]:
        """The logits of image positions (queries) for tokens (keys), head by head."""
        return self.folded(self.heads_of(self.k_proj, tokens), self.q_proj, positions)

    def folded(
        self,
        heads: Float[Tensor, "P n L c"],
        projection: nn.Linear,
        positions: Float[Tensor, "P HW C"],
        *,
        biased: bool = True,
    ) -> Float[Tensor, "P n L HW"]:
        """Scaled products of projected tokens with positions that `projection` would have projected."""
        heads = heads * self.scale
        vectors = (heads @ self.rows_of(projection)).flatten(1, 2)
        if biased:
            bias = heads @ projection.bias.view(self.heads, -1, 1)
            logits = torch.baddbmm(bias.flatten(1, 2), vectors, positions.mT)
        else:
            logits = vectors @ positions.mT
        return logits.view(*heads.shape[:3], -1)


class TwoWayBlock(nn.Module):
    """Self-attention of tokens, tokens to image, MLP, image to tokens.

    The first block has no positions and no residual in its self-attention.
    """

    def __init__(
        self, dim: int, heads: int, mlp_dim: int, downsample: int, eps: float, first: bool, listed: bool = False
    ) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, heads)
        self.norm1 = nn.LayerNorm(dim, eps=eps)
        self.cross_attn_token_to_image = Attention(dim, heads, downsample)
        self.norm2 = nn.LayerNorm(dim, eps=eps)
        # SAM 2's files number the layers of this MLP, SAM's files name them.
        self.mlp = MLP(dim, mlp_dim, dim, 2) if listed else MLPBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim, eps=eps)
        self.norm4 = nn.LayerNorm(dim, eps=eps)
        self.cross_attn_image_to_token = Attention(dim, heads, downsample)

    @property
    def shares(self) -> bool:
        """Whether `share` gives the same result as calling the modules."""
        return _folds(self.cross_attn_token_to_image) and _folds(self.cross_attn_image_to_token)

    def share(self, image: Float[Tensor, "I HW C"], image_pe: Float[Tensor, "1 HW C"]) -> Shared:
        """The work of this block, as the first one, on images before any prompt."""
        # Maps come with their channels far apart in memory, and every prompt reads these rows several times.
        image, image_pe = image.contiguous(), image_pe.contiguous()
        image_with_pe = image + image_pe
        to_image, to_tokens = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        return Shared(
            image_pe,
            image,
            to_image.heads_of(to_image.k_proj, image_with_pe),
            to_image.heads_of(to_image.v_proj, image),
            to_tokens.heads_of(to_tokens.q_proj, image_with_pe).mT,
        )

    def forward(
        self,
        tokens: Float[Tensor, "P L C"],
        image: Float[Tensor, "P HW C"] | Shared,
        token_pe: Float[Tensor, "P L C"],
        image_pe: Float[Tensor, "1 HW C"],
        taking_part: Bool[Tensor, "P 1 1 L"] | None,
        similarity: Float[Tensor, "#P #n #L HW"] | None,
    ) -> tuple[Float[Tensor, "P L C"], Float[Tensor, "P HW C"]]:
        """The next tokens and the next image tokens, both with one row for each prompt."""
        if self.first:
            tokens = _attend(self.self_attn, tokens, tokens, tokens, taking_part)
        else:
            q = tokens + token_pe
            tokens = tokens + _attend(self.self_attn, q, q, tokens, taking_part)
        tokens = self.norm1(tokens)
        to_image, to_tokens = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        if isinstance(image, Shared):
            update = to_image.attended(tokens + token_pe, image.keys, image.values, similarity)
            tokens = self._digest(tokens, update)
            logits = (to_tokens.heads_of(to_tokens.k_proj, tokens + token_pe) * to_tokens.scale) @ image.queries
            updated = _plus(image.image, *to_tokens.image_update(tokens, logits, taking_part))
        else:
            image_with_pe = image + image_pe
            update = _token_update(to_image, tokens + token_pe, image_with_pe, image, similarity)
            tokens = self._digest(tokens, update)
            updated = self._updated_image(tokens, tokens + token_pe, image, image_with_pe, taking_part)
        return tokens, self.norm4(updated)

    def _updated_image(
        self,
        tokens: Float[Tensor, "P L C"],
        keys: Float[Tensor, "P L C"],
        image: Float[Tensor, "P HW C"],
        image_with_pe: Float[Tensor, "P HW C"],
        taking_part: Bool[Tensor, "P 1 1 L"] | None,
    ) -> Float[Tensor, "P HW C"]:
        """The image tokens plus their update from the tokens."""
        to_tokens = self.cross_attn_image_to_token
        if not _folds(to_tokens):
            return image + _attend(to_tokens, image_with_pe, keys, tokens, taking_part)
        # The output of an earlier block belongs to nobody else, so it may be overwritten if no operation is recorded.
        own = not self.first and unrecorded(image)
        return _plus(
            image,
            *to_tokens.image_update(tokens, to_tokens.image_to_token_logits(image_with_pe, keys), taking_part),
            own=own,
        )

    def _digest(self, tokens: Float[Tensor, "P L C"], update: Float[Tensor, "P L C"]) -> Float[Tensor, "P L C"]:
        tokens = self.norm2(tokens + update)
        return self.norm3(tokens + self.mlp(tokens))


class TwoWayTransformer(nn.Module):
    """`depth` two-way blocks, and a last attention of the tokens to the image."""

    def __init__(
        self, *, dim: int, depth: int, heads: int, mlp_dim: int, downsample: int, eps: float, listed: bool = False
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            TwoWayBlock(dim, heads, mlp_dim, downsample, eps, first=i == 0, listed=listed) for i in range(depth)
        )
        self.final_attn_token_to_image = Attention(dim, heads, downsample)
        self.norm_final_attn = nn.LayerNorm(dim, eps=eps)

    @property
    def shares(self) -> bool:
        """Whether `share` gives the same result as calling the modules."""
        block = self.layers[0]
        return isinstance(block, TwoWayBlock) and block.shares

    def picture_modules(self) -> list[nn.Module]:
        """The modules whose weights `share` uses."""
        block = self.layers[0]
        assert isinstance(block, TwoWayBlock)
        return [block.cross_attn_token_to_image, block.cross_attn_image_to_token]

    def share(self, image: Float[Tensor, "I HW C"], image_pe: Float[Tensor, "1 HW C"]) -> Shared:
        """The first block's work on images before any prompt; `forward` takes `shared[owner]`."""
        block = self.layers[0]
        assert isinstance(block, TwoWayBlock)
        return block.share(image, image_pe)

    def forward(
        self,
        tokens: Float[Tensor, "P L C"],
        image: Float[Tensor, "P HW C"] | Shared,
        image_pe: Float[Tensor, "1 HW C"],
        ignored: Bool[Tensor, "P L"] | None = None,
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
        target: Float[Tensor, "#P #L C"] | None = None,
        first: int | None = None,
    ) -> tuple[Float[Tensor, "P T C"], Float[Tensor, "P HW C"]]:
        """Tokens, all or the `first` ones, and image tokens after attention.

        `image` has one row for each prompt: plain image tokens, or the result of `share`; both give the same.
        `similarity` is added to the logits of tokens that attend to the image. `target` is added to the tokens before
        every block, and so to their positions too. Both are PerSAM's guidance (arXiv 2305.03048).
        """
        taking_part = None if ignored is None else ~ignored[:, None, None, :]
        token_pe = tokens if target is None else tokens + target
        tokens = token_pe
        for i, layer in enumerate(self.layers):
            if i and target is not None:
                tokens = tokens + target
            tokens, image = layer(tokens, image, token_pe, image_pe, taking_part, similarity)
        assert isinstance(image, Tensor)
        tokens, token_pe = tokens[:, :first], token_pe[:, :first]
        update = _token_update(self.final_attn_token_to_image, tokens + token_pe, image + image_pe, image, None)
        return self.norm_final_attn(tokens + update), image


def _folds(attention: nn.Module) -> bool:
    return isinstance(attention, Attention) and attention.folds


def _attend(attention: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """The result of calling the module. Wrappers written for SAM's own code take three arguments."""
    attended: Tensor = attention(q, k, v) if mask is None else attention(q, k, v, mask)
    return attended


def _token_update(
    attention: nn.Module,
    tokens: Float[Tensor, "P L C"],
    keys: Float[Tensor, "P HW C"],
    values: Float[Tensor, "P HW C"],
    similarity: Float[Tensor, "#P #n #L HW"] | None,
) -> Float[Tensor, "P L C"]:
    """The update of tokens from the image, by the faster formula if it gives the same result."""
    if isinstance(attention, Attention) and attention.folds:
        return attention.attend_to_image(tokens, keys, values, similarity)
    return _attend(attention, tokens, keys, values, similarity)


def _plus(
    image: Float[Tensor, "P HW C"], weights: Float[Tensor, "P HW R"], vectors: Float[Tensor, "P R C"], own: bool = False
) -> Float[Tensor, "P HW C"]:
    """The image tokens plus a product; overwrites them if they are the caller's `own`."""
    if autocasts(image.device):  # autocast would round the sum, and does not allow overwriting
        return image + weights @ vectors
    return image.baddbmm_(weights, vectors) if own else torch.baddbmm(image, weights, vectors)
