"""A new encoder is a row class, a module and an entry in the table; then all that a model can do works."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

import samhq
from samhq import operations
from samhq.checkpoint.load import load_model
from samhq.checkpoint.save import convert, save_model
from samhq.cli.main import main
from samhq.config import Defaults, ModelConfig
from samhq.encoder_config import EncoderConfig, HQLevel, Normalisation
from samhq.errors import CheckpointError, ConfigError
from samhq.export.convert import describe_export
from samhq.export.verify import verify
from samhq.inference.segment import Segmenter
from samhq.model.encoders.table import ENCODERS, EncoderKind, kind_of
from samhq.runtime.about import DECODER, About
from samhq.runtime.graph import open_graph
from samhq.speed import flops
from samhq.training import loop, start
from samhq.training.lora import add_lora
from samhq.types import Encoded
from tests import exported, tiny
from tests.training.worlds import Held, quick


@dataclass(frozen=True)
class ToyConfig(EncoderConfig):
    """Two convolutions: the first at a quarter of the side, which is what the HQ decoder reads."""

    kind: ClassVar[str] = "Toy"
    families: ClassVar[tuple[str, str]] = ("Toys", "HQ toys")
    hq_level: ClassVar[HQLevel] = "stride4"
    normalisation: ClassVar[Normalisation] = Normalisation((127.0,) * 3, (128.0,) * 3)
    dim: int = 8

    @property
    def early_dim(self) -> int:
        return self.dim

    @property
    def summary(self) -> str:
        return f"Toy, {self.dim} wide"

    def operations(self, side: int, out: int) -> int:
        first = operations.convolution((side // 4) ** 2, 4, 3, self.dim)
        return first + operations.convolution((side // 16) ** 2, 4, self.dim, out)


class ToyEncoder(nn.Module):
    def __init__(self, *, side: int, out: int, dim: int, patch: int) -> None:
        super().__init__()
        self.toy = nn.Conv2d(3, dim, 4, stride=4)
        self.coarse = nn.Conv2d(dim, out, patch // 4, stride=patch // 4)

    def forward(self, pixels: Tensor) -> Encoded:
        fine = self.toy(pixels).relu()
        return Encoded(self.coarse(fine), (fine.permute(0, 2, 3, 1),))


CONFIG = ModelConfig("toy", ToyConfig(), hq=True, side=64, decoder=tiny.DECODER, family="HQ toys")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENCODERS, ToyConfig, EncoderKind(ToyConfig, ToyEncoder, mark="image_encoder.toy."))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "toy.safetensors"
    save_model(tiny.model(CONFIG), path)
    return path


def test_it_is_loaded(file: Path) -> None:
    loaded = load_model(file)
    assert loaded.config == CONFIG
    pixels = tiny.pixels(CONFIG)
    with torch.inference_mode():
        found, made = loaded.encode(pixels), tiny.model(CONFIG).encode(pixels)
    assert found.hq is not None
    assert found.hq.shape == (1, CONFIG.decoder.mask_dim, 16, 16)
    assert torch.equal(found.hq, made.hq)


def test_numbers_that_no_tensor_shows_come_from_beside_them(tmp_path: Path) -> None:
    other = CONFIG.replace(encoder=dataclasses.replace(CONFIG.encoder, dim=12), side=96)
    save_model(tiny.model(other), tmp_path / "other.safetensors")
    assert load_model(tmp_path / "other.safetensors").config == other
    with pytest.raises(ConfigError, match=r"do not say encoder\.dim = 12, side = 96"):
        convert(tmp_path / "other.safetensors", tmp_path / "other.pth")


def test_it_is_described(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(file)]) == 0
    said = capsys.readouterr().out
    for words in ("Toy, 8 wide", "HQ toys", "64 px"):
        assert words in said
    with pytest.raises(CheckpointError, match="with the encoder Toy, for which transformers has no format"):
        save_model(load_model(file), file.parent / "folder")


def test_it_is_counted() -> None:
    sam = tiny.model(CONFIG)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        sam.image_encoder(tiny.pixels(CONFIG))
    assert flops.encoder(CONFIG) == counter.get_total_flops()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        sam.encode(tiny.pixels(CONFIG))
    assert flops.encoder(CONFIG) + flops.hq_map(CONFIG) == counter.get_total_flops()


def test_pictures_are_normalised_as_its_row_says() -> None:
    segmenter, seen = Segmenter(tiny.model(CONFIG)), []
    segmenter.model.image_encoder.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    segmenter.encode(np.full((64, 64, 3), 191, np.uint8))
    assert seen[0].unique().tolist() == [0.5]


@pytest.mark.parametrize("contract", ["samhq", "original"])
def test_it_is_exported_and_verified(contract: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = exported.folder(tmp_path_factory, CONFIG, contract=contract)
    found = verify(tiny.shared(CONFIG), folder)
    assert max(found.features, found.logits) < 2e-4
    about = About.from_metadata(open_graph(folder / DECODER).metadata, folder / DECODER)
    assert about.form.normalisation == ToyConfig.normalisation


def test_an_exported_model_keeps_the_weights_own_mode() -> None:
    brought = CONFIG.replace(defaults=Defaults(hq="off"))
    assert describe_export(tiny.model(brought), "float32", "samhq").default_hq == "off"
    assert describe_export(tiny.model(CONFIG), "float32", "samhq").default_hq == "add"


@pytest.mark.parametrize("what", ["all", "decoder"])
def test_it_is_trained(what: str, file: Path, tmp_path: Path) -> None:
    config = quick(tmp_path / "run", file, mode="finetune", what=what, epochs=0.5)
    before, result = load_model(file).state_dict(), loop.train(config, data=Held(), say=lambda _: None)
    after = load_model(result.last).state_dict()
    changed = {name.split(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert ("image_encoder" in changed) == (what == "all")
    assert "mask_decoder" in changed


def test_another_side_needs_no_other_weights(file: Path) -> None:
    assert start.at_side(load_model(file), 128).config.side == 128


def test_low_rank_training_is_refused_where_there_is_no_attention(file: Path) -> None:
    with pytest.raises(ConfigError, match="got toy with the encoder Toy"):
        add_lora(load_model(file), 4, 4.0)


@pytest.mark.parametrize("config", tiny.ALL, ids=lambda config: config.name)
def test_every_module_is_built_from_its_row(config: ModelConfig) -> None:
    kind = kind_of(config.encoder)
    module = kind.build(config.encoder, config.side, 32)
    assert type(module) is kind.module
    encoded = module.eval()(tiny.pixels(config))
    assert encoded.features.shape == (1, 32, config.grid, config.grid)
    if config.encoder.early_dim:  # SAM 2's HQ decoder reads no early features
        assert encoded.levels[0].shape == (1, *config.encoder.level_hwc(config.side))


def test_marks_tell_the_kinds_apart() -> None:
    marks = [kind.mark for kind in ENCODERS.values()]
    assert not any(one != other and one.startswith(other) for one in marks for other in marks)
    assert len(set(marks)) == len(marks)


def test_nobody_asks_which_class_a_row_has() -> None:
    """What differs is a member of the row, or part of its entry in the table."""
    classes = "|".join([*(row.__name__ for row in ENCODERS), *(kind.module.__name__ for kind in ENCODERS.values())])
    asked = re.compile(rf"isinstance\([^\n]*\b(?:{classes})\b")
    sources = {path: path.read_text(encoding="utf-8") for path in Path(samhq.__file__).parent.rglob("*.py")}
    assert len(sources) > 100
    assert [path for path, text in sources.items() if asked.search(text)] == []
