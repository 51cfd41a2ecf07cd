"""`samhq embed` fills a folder that the cache reads, goes on where it was, and mends what is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from PIL import Image
from tests import tiny
from tests.inference.test_segment import picture

from samhq.cli.main import main
from samhq.inference.cache import EmbeddingCache
from samhq.inference.segment import Segmenter

Shown = pytest.CaptureFixture[str]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for i in range(3):
        Image.fromarray(picture(seed=i)).save(tmp_path / "in" / f"{i}.png")
    return tmp_path / "in"


def run(weights: Path, out: Path, *arguments: object) -> int:
    return main(["embed", *map(str, arguments), "--model", str(weights), "--device", "cpu", "--output", str(out)])


def said(capsys: Shown) -> list[str]:
    return [line.split(": ")[1].rsplit(",", 1)[0] for line in capsys.readouterr().out.splitlines()]


def test_the_cache_reads_what_the_command_wrote(weights: Path, pictures: Path, tmp_path: Path) -> None:
    assert run(weights, tmp_path / "out", pictures) == 0
    model = Segmenter(tiny.shared(tiny.HQ))
    for i in range(3):
        found = EmbeddingCache(tmp_path / "out", "float32").get(model, picture(seed=i))
        assert found is not None
        assert torch.equal(found.embedding.features, model.encode(picture(seed=i)).embedding.features)


def test_half_precision(weights: Path, pictures: Path, tmp_path: Path) -> None:
    assert run(weights, tmp_path / "out", pictures / "0.png", "--store", "float16") == 0
    (file,) = (tmp_path / "out").glob("*.safetensors")
    assert {tensor.dtype for tensor in safetensors.torch.load_file(file).values()} == {torch.float16}


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_other_weights_find_their_own(weights: Path, pictures: Path, tmp_path: Path, stored: str) -> None:
    folder = tmp_path / "embeddings"
    assert run(weights, folder, pictures, "--dtype", "bfloat16", "--store", stored) == 0
    before = sorted(folder.glob("*.safetensors"))
    assert len(before) == 3
    asked = ["--box", "5,5,30,30", "--model", str(weights), "--device", "cpu", "--embeddings", str(folder)]
    for dtype, more in (("bfloat16", 0), ("float32", 3)):
        out = str(tmp_path / dtype)
        assert main(["segment", str(pictures), *asked, "--dtype", dtype, "--output", out]) == 0
        assert len(list(folder.glob("*.safetensors"))) == 3 + more


def test_what_is_there_stays_and_what_is_damaged_is_made_anew(
    weights: Path, pictures: Path, tmp_path: Path, capsys: Shown
) -> None:
    out = tmp_path / "out"
    assert run(weights, out, pictures / "0.png") == 0
    assert said(capsys) == ["encoded"]
    assert run(weights, out, pictures) == 0
    assert said(capsys) == ["there already", "encoded", "encoded"]
    whole = {path: path.read_bytes() for path in out.glob("*.safetensors")}
    damaged = sorted(whole)[0]
    damaged.write_bytes(whole[damaged][:-9])
    assert run(weights, out, pictures, "--workers", "2") == 0
    assert sorted(said(capsys)) == ["encoded again, since its file was not whole", "there already", "there already"]
    assert {path: path.read_bytes() for path in out.glob("*.safetensors") if path != damaged} == {
        path: content for path, content in whole.items() if path != damaged
    }
    # Another process may round the last bit otherwise: MKL's sums depend on how memory is aligned.
    before, after = safetensors.torch.load(whole[damaged]), safetensors.torch.load_file(damaged)
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], rtol=1e-4, atol=1e-5) for name in before)


def test_broken_pictures(weights: Path, pictures: Path, tmp_path: Path, capsys: Shown) -> None:
    (pictures / "1.png").write_bytes(b"no picture")
    assert run(weights, tmp_path / "out", pictures) == 1
    shown = capsys.readouterr()
    assert shown.out.count("encoded") == 2
    assert "1.png" in shown.err
    assert run(weights, tmp_path / "out", pictures / "1.png") == 2
    assert run(weights, pictures / "0.png", pictures / "2.png") == 2, "a file in place of the folder"
