from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from samhq.checkpoint import files, load
from samhq.checkpoint.load import inspect, load_model, load_state, locate
from samhq.checkpoint.naming import MATRICES, POSITIONAL, POSITIONAL_COPY, to_transformers
from samhq.checkpoint.save import save_model
from samhq.config import MODELS
from samhq.encoder_config import PIXEL_MEAN
from samhq.errors import CheckpointError, ConfigError, SamHQError, SamHQWarning
from samhq.model.build import build


def same(a, b):
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


@pytest.fixture
def file(model, tmp_path) -> Path:
    torch.save(model.state_dict(), tmp_path / "m.pth")
    return tmp_path / "m.pth"


def test_a_plain_file_loads_whole(model, file):
    loaded = load_model(file)
    assert same(loaded, model)
    assert loaded.config == model.config
    assert not loaded.training
    assert all(p.requires_grad for p in loaded.parameters())
    assert all(not tensor.is_meta for tensor in [*loaded.parameters(), *loaded.buffers()])


def test_the_model_does_not_hang_on_its_file(model, file):
    loaded = load_model(file)
    file.write_bytes(b"\xff" * file.stat().st_size)
    assert same(loaded, model)


def test_wrapped_prefixed_and_with_constants(model, file):
    state = {f"module.{key}": value for key, value in model.state_dict().items()}
    state["module.pixel_mean"] = torch.tensor(PIXEL_MEAN)[:, None, None]
    torch.save({"model": state, "epoch": 12}, file)
    assert same(load_model(file), model)
    assert (load_state(file)[1].wrapper, load_state(file)[1].prefix) == ("model", "module.")


def test_half_precision_becomes_float32_unless_asked(model, file):
    name = next(name for name in MATRICES if name in model.state_dict())
    matrix = model.state_dict()[name]
    torch.save(model.half().state_dict(), file)
    assert load_state(file)[1].dtype == torch.float16
    for dtype, got in ((torch.float32, torch.float32), (torch.bfloat16, torch.bfloat16), (None, torch.float16)):
        state = load_model(file, dtype=dtype).state_dict()
        assert torch.equal(state.pop(name), matrix)  # positions keep their precision
        assert {t.dtype for t in state.values() if t.is_floating_point()} == {got}
        assert all(t.dtype == torch.int64 for t in state.values() if not t.is_floating_point())


def test_lost_added_and_bent_tensors_are_listed(model, file):
    state = model.state_dict()
    lost = [key for key in state if "hypernetworks" in key]
    state = {key: value for key, value in state.items() if key not in lost} | {"extra": torch.zeros(1)}
    bent = next(key for key in state if key.endswith("mask_decoder.output_upscaling.1.bias"))
    state[bent] = torch.zeros(3)
    torch.save(state, file)
    with pytest.raises(CheckpointError) as caught:
        load_model(file)
    text = str(caught.value)
    assert f"{len(lost)} missing: {', '.join(lost[:5])} and {len(lost) - 5} more" in text
    assert "1 unexpected: extra" in text
    assert "output_upscaling.1.bias [3] for [8]" in text
    detection, fit = inspect(file)
    assert detection.config == model.config
    assert fit.missing == tuple(lost)


def test_a_plain_sam_is_not_taken_for_an_hq_model(vit_model, vit_config, tmp_path):
    torch.save(vit_model.state_dict(), tmp_path / "m.pth")
    assert load_model(tmp_path / "m.pth", hq=vit_config.hq).config == vit_config
    with pytest.raises(CheckpointError, match="HQ heads"):
        load_model(tmp_path / "m.pth", hq=not vit_config.hq)
    with pytest.raises(CheckpointError, match=r"Expected sam_hq_vit_b, got custom"):
        load_model(tmp_path / "m.pth", name="sam_hq_vit_b")


def test_incomplete_hq_heads_are_named(tmp_path, hq):
    state = {key: value for key, value in hq.state_dict().items() if "compress_vit_feat" not in key}
    torch.save(state, tmp_path / "m.pth")
    with pytest.raises(CheckpointError, match="HQ heads are incomplete"):
        load_model(tmp_path / "m.pth")


def test_two_different_positional_matrices_are_refused(vit_model, tmp_path):
    state = to_transformers(vit_model.state_dict())
    files.write_tensors(tmp_path / "m.safetensors", {**state, POSITIONAL_COPY: state[POSITIONAL].clone()})
    assert same(load_model(tmp_path / "m.safetensors"), vit_model)
    files.write_tensors(tmp_path / "m.safetensors", {**state, POSITIONAL_COPY: state[POSITIONAL] + 1})
    with pytest.raises(CheckpointError, match="two different"):
        load_model(tmp_path / "m.safetensors")


@pytest.mark.parametrize("vit_config", ["vit", "vit_hq"], indirect=True)
def test_a_config_that_contradicts_the_tensors_is_refused(vit_model, tmp_path):
    save_model(vit_model, tmp_path / "folder")
    config = files.read_object(tmp_path / "folder" / "config.json")
    config["vision_config"]["num_hidden_layers"] = 5
    files.write_object(tmp_path / "folder" / "config.json", config)
    state = files.read(tmp_path / "folder").value
    files.write_tensors(tmp_path / "folder" / "model.safetensors", state)  # without our own header
    with pytest.raises(CheckpointError, match=r"encoder\.depth = 5 in the config and 3 in the tensors"):
        load_model(tmp_path / "folder")
    (tmp_path / "folder" / "config.json").unlink()
    assert same(load_model(tmp_path / "folder"), vit_model)


@pytest.mark.parametrize("vit_config", ["vit", "vit_hq"], indirect=True)
def test_a_config_beside_weights_that_describe_themselves_is_overruled_with_a_word(vit_model, tmp_path):
    save_model(vit_model, tmp_path / "folder")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(tmp_path / "folder")
    config = files.read_object(tmp_path / "folder" / "config.json")
    config["vision_config"] |= {"hidden_size": 999, "num_hidden_layers": 5}
    config["mask_decoder_config"]["mlp_dim"] = "wide"
    files.write_object(tmp_path / "folder" / "config.json", config)
    said = r"folder.*, got encoder\.dim 999 \(weights: \d+\), encoder\.depth 5 \(weights: 3\).*'wide' \(weights"
    with pytest.warns(SamHQWarning, match=said):
        assert same(load_model(tmp_path / "folder"), vit_model)


@pytest.mark.parametrize("name", MODELS)
def test_published_models_load_strictly_from_their_layout(name):
    layout = build(MODELS[name], device="meta").state_dict()
    assert load.fit(layout, layout)
    model = build(MODELS[name], device="meta")
    assert model.load_state_dict(layout, strict=True, assign=True).missing_keys == []


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        ("sam_hq_vitb", ConfigError, "Did you mean 'sam_hq_vit_b'"),
        ("", ConfigError, "Known: "),
        ("sam_vit_b_01ec64.pth", CheckpointError, "https://dl.fbaipublicfiles.com/segment_anything/sam_vit_b_01ec64"),
        ("weights/sam_hq_vit_b.pth", CheckpointError, "https://huggingface.co/lkeab/hq-sam/resolve/main/sam_hq_vit_b"),
        ("sam2.1_hiera_b+", ConfigError, "Give sam2.1_hiera_base_plus"),
        ("configs/sam2/sam2_hiera_l.yaml", ConfigError, "Give sam2_hiera_large"),
        ("SAM_ViT_B", ConfigError, "Did you mean 'sam_vit_b'"),
        ("weights/sam2.1_b.pt", CheckpointError, "Ultralytics' name of sam2.1_hiera_base_plus"),
        ("./no/such/folder", CheckpointError, "does not exist"),
        ("/no/such/file.pth", CheckpointError, "does not exist"),
        ("~nobody/file.pth", CheckpointError, "does not exist"),
        (Path("sam_hq_vit_b"), CheckpointError, "does not exist"),
        ("a\0b.pth", CheckpointError, "does not exist"),
        ("x" * 5000 + ".pth", CheckpointError, "does not exist"),
    ],
)
def test_what_cannot_be_found_is_a_sentence(source, error, words):
    with pytest.raises(error, match=words):
        locate(source)


def test_other_libraries_names_are_those_of_our_models():
    assert set(load.hub.ULTRALYTICS.values()) | set(load.hub.CONFIGURATIONS.values()) <= set(MODELS)
    assert not set(load.hub.CONFIGURATIONS) & set(MODELS)


def test_names_and_ids_go_to_the_hub_unless_they_are_paths(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(load.hub, "fetch", lambda source: Path("hub") / source)
    monkeypatch.setattr(load, "starter_path", lambda: Path("starter"))
    for source in ("sam_vit_b", "facebook/sam-vit-base", "lkeab/hq-sam/sam_hq_vit_b.pth", "lkeab/hq-sam:a.pth"):
        assert locate(source) == Path("hub") / source
    assert locate() == Path("starter")
    for source in ("sam_vit_b", "facebook/sam-vit-base", "lkeab/hq-sam/sam_hq_vit_b.pth"):
        Path(source).mkdir(parents=True)
        assert locate(source) == Path(source)
    with pytest.raises(CheckpointError, match="does not exist"):
        locate("lkeab/hq-sam/other.pth")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_checkpoints_give_a_model_or_our_error(tmp_path, plain, data):
    kind = data.draw(st.sampled_from(["m.pth", "m.safetensors"]))
    path = tmp_path / f"whole_{kind}"
    if not path.exists():
        save_model(plain, path)
    broken = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        # Names and shapes stand at the two ends of these files.
        near = data.draw(st.integers(0, 20_000))
        broken[near if data.draw(st.booleans()) else -1 - near] = data.draw(st.integers(0, 255))
    (tmp_path / kind).write_bytes(broken)
    try:
        assert load_model(tmp_path / kind).config.encoder.dim == plain.config.encoder.dim
    except SamHQError as error:
        assert isinstance(error, CheckpointError)  # noqa: PT017


def test_loading_does_not_wake_torchs_compiler(light, tmp_path):
    save_model(light, file := tmp_path / "m.safetensors")
    script = f"import sys; from samhq.checkpoint.load import load_model; load_model({str(file)!r}); "
    script += "sys.exit('torch._dynamo' in sys.modules or 'sympy' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("written", ["m.pth", "old.pth", "m.safetensors"])
def test_content_in_memory_is_the_file(model, tmp_path, written):
    path = tmp_path / written
    if written == "old.pth":
        torch.save(model.state_dict(), path, _use_new_zipfile_serialization=False)
    else:
        save_model(model, path)
    content, at_end = path.read_bytes(), io.BytesIO()
    at_end.write(content)
    with path.open("rb") as opened:
        opened.read(7)
        for source in (content, bytearray(content), at_end, at_end, opened):
            loaded = load_model(source)
            assert same(loaded, model)
            assert loaded.config == load_model(path).config


def test_a_state_dict_is_taken_and_left_as_it_is(model):
    state = model.state_dict()
    for source in (state, dict(state), {"model": state, "epoch": 3}, {f"module.{k}": v for k, v in state.items()}):
        names = list(source)
        loaded = load_model(source)
        assert same(loaded, model)
        assert list(source) == names
    with torch.no_grad():
        next(loaded.parameters()).fill_(9)
    assert not same(loaded, model)


@pytest.mark.parametrize(
    ("source", "error", "words"),
    [
        (b"", CheckpointError, "0 bytes, which is empty"),
        (io.BytesIO(), CheckpointError, "BytesIO', which is empty"),
        (b"<html>", CheckpointError, "6 bytes, which is a web page"),
        (io.BytesIO(b"PK\x03\x04" + bytes(99)), CheckpointError, "cut short, damaged"),
        (b"\x10" + bytes(7) + b"{}" + bytes(9), CheckpointError, "cut short or damaged"),
        (io.StringIO("text"), CheckpointError, "got text"),
        ({}, CheckpointError, "a dict of nothing"),
        ({"epoch": 3}, CheckpointError, "without tensors"),
        (5, ConfigError, "got 5"),
        ([1], ConfigError, "an open binary file"),
    ],
    ids=[
        "no bytes",
        "empty file",
        "web page",
        "cut pickle",
        "cut safetensors",
        "text",
        "no names",
        "no tensors",
        "number",
        "list",
    ],
)
def test_content_that_is_no_checkpoint_is_a_sentence(source, error, words):
    with pytest.raises(error, match=words) as caught:
        load_model(source)
    assert len(str(caught.value)) < 400


def test_what_was_left_out_is_said(model, file):
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    torch.save({"state_dict": state | {"criterion.weight": torch.ones(1)}, "hyper_parameters": {"lr": 1}}, file)
    with pytest.warns(UserWarning, match=r"m\.pth and left out what is no part of it: criterion\.weight"):
        assert same(load_model(file), model)
    assert inspect(file)[0].left_out == ("criterion.weight",)


def test_a_file_of_the_model_alone_says_nothing(model, file):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(file)


def test_micro_sams_files_load(model, file):
    state = {f"sam.{key}": value for key, value in model.state_dict().items()}
    torch.save({"model_state": state, "optimizer_state": {}, "train_time": 3.5, "timestamp": "now"}, file)
    assert same(load_model(file), model)
