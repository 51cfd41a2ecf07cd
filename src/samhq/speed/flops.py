"""The necessary arithmetic for a result: multiplications and additions of matrix products and convolutions.

Counted only from the architecture's numbers, two for each multiply-add. Avoidable work is not counted: window padding,
repeated work that all prompts of a picture share, masks that nobody requested, and the more expensive of two equivalent
orders of a product. Knows nothing about tensors or the network's implementation.
"""

from __future__ import annotations

from samhq.config import DecoderConfig, HQMode, ModelConfig
from samhq.operations import convolution, matrix, upscaling

#: Sparse tokens of one prompt: a click and the "not a point" after it, or a box's two corners.
TOKENS = 2


def encoder(config: ModelConfig) -> int:
    """Operations of the image encoder on one picture.

    >>> from samhq.config import model_config
    >>> round(encoder(model_config("sam_vit_b")) / 1e9), round(encoder(model_config("mobile_sam")) / 1e9)
    (935, 74)
    """
    return config.encoder.operations(config.side, config.decoder.dim)


def hq_map(config: ModelConfig) -> int:
    """Operations of a picture's HQ map; 0 for plain SAM.

    >>> from samhq.config import model_config
    >>> round(hq_map(model_config("sam_hq_vit_b")) / 1e9, 2)
    8.32
    """
    if not config.hq:
        return 0
    cells, row, encoder = config.grid**2, config.decoder, config.encoder
    deep = upscaling(cells, row.dim, row.middle_dim, row.mask_dim)
    if encoder.hq_level == "stride16":
        return deep + upscaling(cells, encoder.early_dim, row.dim, row.mask_dim)
    fine = convolution(16 * cells, 3, encoder.early_dim, row.middle_dim)
    return deep + fine + convolution(16 * cells, 3, row.middle_dim, row.mask_dim)


def encoding(config: ModelConfig, images: int = 1) -> int:
    """Operations from pixels to embeddings, with HQ maps and the work that prompts share.

    >>> from samhq.config import model_config
    >>> round(encoding(model_config("sam_hq_vit_b")) / 1e12, 2)
    0.94
    """
    return images * (encoder(config) + hq_map(config) + shared(config))


def decoding(config: ModelConfig, prompts: int, *, hq: HQMode = "off", tokens: int = TOKENS, masks: int = 1) -> int:
    """Operations from embeddings to the low-resolution logits of `masks` masks for each prompt.

    `tokens` are a prompt's sparse tokens.

    >>> from samhq.config import model_config
    >>> round(decoding(model_config("sam_hq_vit_tiny"), 1, hq="add") / 1e9, 1)
    4.3
    """
    return prompts * (attend(config, tokens) + painting(config, masks, hq))


def whole_image(config: ModelConfig, points: int) -> int:
    """Operations for a picture and the masks of every point of a grid: the best mask of an HQ model, else three."""
    masks = decoding(config, points, hq="add", masks=1) if config.hq else decoding(config, points, hq="off", masks=3)
    return encoding(config) + masks


def shared(config: ModelConfig) -> int:
    """Operations that all prompts of a picture share: its first keys, values and queries."""
    row = config.decoder
    return 3 * matrix(config.grid**2, row.dim, row.dim // row.downsample)


def attend(config: ModelConfig, tokens: int = TOKENS) -> int:
    """Operations of attention between one prompt's tokens and the picture, and of the IoU head.

    The first block attends to keys and values that all prompts share, and projects only its answer. The other blocks
    and the last attention of the tokens project keys and values; the other blocks also project queries and the answer.
    """
    row, cells = config.decoder, config.grid**2
    length, inner = 1 + row.masks + config.hq + tokens, row.dim // row.downsample
    projection, product = matrix(length, row.dim, inner), matrix(length, inner, cells)
    side = projected(cells, length, row)
    block = self_attention(length, row) + 2 * matrix(length, row.dim, row.mlp_dim) + 4 * projection
    places = 3 * product + side + (row.depth - 1) * 4 * side
    return row.depth * block + places + 2 * (projection + side) + head(row.dim, row.iou_dim, row.masks, row.iou_depth)


def projected(cells: int, length: int, row: DecoderConfig) -> int:
    """Operations of one product between all positions and tokens with a projection of the positions.

    The cheaper of two orders: project every position, or multiply the projection into the tokens, head by head.
    """
    inner = row.dim // row.downsample
    projected_positions = matrix(cells, row.dim, inner) + matrix(cells, inner, length)
    projected_tokens = matrix(cells, row.dim, row.heads * length) + matrix(length, inner, row.dim)
    return min(projected_positions, projected_tokens)


def self_attention(length: int, row: DecoderConfig) -> int:
    """Operations of self-attention between tokens."""
    return 4 * matrix(length, row.dim, row.dim) + 2 * matrix(length, row.dim, length)


def head(dim: int, hidden: int, out: int, depth: int) -> int:
    """Operations of a small MLP on one token.

    >>> head(2, 3, 4, 2)
    36
    """
    return 2 * (dim * hidden + (depth - 2) * hidden**2 + hidden * out)


def painting(config: ModelConfig, masks: int = 1, hq: HQMode = "off") -> int:
    """Operations of one prompt's logits; the HQ vector is multiplied into the last convolution, 64 channels to one."""
    cells, row = config.grid**2, config.decoder
    pixels, middle, out = 16 * cells, row.middle_dim, row.mask_dim
    vector = head(row.dim, row.dim, out, row.head_depth)
    total = upscaling(cells, row.dim, middle, out)
    if hq != "only":
        total += masks * (matrix(pixels, out, 1) + vector)
    if hq != "off":
        folded = matrix(9 * middle, out, 1)
        total += convolution(pixels, 3, out, middle) + matrix(pixels, 9 * middle, 1) + folded
        total += matrix(pixels, out, 1) + vector
    return total
