"""Weights and pictures that anyone can make again: functions of a name, a shape and a seed, in numpy alone.

The outputs in `data/` were computed from them with segment_anything_hq 0.3. A tensor's values depend on its name in
the original key layout and on its shape; numpy keeps the PCG64 stream the same across its versions.
"""

from __future__ import annotations

import zlib

import numpy as np

#: Transposed convolutions, whose weights are stored (in, out, height, width).
TRANSPOSED = ("output_upscaling", "compress_vit_feat", "embedding_encoder")


def tensor(key: str, shape: tuple[int, ...], salt: int = 0) -> np.ndarray:
    """The values of state-dict entry `key`: float32, or int64 zeros for the counters of batch normalisation.

    >>> round(tensor("mask_decoder.iou_token.weight", (1, 2))[0, 1].item(), 3)
    0.211
    """
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, np.int64)
    noise = np.random.Generator(np.random.PCG64(zlib.crc32(key.encode()) + salt)).standard_normal(shape, np.float32)
    if key.endswith("running_var"):
        return (1 + 0.2 * np.abs(noise)).astype(np.float32)
    if key.endswith("gaussian_matrix"):
        return noise
    if key.endswith("running_mean"):
        return 0.1 * noise
    if "rel_pos" in key or key.endswith(("pos_embed", "attention_biases")):
        return 0.2 * noise
    if "point_embeddings" in key or key.endswith(("token.weight", "tokens.weight", "embed.weight")):
        return 0.5 * noise
    if len(shape) > 1:
        return (1.4 / np.sqrt(_inputs(key, shape)) * noise).astype(np.float32)
    return (1 + 0.1 * noise if key.endswith("weight") else 0.05 * noise).astype(np.float32)


def _inputs(key: str, shape: tuple[int, ...]) -> int:
    transposed = len(shape) == 4 and any(name in key for name in TRANSPOSED)
    return shape[0] if transposed else int(np.prod(shape[1:]))


def image(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A uint8 RGB picture [height, width, 3]: waves, a disc, bars and noise.

    >>> image(2, 2)[0, 0].tolist()
    [204, 65, 86]
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    red = 127 + 90 * np.sin(x / (40 + 3 * seed)) * np.cos(y / (51 - 2 * seed))
    green = 127 + 100 * np.sin((x + y) / (30 + seed))
    inside = (x - width * 0.55) ** 2 + (y - height * 0.45) ** 2 < (min(height, width) * 0.27) ** 2
    blue = 60 + 120 * inside
    bars = ((x + 2 * y) % 61 < 4) * 70.0
    noise = np.random.Generator(np.random.PCG64(100 + seed)).integers(-12, 13, (height, width, 3))
    picture = np.stack([red + bars, green - bars, blue + bars / 2], axis=-1) + noise
    return np.clip(picture, 0, 255).astype(np.uint8)
