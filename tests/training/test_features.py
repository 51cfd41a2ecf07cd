from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import tiny
from tests.training.worlds import Held, losses, quick, saved

from samhq.errors import CheckpointError
from samhq.training import loop
from samhq.training.augment import Augmentation
from samhq.training.features import FeatureCache, encoder_hash, size_in_bytes, whole
from samhq.training.labelled import view_of
from samhq.training.start import with_new_heads

HOW = Augmentation(96, scale=(0.7, 1.4))


def _files(folder) -> set:
    return set(folder.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("config", "mode"),
    [(tiny.PLAIN, "finetune"), (tiny.HQ, "hq"), (tiny.LIGHT, "hq"), (tiny.LIGHT, "finetune")],
    ids=lambda value: getattr(value, "name", value),
)
def test_the_losses_are_those_of_direct_training_with_the_same_copies(config, mode, tmp_path):
    init = saved(config, tmp_path)
    direct = quick(tmp_path / "direct", init, mode=mode, epochs=4, copies=2, correct=0.5, scale=(0.7, 1.4))
    cached = replace(direct, output=tmp_path / "cached", cache=tmp_path / "features", cache_dtype="float32")
    for run in (direct, cached):
        loop.train(run, data=Held(), say=lambda _: None)
    assert losses(cached.output) == pytest.approx(losses(direct.output), rel=1e-6)
    assert len(losses(cached.output)) == 10
    assert len(_files(tmp_path / "features")) == 2 * len(Held())


def test_float16_is_close_and_half_the_size(tmp_path):
    sizes = {}
    for dtype in ("float32", "float16"):
        config = quick(tmp_path / dtype, saved(tiny.HQ, tmp_path), mode="hq", copies=2, cache=tmp_path / f"f{dtype}")
        loop.train(replace(config, cache_dtype=dtype), data=Held(), say=lambda _: None)
        sizes[dtype] = sum(path.stat().st_size for path in _files(tmp_path / f"f{dtype}"))
    assert losses(tmp_path / "float16") == pytest.approx(losses(tmp_path / "float32"), rel=2e-2)
    assert sizes["float16"] < 0.75 * sizes["float32"]


def test_what_is_whole_is_not_encoded_again_and_what_is_damaged_is(tmp_path, monkeypatch):
    sam, cache = tiny.shared(tiny.LIGHT), FeatureCache(tmp_path, HOW, 2)
    cache.fill(Held(), sam, at_once=1, say=lambda _: None)
    first = {path: path.read_bytes() for path in _files(tmp_path)}
    encoded = []
    monkeypatch.setattr(sam, "encode", lambda *a, **k: encoded.append(1) or type(sam).encode(sam, *a, **k))
    cache.fill(Held(), sam, at_once=1, say=lambda _: None)
    assert not encoded
    damaged = max(first, key=lambda path: path.stat().st_size)
    damaged.write_bytes(first[damaged][:-100])
    assert not whole(damaged)
    cache.fill(Held(), sam, at_once=1, say=lambda _: None)
    assert len(encoded) == 1
    assert whole(damaged)
    untouched = {path: content for path, content in first.items() if path != damaged}
    assert {path: path.read_bytes() for path in _files(tmp_path) - {damaged}} == untouched


def test_a_file_belongs_to_picture_encoder_augmentation_and_dtype_but_not_to_the_heads(tmp_path):
    sam, cache = tiny.model(tiny.LIGHT), FeatureCache(tmp_path, HOW, 1)

    def new_files(how, model, pictures=None) -> int:
        before = _files(tmp_path)
        how.fill(pictures or Held(2, empty=None), model, say=lambda _: None)
        return len(_files(tmp_path) - before)

    assert new_files(cache, sam) == 2
    torch.manual_seed(1)
    assert new_files(cache, with_new_heads(sam, silent=True)) == 0
    assert new_files(replace(cache, dtype="float32"), sam) == 2
    assert new_files(replace(cache, how=replace(HOW, flip=0.0)), sam) == 2
    assert new_files(replace(cache, copies=3), sam) == 4, "the first copies are the same"
    assert new_files(cache, sam, Held(3, empty=None)) == 1, "the first two pictures are the same"
    assert new_files(cache, tiny.model(tiny.LIGHT, salt=1)) == 2
    assert encoder_hash(sam) != encoder_hash(tiny.model(tiny.LIGHT, salt=1))


def test_a_stored_view_is_the_view_and_none_where_no_object_is(tmp_path):
    sam, pictures = tiny.shared(tiny.LIGHT), Held(2, empty=1)
    kept = FeatureCache(tmp_path, HOW, 2, "float32").fill(pictures, sam, say=lambda _: None)
    cover, features = kept(0, 1)
    view = view_of(pictures[0], 1, HOW)
    assert np.array_equal(cover, view.cover)
    with torch.no_grad():
        from samhq.training.data import normalised

        own = sam.encode(normalised(view.image[None], 96), keep_early=True)
    torch.testing.assert_close(features.features, own.features, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(features.early, own.early, atol=1e-4, rtol=1e-3)
    assert kept(1, 0) is None


def test_a_file_that_is_removed_while_a_run_reads_is_named(tmp_path):
    kept = FeatureCache(tmp_path, HOW, 1).fill(Held(1, empty=None), tiny.shared(tiny.LIGHT), say=lambda _: None)
    kept.paths[0, 0].unlink()
    with pytest.raises(CheckpointError, match=kept.paths[0, 0].name):
        kept(0, 0)


def test_features_that_float16_cannot_hold_are_refused(tmp_path):
    sam = tiny.model(tiny.PLAIN)
    with torch.no_grad():
        sam.image_encoder.neck[3].weight.mul_(1e9)
    with pytest.raises(CheckpointError, match="float32"):
        FeatureCache(tmp_path, replace(HOW, side=64), 1).fill(Held(1, empty=None), sam, say=lambda _: None)
    assert not _files(tmp_path)


def test_two_processes_make_the_files_of_one(tmp_path):
    sam = tiny.shared(tiny.LIGHT)
    alone = FeatureCache(tmp_path / "one", HOW, 1).fill(Held(3), sam, say=lambda _: None)
    for rank in (0, 1):
        both = FeatureCache(tmp_path / "two", HOW, 1).fill(Held(3), sam, share=(rank, 2), say=lambda _: None)
    names = [{path.name for path in kept.paths.values()} for kept in (alone, both)]
    assert names[0] == names[1] == {path.name for path in _files(tmp_path / "two")}


def test_the_size_is_known_before(tmp_path):
    sam = tiny.shared(tiny.HQ)
    FeatureCache(tmp_path, replace(HOW, side=64), 2, "float32").fill(Held(2, empty=None), sam, say=lambda _: None)
    real = sum(path.stat().st_size for path in _files(tmp_path))
    assert size_in_bytes(sam, 4, "float32") == pytest.approx(real, rel=0.4)
