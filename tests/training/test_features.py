from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests import tiny
from tests.training.worlds import Held, losses, quick, saved

from samhq.errors import CheckpointError
from samhq.training import loop
from samhq.training.augment import Augmentation
from samhq.training.contents import KnownContents
from samhq.training.features import FeatureCache, encoder_hash, is_whole_view, size_in_bytes
from samhq.training.labelled import view_of
from samhq.training.start import with_new_heads

HOW = Augmentation(96, scale=(0.7, 1.4))


def _files(folder) -> set:
    return set(folder.rglob("*.safetensors"))


@pytest.mark.parametrize(
    ("config", "mode"),
    [
        (tiny.PLAIN, "finetune"),
        (tiny.HQ, "hq"),
        (tiny.LIGHT, "hq"),
        (tiny.LIGHT, "finetune"),
        (tiny.SECOND, "hq"),
        (tiny.SECOND_HQ, "finetune"),
    ],
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
    assert not is_whole_view(damaged)
    cache.fill(Held(), sam, at_once=1, say=lambda _: None)
    assert len(encoded) == 1
    assert is_whole_view(damaged)
    untouched = {path: content for path, content in first.items() if path != damaged}
    assert {path: path.read_bytes() for path in _files(tmp_path) - {damaged}} == untouched


class Stamped(Held):
    """Pictures whose source knows, without reading, whether they changed; counts what is read."""

    def __init__(self, count: int = 3) -> None:
        super().__init__(count, empty=None)
        self.read: list[int] = []
        self.stamps = [f"{index}-then" for index in range(count)]

    def stamp(self, index: int) -> str:
        return self.stamps[index]

    def __getitem__(self, index: int):
        self.read.append(index)
        return super().__getitem__(index)


def _read_again(cache, count=3, stamps=None, **words) -> list[int]:
    pictures = Stamped(count)
    pictures.stamps = stamps or pictures.stamps
    cache.fill(pictures, tiny.shared(tiny.LIGHT), say=lambda _: None, **words)
    return pictures.read


def test_a_second_start_reads_no_picture_and_a_later_one_what_changed(tmp_path):
    sam, cache, first = tiny.shared(tiny.LIGHT), FeatureCache(tmp_path, HOW, 2), Stamped()
    kept = cache.fill(first, sam, say=lambda _: None)
    assert first.read == [0, 1, 2]
    second = Stamped()
    assert cache.fill(second, sam, say=lambda _: None).paths == kept.paths
    assert second.read == []
    assert _read_again(cache, 4) == [3], "a new picture"
    assert _read_again(cache, stamps=["0-then", "1-now", "2-then"]) == [1]
    assert _read_again(cache, stamps=["0-then", "1-now", "2-then"]) == []
    assert _read_again(cache, source=["elsewhere"]) == [0, 1, 2], "another folder of the same names and stamps"
    assert _read_again(replace(cache, copies=3)) == [0, 1, 2], "new views need their pictures"
    kept.paths[2, 0].unlink()
    assert _read_again(cache) == [2]


def test_a_source_without_stamps_is_read_each_time(tmp_path):
    cache, said = FeatureCache(tmp_path, HOW, 1), []
    for _ in range(2):
        cache.fill(Held(2, empty=None), tiny.shared(tiny.LIGHT), say=said.append)
    assert "2 pictures read" in said[-1]
    assert not (tmp_path / "contents").exists()


def _cut(text: str) -> str:
    return text[:-40]


def _exchanged(text: str) -> str:
    """The first two pictures' hashes in each other's place: all views are there, of the wrong pictures."""
    value = json.loads(text)
    one, two = value["pictures"]["0"], value["pictures"]["1"]
    one[1], two[1] = two[1], one[1]
    return json.dumps(value)


@pytest.mark.parametrize("damage", [_cut, _exchanged, lambda _: "[]", lambda _: "{}", lambda _: '{"pictures": 3}'])
def test_a_list_of_contents_that_is_damaged_or_wrong_is_made_anew(damage, tmp_path):
    sam, cache = tiny.shared(tiny.LIGHT), FeatureCache(tmp_path, HOW, 1)
    kept = cache.fill(Stamped(), sam, say=lambda _: None)
    (listed,) = (tmp_path / "contents").iterdir()
    whole_text = listed.read_text()
    listed.write_text(damage(whole_text))
    assert cache.fill(Stamped(), sam, say=lambda _: None).paths == kept.paths
    assert listed.read_text() == whole_text
    assert _read_again(cache) == []


def test_what_two_runs_learn_of_one_source_is_kept_of_both(tmp_path):
    one, two = (KnownContents.open(tmp_path, ["source"]) for _ in range(2))
    one.note("a", "stamp", "1")
    two.note("b", "stamp", "2")
    one.save(pytest.fail)
    two.save(pytest.fail)
    both = KnownContents.open(tmp_path, ["source"])
    assert (both.get("a", "stamp"), both.get("b", "stamp"), both.get("b", "other")) == ("1", "2", None)


def test_a_place_that_cannot_be_written_costs_time_and_no_run(tmp_path):
    (tmp_path / "contents").write_text("a file where the folder would be")
    cache, said = FeatureCache(tmp_path, HOW, 1), []
    cache.fill(Stamped(), tiny.shared(tiny.LIGHT), say=said.append)
    assert any("reads all pictures again" in line for line in said)
    assert _read_again(cache) == [0, 1, 2]


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
    assert new_files(replace(cache, augmentation=replace(HOW, flip=0.0)), sam) == 2
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
