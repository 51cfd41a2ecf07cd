"""Tokens and image attend to each other, twice. Knows nothing about what the tokens mean.

A prompt has few tokens and an image thousands of places, so projections of places are moved to the tokens' side:
where a token looks at places, `(W place) . q` is `place . (W' q)`, and one vector a token and head is projected in
place of every place of every prompt. The sums are the same, in another order. Before the first update all prompts
of an image see the same places; what the first block makes of those is made once an image (`Shared`).

Source: Kirillov et al., Segment Anything (arXiv 2304.02643), appendix A, "Lightweight mask decoder".
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from samhq.device import autocasts
from samhq.model.layers import MLP, MLPBlock, unrecorded, untouched
from samhq.types import Shared


class Attention(nn.Module):
    """Multi-head attention with separate projections, optionally in fewer channels than its input.

    `forward` is attention as in the books. `look` and `told` are the same for many places and few tokens; they use the
    projections' numbers without calling them, so they need `folds`.
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
        """Whether nobody changed or watches the projections, so that products with them may be folded."""
        linear = (self.q_proj, self.k_proj, self.v_proj, self.out_proj)
        return untouched(self, Attention) and all(untouched(one, nn.Linear) for one in linear)

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
        """As `forward`, for keys and values that are projected already."""
        heads = self.heads_of(self.q_proj, q)
        return self.join(F.scaled_dot_product_attention(heads, keys, values, attn_mask=mask))

    def look(
        self,
        tokens: Float[Tensor, "P L C"],
        placed: Float[Tensor, "P HW C"],
        places: Float[Tensor, "P HW C"],
        similarity: Float[Tensor, "#P #n #L HW"] | None = None,
    ) -> Float[Tensor, "P L C"]:
        """What each token sees when it compares itself with `placed` and takes from `places`."""
        logits = self.folded(self.heads_of(self.q_proj, tokens), self.k_proj, placed)
        if similarity is not None:
            logits = logits + similarity
        seen = (logits.softmax(-1).flatten(1, 2) @ places).view(tokens.shape[0], self.heads, -1, tokens.shape[2])
        values = seen @ self.rows_of(self.v_proj).mT
        return self.join(values + self.v_proj.bias.view(self.heads, 1, -1))

    def told(
        self, values: Float[Tensor, "P L C"], logits: Float[Tensor, "P n L HW"], taking_part: Tensor | None
    ) -> tuple[Float[Tensor, "P HW R"], Float[Tensor, "P R C"]]:
        """What tokens tell each place, as two matrices with that product: weights of tokens and heads, and vectors."""
        if taking_part is not None:
            logits = logits.masked_fill(~taking_part.mT, -torch.inf)
        weights = logits.softmax(2).flatten(1, 2).mT
        heads = self.heads_of(self.v_proj, values)
        vectors = heads @ self.out_proj.weight.T.view(self.heads, -1, self.out_proj.out_features)
        # A place's weights of one head's tokens add up to 1, so each head's vectors carry a part of the bias.
        return weights, (vectors + self.out_proj.bias / self.heads).flatten(1, 2)

    def asked(self, placed: Float[Tensor, "P HW C"], tokens: Float[Tensor, "P L C"]) -> Float[Tensor, "P n L HW"]:
        """How much each place (the query) asks of each token (the key), head by head, before the softmax."""
        return self.folded(self.heads_of(self.k_proj, tokens), self.q_proj, placed)

    def folded(
        self, heads: Float[Tensor, "P n L c"], projection: nn.Linear, placed: Float[Tensor, "P HW C"]
    ) -> Float[Tensor, "P n L HW"]:
        """Scaled products of projected tokens with places that `projection` would project."""
        heads = heads * self.scale
        vectors = heads @ self.rows_of(projection)
        bias = heads @ projection.bias.view(self.heads, -1, 1)
        logits = torch.baddbmm(bias.flatten(1, 2), vectors.flatten(1, 2), placed.mT)
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
        # SAM 2's files number the layers of this MLP, SAM's name them.
        self.mlp = MLP(dim, mlp_dim, dim, 2) if listed else MLPBlock(dim, mlp_dim, nn.ReLU)
        self.norm3 = nn.LayerNorm(dim, eps=eps)
        self.norm4 = nn.LayerNorm(dim, eps=eps)
        self.cross_attn_image_to_token = Attention(dim, heads, downsample)

    @property
    def shares(self) -> bool:
        """Whether `share` gives what calling the modules would give."""
        return _folds(self.cross_attn_token_to_image) and _folds(self.cross_attn_image_to_token)

    def share(self, image: Float[Tensor, "I HW C"], image_pe: Float[Tensor, "1 HW C"]) -> Shared:
        """What this block, as the first one, makes of images before any prompt."""
        placed = image + image_pe
        look, tell = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        return Shared(
            image_pe,
            image,
            look.heads_of(look.k_proj, placed),
            look.heads_of(look.v_proj, image),
            tell.heads_of(tell.q_proj, placed).mT,
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
        """The next tokens and the next image tokens, one set of each a prompt."""
        if self.first:
            tokens = _attend(self.self_attn, tokens, tokens, tokens, taking_part)
        else:
            q = tokens + token_pe
            tokens = tokens + _attend(self.self_attn, q, q, tokens, taking_part)
        tokens = self.norm1(tokens)
        look, tell = self.cross_attn_token_to_image, self.cross_attn_image_to_token
        if isinstance(image, Shared):
            seen = look.attended(tokens + token_pe, image.keys, image.values, similarity)
            tokens = self._digest(tokens, seen)
            logits = (tell.heads_of(tell.k_proj, tokens + token_pe) * tell.scale) @ image.queries
            told = _plus(image.image, *tell.told(tokens, logits, taking_part))
        else:
            placed = image + image_pe
            seen = _seen(look, tokens + token_pe, placed, image, similarity)
            tokens = self._digest(tokens, seen)
            told = self._told(tokens, tokens + token_pe, image, placed, taking_part)
        return tokens, self.norm4(told)

    def _told(
        self,
        tokens: Float[Tensor, "P L C"],
        keys: Float[Tensor, "P L C"],
        image: Float[Tensor, "P HW C"],
        placed: Float[Tensor, "P HW C"],
        taking_part: Bool[Tensor, "P 1 1 L"] | None,
    ) -> Float[Tensor, "P HW C"]:
        """The image tokens and what tokens tell them."""
        tell = self.cross_attn_image_to_token
        if not _folds(tell):
            return image + _attend(tell, placed, keys, tokens, taking_part)
        # What a block before made is nobody else's, and may be written over where nobody records it.
        own = not self.first and unrecorded(image)
        return _plus(image, *tell.told(tokens, tell.asked(placed, keys), taking_part), own=own)

    def _digest(self, tokens: Float[Tensor, "P L C"], seen: Float[Tensor, "P L C"]) -> Float[Tensor, "P L C"]:
        tokens = self.norm2(tokens + seen)
        return self.norm3(tokens + self.mlp(tokens))


class TwoWayTransformer(nn.Module):
    """`depth` two-way blocks and a last look of the tokens at the image."""

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
        """Whether `share` gives what calling the modules would give."""
        block = self.layers[0]
        return isinstance(block, TwoWayBlock) and block.shares

    def picture_modules(self) -> list[nn.Module]:
        """The modules whose weights `share` uses."""
        block = self.layers[0]
        assert isinstance(block, TwoWayBlock)
        return [block.cross_attn_token_to_image, block.cross_attn_image_to_token]

    def share(self, image: Float[Tensor, "I HW C"], image_pe: Float[Tensor, "1 HW C"]) -> Shared:
        """What the first block makes of images before any prompt; `shared[owner]` is what `forward` takes."""
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
    ) -> tuple[Float[Tensor, "P L C"], Float[Tensor, "P HW C"]]:
        """Tokens and image tokens after they met.

        `image` has a row a prompt: plain image tokens, or what `share` made of them, with the same result.
        `similarity` is added to the logits of tokens looking at the image, `target` to the tokens before every
        block (and so to their positions too): PerSAM's guidance (arXiv 2305.03048).
        """
        taking_part = None if ignored is None else ~ignored[:, None, None, :]
        token_pe = tokens if target is None else tokens + target
        tokens = token_pe
        for i, layer in enumerate(self.layers):
            if i and target is not None:
                tokens = tokens + target
            tokens, image = layer(tokens, image, token_pe, image_pe, taking_part, similarity)
        assert isinstance(image, Tensor)
        seen = _seen(self.final_attn_token_to_image, tokens + token_pe, image + image_pe, image, None)
        return self.norm_final_attn(tokens + seen), image


def _folds(attention: nn.Module) -> bool:
    return isinstance(attention, Attention) and attention.folds


def _attend(attention: nn.Module, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """What calling the module gives; wrappers written for SAM's own code take three arguments."""
    attended: Tensor = attention(q, k, v) if mask is None else attention(q, k, v, mask)
    return attended


def _seen(
    attention: nn.Module,
    tokens: Float[Tensor, "P L C"],
    placed: Float[Tensor, "P HW C"],
    places: Float[Tensor, "P HW C"],
    similarity: Float[Tensor, "#P #n #L HW"] | None,
) -> Float[Tensor, "P L C"]:
    """What tokens see of the image, by the shorter way where that gives the same."""
    if isinstance(attention, Attention) and attention.folds:
        return attention.look(tokens, placed, places, similarity)
    return _attend(attention, tokens, placed, places, similarity)


def _plus(
    image: Float[Tensor, "P HW C"], weights: Float[Tensor, "P HW R"], vectors: Float[Tensor, "P R C"], own: bool = False
) -> Float[Tensor, "P HW C"]:
    """The image tokens plus a product, written over the tokens where they are the caller's `own`."""
    if autocasts(image.device):  # would round the sum, and forbids writing over
        return image + weights @ vectors
    return image.baddbmm_(weights, vectors) if own else torch.baddbmm(image, weights, vectors)
