from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants, errors

from samhq.checkpoint import hub
from samhq.config import MODELS
from samhq.errors import CheckpointError, ConfigError

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def offline_cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "hub"


def put(cache: Path, repo: str, name: str, content: bytes = b"weights") -> Path:
    """Lay a file into the cache as huggingface_hub does."""
    root = cache / ("models--" + repo.replace("/", "--"))
    for folder in (root / "refs", root / "snapshots" / COMMIT):
        folder.mkdir(parents=True, exist_ok=True)
    (root / "refs" / "main").write_text(COMMIT)
    (root / "snapshots" / COMMIT / name).write_bytes(content)
    return root / "snapshots" / COMMIT / name


@pytest.fixture
def small_tiny(monkeypatch) -> hub.Published:
    """Light HQ-SAM's row, for a file of seven bytes."""
    row = hub.PUBLISHED["sam_hq_vit_tiny"]
    fake = hub.Published(row.name, row.repo, row.filename, 7, hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setitem(hub.PUBLISHED, row.name, fake)
    return fake


def test_every_model_is_published():
    assert hub.PUBLISHED.keys() == MODELS.keys() - {"starter"}  # which comes with the package
    assert all(len(row.sha256) == 64 for row in hub.PUBLISHED.values() if row.sha256)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("facebook/sam-vit-base", True), ("lkeab/hq-sam/sam_hq_vit_b.pth", True), ("lkeab/hq-sam:x/y.pth", True),
        ("weights/sam.pth", False), ("sam_vit_b", False), ("/a/b", False), ("./a/b", False), ("../a/b", False),
        ("C:\\a\\b", False), ("~/a/b", False), ("a//b", False), ("", False), ("https://host/x/y", False),
    ],
)  # fmt: skip
def test_what_looks_like_a_hub_id(text, answer):
    assert hub.is_hub_id(text) is answer


def test_names_and_ids_find_the_cached_file(offline_cache, small_tiny):
    path = put(offline_cache, small_tiny.repo, small_tiny.filename)
    for source in ("sam_hq_vit_tiny", "lkeab/hq-sam/sam_hq_vit_tiny.pth", "lkeab/hq-sam:sam_hq_vit_tiny.pth"):
        assert hub.fetch(source) == path
    assert hub.cached("sam_hq_vit_tiny") == path


@pytest.mark.parametrize("weights", ["model.safetensors", "pytorch_model.bin"])
def test_transformers_repositories_are_folders(offline_cache, weights):
    put(offline_cache, "facebook/sam-vit-base", "config.json", b"{}")
    folder = put(offline_cache, "facebook/sam-vit-base", weights).parent
    assert hub.fetch("facebook/sam-vit-base") == folder


def test_the_catalogue_knows_what_is_there(offline_cache):
    assert {entry.published.name for entry in hub.catalogue()} == MODELS.keys() - {"starter"}
    assert not any(entry.path for entry in hub.catalogue())
    path = put(offline_cache, "Zigeng/SlimSAM-uniform-77", "model.safetensors")
    assert [entry.path for entry in hub.catalogue() if entry.path] == [path.parent]


def test_a_wrong_file_is_refused_and_a_right_one_checked_once(offline_cache, small_tiny, monkeypatch):
    path = put(offline_cache, small_tiny.repo, small_tiny.filename, b"damaged")
    with pytest.raises(CheckpointError, match="sha256"):
        hub.fetch("sam_hq_vit_tiny")
    path.write_bytes(b"weights")
    assert hub.fetch("sam_hq_vit_tiny") == path
    with monkeypatch.context() as patched:
        patched.setattr(hub.hashlib, "sha256", lambda: pytest.fail("checked twice"))
        assert hub.fetch("sam_hq_vit_tiny") == path
    path.write_bytes(b"damaged again")
    with pytest.raises(CheckpointError, match="sha256"):
        hub.fetch("sam_hq_vit_tiny")


def test_without_a_place_for_notes_files_are_still_checked(offline_cache, small_tiny, monkeypatch, tmp_path):
    (tmp_path / "blocked").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    path = put(offline_cache, small_tiny.repo, small_tiny.filename)
    assert hub.fetch("sam_hq_vit_tiny") == path


def test_offline_says_what_to_do():
    with pytest.raises(CheckpointError, match=r"HF_HUB_OFFLINE.*resolve/main/sam_hq_vit_b\.pth elsewhere"):
        hub.fetch("sam_hq_vit_b")
    with pytest.raises(CheckpointError, match="facebook/sam-vit-base"):
        hub.fetch("facebook/sam-vit-base")


@pytest.fixture
def without_network(monkeypatch):
    """As where the names of hosts cannot be found, and nothing says that this is wanted; gives who was asked for."""
    asked = []

    def refuse(place, *_):
        asked.append(place)
        raise socket.gaierror(-2, "Name or service not known")

    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    hub._is_reachable.cache_clear()
    yield asked
    hub._is_reachable.cache_clear()


@pytest.mark.parametrize("source", ["sam_hq_vit_b", "facebook/sam-vit-base", "lkeab/hq-sam:sam_hq_vit_l.pth"])
def test_without_a_network_the_answer_comes_at_once_and_advises_what_helps(source, without_network):
    start = time.monotonic()
    with pytest.raises(CheckpointError, match=r"no connection.*Check the network.*HTTPS_PROXY") as caught:
        hub.fetch(source)
    assert time.monotonic() - start < 5
    assert "HF_HUB_OFFLINE" not in str(caught.value)
    assert without_network == [("huggingface.co", 443)], "asked once for all its files"


def test_without_a_network_the_cache_is_used(offline_cache, small_tiny, without_network):
    path = put(offline_cache, small_tiny.repo, small_tiny.filename)
    assert hub.fetch("sam_hq_vit_tiny") == path
    folder = put(offline_cache, "facebook/sam-vit-base", "model.safetensors").parent
    assert hub.fetch("facebook/sam-vit-base") == folder


def test_a_proxy_is_asked_and_not_the_hub(without_network, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    assert hub.is_reachable("https://huggingface.co")
    monkeypatch.setenv("no_proxy", "huggingface.co")
    hub._is_reachable.cache_clear()
    assert not hub.is_reachable("https://huggingface.co")
    assert hub.is_reachable("no address")


def test_names_that_are_none_are_refused():
    with pytest.raises(ConfigError, match="Did you mean 'mobile_sam'"):
        hub.fetch("mobilesam")
    with pytest.raises(ConfigError, match="Did you mean 'sam_vit_h'"):
        hub.cached("sam_vit_hh")


def failure(kind: type[Exception], text: str) -> Exception:
    """The hub's own errors want a response of the HTTP library; only their class matters here."""
    error = kind.__new__(kind)
    Exception.__init__(error, text)
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (failure(errors.RepositoryNotFoundError, "404"), "Check the spelling"),
        (failure(errors.EntryNotFoundError, "404"), "no such file"),
        (failure(errors.GatedRepoError, "403"), "log in"),
        (failure(errors.HfHubHTTPError, "500"), "HfHubHTTPError"),
        (ConnectionResetError("reset by peer"), "reset by peer"),
        (OSError(28, "No space left on device"), "No space left"),
        (RuntimeError("Data processing error"), "Data processing"),
        *[(kind("broken"), "broken") for kind in hub._transport_errors()],
    ],
)
def test_every_failure_is_one_sentence(monkeypatch, error, words):
    def fail(repo, name, local_files_only):
        raise error

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(CheckpointError, match=words):
        hub.fetch("lkeab/hq-sam/sam_hq_vit_b.pth")


def test_a_bad_repository_name_is_a_sentence():
    with pytest.raises(CheckpointError, match="Check the spelling"):
        hub.fetch("own--er/na..me/x.pth")
