"""The starter's encoder: the published layers, its shapes, and that a file says which one it is."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from samhq.config import ModelConfig, model_config
from samhq.encoder_config import EfficientNetLiteConfig
from samhq.errors import ConfigError
from samhq.model.build import build
from samhq.model.encoders.efficientnet_lite import SameConvNorm, keywords, recognise
from samhq.model.encoders.table import kind_of
from samhq.model.encoders.tensor_shapes import TensorShapes
from tests import tiny

SMALL = EfficientNetLiteConfig(
    stem=8, channels=(8, 12, 16, 20, 24, 28, 32), depths=(1, 2, 1, 1, 2, 1, 1), expand=2, fine_dim=8, hidden=16
)
CONFIG = ModelConfig("tiny_lite", SMALL, hq=True, side=64, decoder=tiny.DECODER)


def same_padded(x: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's "same" padding, as its documentation states it."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads)


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_layer_is_padding_convolution_and_norm(kernel: int, stride: int, groups: int) -> None:
    if kernel == 1 and stride == 2:
        pytest.skip("no such layer")
    layer = SameConvNorm(4, 8, kernel, stride, groups).eval()
    tiny.fill(layer)
    nn.init.uniform_(layer.bn.running_var, 0.5, 2)
    x = torch.randn(2, 4, 12, 16, generator=torch.Generator().manual_seed(0))
    expected = layer.bn(F.conv2d(same_padded(x, kernel, stride), layer.c.weight, None, stride, groups=groups))
    torch.testing.assert_close(layer(x), expected, atol=1e-5, rtol=1e-5)


def test_shapes_of_what_comes_out() -> None:
    encoder = tiny.model(CONFIG).image_encoder
    encoded = encoder(torch.randn(2, 3, 64, 64))
    assert encoded.features.shape == (2, tiny.DECODER.dim, 4, 4)
    assert [level.shape for level in encoded.levels] == [(2, 16, 16, 8)]


def test_a_picture_moved_by_32_pixels_has_a_fine_map_moved_by_8_cells() -> None:
    """Strides and padding line up, away from the borders."""
    encoder = tiny.model(replace(CONFIG, side=320)).image_encoder
    picture = torch.randn(1, 3, 320, 352, generator=torch.Generator().manual_seed(1))
    here, there = (encoder(part).levels[0] for part in (picture[..., :320], picture[..., 32:]))
    middle, moved = slice(32, 44), slice(40, 52)
    torch.testing.assert_close(here[:, middle, moved], there[:, middle, middle], atol=1e-4, rtol=1e-4)
    assert not torch.allclose(here[:, middle, middle], there[:, middle, middle], atol=1e-2)


def test_a_file_says_which_encoder_it_is() -> None:
    state = build(CONFIG).state_dict()
    found = recognise(TensorShapes(state), {})
    assert found.encoder == SMALL
    assert found.undecided == ("side",)


@pytest.mark.parametrize("config", [CONFIG, model_config("starter").replace(side=128)])
def test_operations_are_those_that_torch_counts(config: ModelConfig) -> None:
    row = config.encoder
    encoder = kind_of(row).build(row, config.side, config.decoder.dim).eval()
    with FlopCounterMode(display=False) as counter:  # With gradients, since it does not know fused operations.
        encoder(torch.zeros(1, 3, config.side, config.side))
    assert row.operations(config.side, config.decoder.dim) == counter.get_total_flops()


def test_a_side_must_be_a_multiple_of_32() -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        replace(CONFIG, side=80)


def test_the_module_takes_all_numbers_of_the_row() -> None:
    assert keywords(SMALL)["channels"] == SMALL.channels
    assert "patch" not in keywords(SMALL)
