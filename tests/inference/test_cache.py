"""What the cache gives is what encoding gives, and a file that is not exactly right is never believed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from tests import tiny
from tests.inference.test_segment import picture

from samhq.checkpoint import files
from samhq.checkpoint.save import save_model
from samhq.errors import CheckpointError, ConfigError, ImageError
from samhq.image.frame import Frame
from samhq.inference.cache import _HEADER, NOT_THERE, EmbeddingCache
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.model.sam import Sam
from samhq.storage import digest
from samhq.types import ImageEmbedding


class Counting(Segmenter):
    """A segmenter that knows how often it encoded."""

    encoded = 0

    def encode(self, image: Any) -> EncodedImage:
        self.encoded += 1
        return super().encode(image)


@pytest.fixture
def model(hq: Sam) -> Counting:
    return Counting(hq)


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path / "cache")


def stored(cache: EmbeddingCache) -> list[Path]:
    return sorted(cache.folder.glob("*.safetensors"))


def png(path: Path, seed: int = 0) -> Path:
    Image.fromarray(picture(seed=seed)).save(path)
    return path


def same(a: EncodedImage, b: EncodedImage) -> bool:
    pairs = ((a.embedding.features, b.embedding.features), (a.embedding.hq, b.embedding.hq))
    equal = all((x is None) == (y is None) and (x is None or torch.equal(x, y)) for x, y in pairs)
    return equal and a.frame == b.frame and np.array_equal(a.image, b.image)


def test_what_comes_back_is_what_encoding_gives(any_sam: Sam, tmp_path: Path) -> None:
    model, cache = Counting(any_sam), EmbeddingCache(tmp_path)
    first, second = cache.get_or_encode(model, picture()), cache.get_or_encode(model, picture())
    assert model.encoded == 1
    assert same(first, second)
    assert same(second, Segmenter(any_sam).encode(picture()))
    a, b = (model.segment(image, points=[[20, 15]]) for image in (second, picture()))
    assert np.array_equal(a.low_res_logits, b.low_res_logits)


def test_early_features_are_never_stored(model: Counting, cache: EmbeddingCache) -> None:
    encoded = model.encode(picture())
    early = torch.zeros(1, 4, 4, 32)
    whole = ImageEmbedding(encoded.embedding.features, encoded.embedding.hq, early)
    path = cache.put(model, EncodedImage(encoded.image, whole, encoded.frame, model.name))
    assert set(safetensors.torch.load_file(path)) == {"features", "hq"}


def test_float16_takes_half_the_space_and_gives_nearly_the_same_masks(any_sam: Sam, tmp_path: Path) -> None:
    model = Segmenter(any_sam)
    full, half = EmbeddingCache(tmp_path / "a"), EmbeddingCache(tmp_path / "b", "float16")
    for cache in (full, half):
        cache.get_or_encode(model, picture())
    sizes = [sum(t.nbytes for t in safetensors.torch.load_file(stored(cache)[0]).values()) for cache in (full, half)]
    assert sizes[0] == 2 * sizes[1]
    asked = {"boxes": [[5, 5, 50, 30], [1, 1, 30, 39]]}
    a, b = (model.segment(cache.get(model, picture()), **asked).masks for cache in (full, half))
    assert (a & b).sum() / (a | b).sum() > 0.98


def test_float16_is_rounded_alike_when_stored_now_and_when_read(model: Counting, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, "float16")
    now, later = (cache.get_or_encode(model, picture()) for _ in range(2))
    assert same(now, later)
    assert now.embedding.features.dtype == torch.float32
    assert not same(now, model.encode(picture()))


def test_a_model_of_another_dtype_is_another_model_and_gets_its_own_dtype(tmp_path: Path) -> None:
    sam = tiny.model(tiny.HQ)
    cache = EmbeddingCache(tmp_path)
    cache.get_or_encode(Segmenter(sam), picture())
    half = Counting(sam.to(torch.bfloat16))
    first, second = (cache.get_or_encode(half, picture()) for _ in range(2))
    assert half.encoded == 1
    assert second.embedding.features.dtype == torch.bfloat16
    assert same(first, second)
    assert same(second, half.encode(picture()))


@pytest.mark.parametrize(("wrote", "reads"), [("float16", None), ("float32", None), ("float32", "float32")])
def test_a_dtype_that_is_there_is_read(model: Counting, tmp_path: Path, wrote: Any, reads: Any) -> None:
    EmbeddingCache(tmp_path, wrote).get_or_encode(model, picture())
    assert EmbeddingCache(tmp_path, reads).get(model, picture()) is not None


def test_an_exact_dtype_is_not_served_by_the_other(model: Counting, tmp_path: Path) -> None:
    EmbeddingCache(tmp_path, "float16").get_or_encode(model, picture())
    assert EmbeddingCache(tmp_path, "float32").get(model, picture()) is None
    EmbeddingCache(tmp_path, "float32").get_or_encode(model, picture())
    assert EmbeddingCache(tmp_path, "float16").get(model, picture()) is not None, "both have a place"


def test_the_key_is_the_content(model: Counting, cache: EmbeddingCache, tmp_path: Path) -> None:
    a = png(tmp_path / "a.png")
    cache.get_or_encode(model, a)
    for source in (tmp_path / "a.png", str(a), a.read_bytes(), picture(), Image.open(a), io.BytesIO(a.read_bytes())):
        assert cache.get(model, source) is not None
    other = picture()
    other[3, 4, 1] ^= 1
    assert cache.get(model, other) is None
    assert cache.get(model, picture(60, 40)) is None


def test_another_model_side_or_architecture_is_another_key(model: Counting, cache: EmbeddingCache) -> None:
    cache.get_or_encode(model, picture())
    assert cache.get(Segmenter(tiny.model(tiny.HQ, salt=1)), picture()) is None
    assert cache.get(Segmenter(tiny.shared(tiny.PLAIN)), picture()) is None
    same_weights = tiny.model(tiny.HQ)
    assert cache.get(Segmenter(same_weights), picture()) is not None
    encoder = tiny.HQ.encoder
    heads = tiny.HQ.replace(name="tiny_hq", encoder=type(encoder)(**{**vars(encoder), "window": 2}))
    same_weights.config = heads
    assert cache.get(Segmenter(same_weights), picture()) is None


def edited(path: Path, change: Any) -> None:
    """The file with another record, or other tensors, and else in order."""
    contents = files.read(path)
    tensors = {name: tensor.clone() for name, tensor in contents.value.items()}  # type: ignore[attr-defined]
    record = json.loads(contents.metadata[_HEADER])
    change(record, tensors)
    files.write_tensors(path, tensors, {_HEADER: json.dumps(record)})


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)


HARM = {
    "cut short": lambda p: p.write_bytes(p.read_bytes()[:-100]),
    "empty": lambda p: p.write_bytes(b""),
    "no safetensors": lambda p: p.write_bytes(b"{" * 500),
    "one bit": flipped,
    "without a record": lambda p: files.write_tensors(p, {"features": torch.zeros(1)}),
    "a record that is no object": lambda p: files.write_tensors(p, {"features": torch.zeros(1)}, {_HEADER: "[1]"}),
    "another frame": lambda p: edited(p, lambda record, _: record.update(original_hw=[1, 2])),
    "an older version": lambda p: edited(p, lambda record, _: record.update(version=0)),
    "another mean": lambda p: edited(p, lambda record, _: record["preprocessing"].update(mean=[0, 0, 0])),
    "no checksum": lambda p: edited(p, lambda record, _: record.pop("sha256")),
    "other numbers": lambda p: edited(p, lambda _, tensors: tensors["features"].mul_(2)),
    "no HQ map": lambda p: edited(p, lambda _, tensors: tensors.pop("hq")),
    "one tensor more": lambda p: edited(p, lambda _, tensors: tensors.update(early=torch.zeros(1))),
    "another shape": lambda p: edited(p, lambda _, t: t.update(features=t["features"].transpose(1, 3).contiguous())),
    "another dtype": lambda p: edited(p, lambda _, tensors: tensors.update(hq=tensors["hq"].double())),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_file_that_is_not_right_is_noticed_and_made_anew(model: Counting, cache: EmbeddingCache, harm: str) -> None:
    expected = cache.get_or_encode(model, picture())
    (path,) = stored(cache)
    HARM[harm](path)
    assert cache.get(model, picture()) is None
    problem = cache.problem(model, picture())
    assert problem is not None
    assert path.name in problem
    assert same(cache.get_or_encode(model, picture()), expected)
    assert model.encoded == 2
    assert cache.problem(model, picture()) is None
    assert stored(cache) == [path]


def test_a_whole_file_under_another_name_is_foreign(model: Counting, cache: EmbeddingCache) -> None:
    cache.get_or_encode(model, picture(seed=0))
    (first,) = stored(cache)
    cache.get_or_encode(model, picture(seed=1))
    (second,) = set(stored(cache)) - {first}
    second.write_bytes(first.read_bytes())
    assert "another picture" in str(cache.problem(model, picture(seed=1)))
    assert cache.get(model, picture(seed=1)) is None


def test_a_known_file_is_looked_up_by_its_bytes(
    model: Counting, cache: EmbeddingCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = png(tmp_path / "a.png")
    assert cache.problem(model, path) == NOT_THERE
    cache.get_or_encode(model, path)
    path = path.rename(tmp_path / "renamed.png")

    def never(_: Any) -> None:
        pytest.fail("decoded")

    with monkeypatch.context() as patched:
        patched.setattr("samhq.inference.cache.read_image", never)
        assert cache.problem(model, path) is None
        assert cache.problem(model, path.read_bytes()) is None
        assert cache.problem(Segmenter(tiny.shared(tiny.PLAIN)), path) == NOT_THERE
    for note in (cache.folder / "sources").iterdir():
        note.write_text("damaged")
    assert cache.problem(model, path) is None
    assert model.encoded == 1
    png(path, seed=1)
    assert cache.problem(model, path) == NOT_THERE


def test_keeping_encodes_only_what_is_not_there(model: Counting, cache: EmbeddingCache, tmp_path: Path) -> None:
    a, b = png(tmp_path / "a.png"), tmp_path / "b.bmp"
    Image.open(a).save(b)
    assert [cache.keep(model, source) for source in (a, a, b, b)] == [NOT_THERE, None, None, None]
    assert model.encoded == 1
    stored(cache)[0].write_bytes(b"")
    assert stored(cache)[0].name in str(cache.keep(model, b))
    assert model.encoded == 2
    assert cache.keep(model, a) is None


def test_the_file_says_where_it_is_from(model: Counting, cache: EmbeddingCache, tmp_path: Path) -> None:
    cache.get_or_encode(model, png(tmp_path / "a.png"))
    record = json.loads(files.read(stored(cache)[0]).metadata[_HEADER])
    assert record["source"]["name"] == "a.png"
    assert record["model"] == "tiny_hq"
    assert record["original_hw"] == [40, 60]
    assert record["resized_hw"] == list(Frame.fit((40, 60), 64).resized_hw)
    assert record["picture"] == digest.of_array(picture())


def test_errors_are_sentences(model: Counting, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="float16"):
        EmbeddingCache(tmp_path, "half")  # type: ignore[arg-type]
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="folder"):
        EmbeddingCache(tmp_path / "file")
    cache = EmbeddingCache(tmp_path)
    with pytest.raises(ImageError, match=r"missing\.png"):
        cache.get_or_encode(model, tmp_path / "missing.png")
    with pytest.raises(ConfigError, match="tiny_plain encoded"):
        cache.put(Segmenter(tiny.shared(tiny.PLAIN)), model.encode(picture()))
    encoded = model.encode(picture())
    large = ImageEmbedding(encoded.embedding.features * 1e6, encoded.embedding.hq)
    with pytest.raises(ConfigError, match="Store this model's embeddings as float32"):
        EmbeddingCache(tmp_path, "float16").put(model, EncodedImage(encoded.image, large, encoded.frame, model.name))
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_folder_that_cannot_be_written_is_an_error(model: Counting, tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path / "cache")
    (tmp_path / "cache").write_text("came in between")
    with pytest.raises(CheckpointError, match="place to write"):
        cache.get_or_encode(model, picture())


SHARING = """
import sys
import numpy as np
from pathlib import Path
import samhq
from samhq.inference.cache import EmbeddingCache
from samhq.storage import digest
weights, folder, start = map(Path, sys.argv[1:])
model, cache = samhq.load(weights, device="cpu"), EmbeddingCache(folder)
print("ready", flush=True)
sys.stdin.readline()
for round in range(3):
    for seed in range(4):
        image = np.random.default_rng(seed).integers(0, 256, (20, 30, 3), dtype=np.uint8)
        encoded = cache.get_or_encode(model, image)
        assert encoded.embedding.features.equal(model.encode(image).embedding.features)
    for path in folder.glob("*.safetensors"):
        path.write_bytes(path.read_bytes()[:1000]) if round < 2 and sys.argv[3] == "harm" else None
"""


def test_two_processes_share_a_folder(hq: Sam, tmp_path: Path) -> None:
    """Both store the same pictures at the same time, and one of them cuts files short meanwhile."""
    save_model(hq, tmp_path / "tiny.safetensors")
    command = [sys.executable, "-c", SHARING, str(tmp_path / "tiny.safetensors"), str(tmp_path / "cache")]
    both = [
        subprocess.Popen([*command, role], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for role in ("harm", "good")
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    said = [process.communicate(b"\n", timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(list((tmp_path / "cache").glob("*.safetensors"))) == 4
    assert not list((tmp_path / "cache").glob(".*")), "no half-written file is left"
