"""TinyViT read straight from the published architecture: plain modules, batch norms as they are, attention spelled out.

The peer where no package can be had: transformers has no TinyViT, and the original's needs timm and torchvision.
Every convolution is followed by its own batch norm, tokens and maps are turned into each other as the original does,
attention is two products and a softmax over windows with their padding, and the learned bias is looked up anew. It
shares nothing with this library's encoder but the names of its weights.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from samhq.config import ModelConfig
from samhq.encoder_config import TinyViTConfig
from samhq.model.sam import Sam
from samhq.speed.ours import Refusal, Workload, random_pixels
from samhq.speed.work import Encode


class PlainTinyViT:
    """The party: encoding only."""

    def __init__(self, model: Sam, dtype: str, device: torch.device) -> None:
        if not isinstance(model.config.encoder, TinyViTConfig):
            raise Refusal("is a TinyViT")
        self.name, self.config = "plain modules", model.config
        self.encoder = plain_encoder(model.config)
        state = model.image_encoder.state_dict()
        unused = {name for name in state if name.startswith(("head.", "norm_head."))}
        self.encoder.load_state_dict({name: value for name, value in state.items() if name not in unused})
        self.device, self.dtype = device, getattr(torch, dtype)
        self.encoder.to(device=device, dtype=self.dtype).eval().requires_grad_(False)

    def encoding(self, work: Encode) -> Workload:
        """Pictures to features and the early map."""
        pixels = random_pixels(self.config, work.images).to(self.device, self.dtype)

        def answer() -> dict[str, Tensor]:
            features, early = self.encoder(pixels)
            return {"features": features, "early": early}

        return Workload(lambda: self.encoder(pixels), answer)


def plain_encoder(config: ModelConfig) -> nn.Module:
    """The encoder with weights of its own."""
    row = config.encoder
    assert isinstance(row, TinyViTConfig)
    return Encoder(row, config.decoder.dim)


class Encoder(nn.Module):
    """Pixels [B,3,S,S] to features [B,out,g,g] and the early map [B,g,g,dims[2]]."""

    def __init__(self, row: TinyViTConfig, out: int) -> None:
        super().__init__()
        self.patch_embed = nn.Module()
        half = row.dims[0] // 2
        self.patch_embed.seq = nn.Sequential(conv_bn(3, half, 3, 2), nn.GELU(), conv_bn(half, row.dims[0], 3, 2))
        self.layers = nn.ModuleList(stage(row, i) for i in range(len(row.dims)))
        self.neck = nn.Sequential(
            nn.Conv2d(row.dims[-1], out, 1, bias=False),
            ChannelNorm(out),
            nn.Conv2d(out, out, 3, padding=1, bias=False),
            ChannelNorm(out),
        )

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """One stage after the other."""
        x, early = self.patch_embed.seq(pixels), pixels
        for i, layer in enumerate(self.layers):
            for block in layer.blocks:
                x = block(x)
            if layer.downsample is not None:
                x = layer.downsample(x)
            if i == 1:
                early = x.permute(0, 2, 3, 1)
        return self.neck(x), early


def stage(row: TinyViTConfig, i: int) -> nn.Module:
    """Blocks and what follows them; a module for its two names only."""
    dim, made = row.dims[i], nn.Module()
    blocks: list[nn.Module] = [
        Inverted(dim, row.expand * dim) if i == 0 else WindowBlock(dim, row.heads[i], row.windows[i], row.mlp_ratio)
        for _ in range(row.depths[i])
    ]
    made.blocks = nn.ModuleList(blocks)
    last = i + 1 == len(row.dims)
    made.downsample = None if last else Three(dim, row.dims[i + 1], row.dims[i + 1], row.strides[i])
    return made


def conv_bn(inp: int, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Module:
    """Convolution, then batch norm."""
    made = nn.Sequential()
    made.add_module("c", nn.Conv2d(inp, out, kernel, stride, kernel // 2, groups=groups, bias=False))
    made.add_module("bn", nn.BatchNorm2d(out))
    return made


class ChannelNorm(nn.Module):
    """Mean and variance over channels, step by step."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The normalised map."""
        centred = x - x.mean(1, keepdim=True)
        x = centred / (centred.pow(2).mean(1, keepdim=True) + 1e-6).sqrt()
        return self.weight[:, None, None] * x + self.bias[:, None, None]


class Three(nn.Module):
    """1x1, depth-wise 3x3 and 1x1 convolutions with GELU between."""

    def __init__(self, dim: int, middle: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.conv3 = conv_bn(dim, middle), conv_bn(middle, out)
        self.conv2 = conv_bn(middle, middle, 3, stride, middle)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        """The next map."""
        return self.conv3(self.act(self.conv2(self.act(self.conv1(x)))))


class Inverted(Three):
    """The same with its input added, then GELU."""

    def __init__(self, dim: int, middle: int) -> None:
        super().__init__(dim, middle, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The next map."""
        return self.act(x + super().forward(x))


class WindowBlock(nn.Module):
    """Attention in windows, a depth-wise convolution, an MLP."""

    def __init__(self, dim: int, heads: int, window: int, ratio: int) -> None:
        super().__init__()
        self.window = window
        self.attn = WindowAttention(dim, heads, window)
        self.local_conv = conv_bn(dim, dim, 3, 1, dim)
        self.mlp = nn.Sequential()
        self.mlp.add_module("norm", nn.LayerNorm(dim))
        self.mlp.add_module("fc1", nn.Linear(dim, ratio * dim))
        self.mlp.add_module("act", nn.GELU())
        self.mlp.add_module("fc2", nn.Linear(ratio * dim, dim))

    def forward(self, x: Tensor) -> Tensor:
        """The next map [B,C,H,W], by way of tokens."""
        b, c, h, w = x.shape
        s = self.window
        tokens = x.permute(0, 2, 3, 1)
        padded = nn.functional.pad(tokens, (0, 0, 0, -w % s, 0, -h % s))
        rows, columns = padded.shape[1] // s, padded.shape[2] // s
        cut = padded.reshape(b, rows, s, columns, s, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, s * s, c)
        seen = self.attn(cut).reshape(b, rows, columns, s, s, c).permute(0, 1, 3, 2, 4, 5)
        tokens = tokens + seen.reshape(b, rows * s, columns * s, c)[:, :h, :w]
        x = self.local_conv(tokens.permute(0, 3, 1, 2).contiguous())
        tokens = x.flatten(2).transpose(1, 2)
        tokens = tokens + self.mlp(tokens)
        return tokens.transpose(1, 2).reshape(b, c, h, w)


class WindowAttention(nn.Module):
    """Norm, two products with a softmax between, projection; a bias for each absolute offset inside the window."""

    offsets: Tensor

    def __init__(self, dim: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.each = heads, dim // heads
        self.norm, self.qkv, self.proj = nn.LayerNorm(dim), nn.Linear(dim, 3 * dim), nn.Linear(dim, dim)
        self.attention_biases = nn.Parameter(torch.zeros(heads, window * window))
        places = [(y, x) for y in range(window) for x in range(window)]
        offsets = [[abs(y - v) * window + abs(x - u) for v, u in places] for y, x in places]
        self.register_buffer("offsets", torch.tensor(offsets), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """The attended windows [b,L,C]."""
        b, length, c = x.shape
        parts: Any = self.qkv(self.norm(x)).reshape(b, length, self.heads, 3 * self.each).split(self.each, dim=3)
        q, k, v = (part.permute(0, 2, 1, 3) for part in parts)
        logits = q @ k.transpose(2, 3) * self.each**-0.5 + self.attention_biases[:, self.offsets]
        return self.proj((logits.softmax(-1) @ v).transpose(1, 2).reshape(b, length, c))
