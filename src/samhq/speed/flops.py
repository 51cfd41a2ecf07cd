"""The arithmetic that a result needs: multiplications and additions of matrix products and convolutions.

Counted from the architecture's numbers alone, two for each multiply-add. Nothing avoidable is counted: no work on
window padding, what all prompts of a picture share once a picture, masks that nobody asked for not at all, products
in the cheaper order where two orders give the same. Knows nothing about tensors or how the network goes about it.
"""

from __future__ import annotations

from samhq.config import DecoderConfig, HQMode, ModelConfig, TinyViTConfig, ViTConfig

#: Sparse tokens of one prompt: a click and the "not a point" after it, or a box's two corners.
TOKENS = 2


def matrix(rows: int, inner: int, columns: int) -> int:
    """Operations of a matrix product.

    >>> matrix(2, 3, 4)
    48
    """
    return 2 * rows * inner * columns


def window_extents(grid: int, window: int) -> list[int]:
    """Real cells along one side of each window when windows of a side cover a grid; padding is left out.

    >>> window_extents(64, 14)
    [14, 14, 14, 14, 8]
    """
    return [min(window, grid - start) for start in range(0, grid, window)]


def encoder(config: ModelConfig) -> int:
    """Operations of the image encoder on one picture.

    >>> from samhq.config import model_config
    >>> round(encoder(model_config("sam_vit_b")) / 1e9), round(encoder(model_config("mobile_sam")) / 1e9)
    (935, 74)
    """
    row, out = config.encoder, config.decoder.dim
    trunk = plain_vit(row, config.grid) if isinstance(row, ViTConfig) else tiny_vit(row, config.side)
    last = row.dim if isinstance(row, ViTConfig) else row.dims[-1]
    cells = config.grid**2
    return trunk + matrix(cells, last, out) + matrix(cells, 9 * out, out)


def plain_vit(row: ViTConfig, grid: int) -> int:
    """Operations of the plain vision transformer without its neck."""
    cells, inner = grid**2, row.heads * row.head_dim
    linear = matrix(cells, row.dim, 3 * inner) + matrix(cells, inner, row.dim) + 2 * matrix(cells, row.dim, row.mlp_dim)
    attention = sum(
        biased_attention(grid, 0 if i in row.global_blocks else row.window, inner) for i in range(row.depth)
    )
    return matrix(cells, 3 * row.patch**2, row.dim) + row.depth * linear + attention


def biased_attention(grid: int, window: int, inner: int) -> int:
    """Operations of attention in windows (0: over the whole grid) with relative positions of rows and columns."""
    sides = window_extents(grid, window or grid)
    return sum(2 * matrix(h * w, inner, h * w) + matrix(h * w, inner, h + w) for h in sides for w in sides)


def tiny_vit(row: TinyViTConfig, side: int) -> int:
    """Operations of TinyViT without its neck."""
    size, first = side // 4, row.dims[0]
    total = matrix((side // 2) ** 2, 27, first // 2) + matrix(size**2, 9 * first // 2, first)
    for i, dim in enumerate(row.dims):
        if i == 0:
            total += row.depths[0] * bottleneck(size, size, dim, row.expand * dim, dim)
        else:
            total += row.depths[i] * tiny_block(size, dim, row.windows[i], row.mlp_ratio)
        if i + 1 < len(row.dims):
            smaller, following = -(-size // row.strides[i]), row.dims[i + 1]
            total += bottleneck(size, smaller, dim, following, following)
            size = smaller
    return total


def bottleneck(size: int, smaller: int, dim: int, middle: int, out: int) -> int:
    """Operations of a 1x1, a depth-wise 3x3 and a 1x1 convolution; the second may shrink the map."""
    return matrix(size**2, dim, middle) + matrix(smaller**2, 9, middle) + matrix(smaller**2, middle, out)


def tiny_block(size: int, dim: int, window: int, mlp_ratio: int) -> int:
    """Operations of windowed attention, a depth-wise 3x3 convolution and an MLP."""
    cells, sides = size**2, window_extents(size, window)
    attention = sum(2 * matrix(h * w, dim, h * w) for h in sides for w in sides)
    linear = matrix(cells, dim, 4 * dim) + 2 * matrix(cells, dim, mlp_ratio * dim)
    return attention + linear + matrix(cells, 9, dim)


def upscaling(cells: int, dim: int, middle: int, out: int) -> int:
    """Operations of two transposed convolutions of stride 2, from `cells` to sixteen times as many."""
    return matrix(cells, dim, 4 * middle) + matrix(4 * cells, middle, 4 * out)


def hq_map(config: ModelConfig) -> int:
    """Operations of a picture's HQ map; 0 for plain SAM.

    >>> from samhq.config import model_config
    >>> round(hq_map(model_config("sam_hq_vit_b")) / 1e9, 2)
    8.32
    """
    if not config.hq:
        return 0
    cells, dim = config.grid**2, config.decoder.dim
    return upscaling(cells, dim, dim // 4, dim // 8) + upscaling(cells, config.encoder.early_dim, dim, dim // 8)


def encode(config: ModelConfig, images: int = 1) -> int:
    """Operations from pixels to embeddings, with HQ maps and what prompts share.

    >>> from samhq.config import model_config
    >>> round(encode(model_config("sam_hq_vit_b")) / 1e12, 2)
    0.94
    """
    return images * (encoder(config) + hq_map(config) + shared(config))


def decode(config: ModelConfig, prompts: int, *, hq: HQMode = "off", tokens: int = TOKENS, masks: int = 1) -> int:
    """Operations from embeddings to the low-resolution logits of `masks` masks for each prompt.

    `tokens` are a prompt's sparse tokens.

    >>> from samhq.config import model_config
    >>> round(decode(model_config("sam_hq_vit_tiny"), 1, hq="add") / 1e9, 1)
    4.3
    """
    return prompts * (attend(config, tokens) + paint(config, masks, hq))


def everything(config: ModelConfig, points: int) -> int:
    """A picture and what every point of a grid paints: the best mask of an HQ model, else three."""
    masks = decode(config, points, hq="add", masks=1) if config.hq else decode(config, points, hq="off", masks=3)
    return encode(config) + masks


def shared(config: ModelConfig) -> int:
    """Operations that all prompts of a picture share: its first keys, values and queries."""
    row = config.decoder
    return 3 * matrix(config.grid**2, row.dim, row.dim // row.downsample)


def attend(config: ModelConfig, tokens: int = TOKENS) -> int:
    """Operations of one prompt's tokens and the picture looking at each other, and of the IoU head.

    The first block looks at what all prompts share and projects only its answer; the others and the last look of the
    tokens project keys and values, the others also queries and the answer.
    """
    row, cells = config.decoder, config.grid**2
    length, inner = 1 + row.masks + config.hq + tokens, row.dim // row.downsample
    own, met = matrix(length, row.dim, inner), matrix(length, inner, cells)
    side = projected(cells, length, row)
    block = self_attention(length, row) + 2 * matrix(length, row.dim, row.mlp_dim) + 4 * own
    places = 3 * met + side + (row.depth - 1) * 4 * side
    return row.depth * block + places + 2 * (own + side) + head(row.dim, row.iou_dim, row.masks, row.iou_depth)


def projected(cells: int, length: int, row: DecoderConfig) -> int:
    """Operations of one product between all places and tokens with a projection of the places.

    The cheaper of two orders: every place projected, or the projection taken into the tokens, head by head.
    """
    inner = row.dim // row.downsample
    written = matrix(cells, row.dim, inner) + matrix(cells, inner, length)
    folded = matrix(cells, row.dim, row.heads * length) + matrix(length, inner, row.dim)
    return min(written, folded)


def self_attention(length: int, row: DecoderConfig) -> int:
    """Operations of tokens looking at each other."""
    return 4 * matrix(length, row.dim, row.dim) + 2 * matrix(length, row.dim, length)


def head(dim: int, hidden: int, out: int, depth: int) -> int:
    """Operations of a small MLP on one token.

    >>> head(2, 3, 4, 2)
    36
    """
    return 2 * (dim * hidden + (depth - 2) * hidden**2 + hidden * out)


def paint(config: ModelConfig, masks: int = 1, hq: HQMode = "off") -> int:
    """Operations of one prompt's logits; the HQ vector is taken into the last convolution, 64 channels to one."""
    cells, dim = config.grid**2, config.decoder.dim
    pixels, out = 16 * cells, dim // 8
    total = upscaling(cells, dim, dim // 4, out)
    if hq != "only":
        total += masks * (matrix(pixels, out, 1) + head(dim, dim, out, 3))
    if hq != "off":
        folded = matrix(9 * dim // 4, out, 1)
        total += matrix(pixels, 9 * out, dim // 4) + matrix(pixels, 9 * dim // 4, 1) + folded
        total += matrix(pixels, out, 1) + head(dim, dim, out, 3)
    return total
