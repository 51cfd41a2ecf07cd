"""Published weights: their addresses, sizes and sha256, and how to download them.

Downloads use huggingface_hub: its cache, its progress bar, its resuming, its `HF_HUB_OFFLINE`. Knows nothing about the
content of the files.

Source: the model pages of the repositories named below; sha256 as the hub lists them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import re
import socket
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from samhq.checkpoint.files import WEIGHT_NAMES, read_object, write_object
from samhq.config import MODELS
from samhq.errors import CheckpointError, ConfigError, did_you_mean

_META = "https://dl.fbaipublicfiles.com/segment_anything/"
_META_2 = "https://dl.fbaipublicfiles.com/segment_anything_2/092824/"
_META_2_0 = "https://dl.fbaipublicfiles.com/segment_anything_2/072824/"
_MOBILE = "https://github.com/ChaoningZhang/MobileSAM/raw/master/weights/"
_SIDE_FILES = ("config.json", "preprocessor_config.json", "processor_config.json")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
#: Approximate for both versions; exact for SAM 2.1 large.
_SAM2_BYTES = {"tiny": 156_000_000, "small": 184_400_000, "base_plus": 323_600_000, "large": 898_083_611}
_PROBE_S = 5.0  #: Seconds in which the hub, or a proxy, must accept a connection.


@dataclass(frozen=True)
class Published:
    """One model on the hub: `size` in bytes of the weights file, approximate if `sha256` is None."""

    name: str
    repo: str
    filename: str
    size: int
    sha256: str | None = None

    @property
    def url(self) -> str:
        """The address where a browser can download the file."""
        return f"https://huggingface.co/{self.repo}/resolve/main/{self.filename}"


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue: a published model, and its path on this machine, if it is there."""

    published: Published
    path: Path | None


def _sam2(family: str, size: str) -> Published:
    """Meta's file of one of the four sizes."""
    name = f"{family}_hiera_{size}"
    return Published(name, f"facebook/{family}-hiera-{size.replace('_', '-')}", f"{name}.pt", _SAM2_BYTES[size])


PUBLISHED = {
    row.name: row
    for row in (
        Published("sam_vit_b", "facebook/sam-vit-base", "model.safetensors", 374_942_912),
        Published("sam_vit_l", "facebook/sam-vit-large", "model.safetensors", 1_249_372_352),
        Published("sam_vit_h", "facebook/sam-vit-huge", "model.safetensors", 2_564_363_456),
        Published(
            "sam_hq_vit_b", "lkeab/hq-sam", "sam_hq_vit_b.pth", 379_335_069,
            "14a9d662cd6f5a9c2dba6d40ab0058d88d287e4a18fd6fdc6ad5fb1a3fdeaa57",
        ),
        Published(
            "sam_hq_vit_l", "lkeab/hq-sam", "sam_hq_vit_l.pth", 1_254_865_805,
            "e1a6c385d62bf005ded91a54d5ec55c985cfc4103ef89c08d90f39f04934c343",
        ),
        Published(
            "sam_hq_vit_h", "lkeab/hq-sam", "sam_hq_vit_h.pth", 2_570_940_653,
            "a7ac14a085326d9fa6199c8c698c4f0e7280afdbb974d2c4660ec60877b45e35",
        ),
        Published(
            "sam_hq_vit_tiny", "lkeab/hq-sam", "sam_hq_vit_tiny.pth", 42_526_881,
            "0f32c075ccdd870ae54db2f7630e7a0878ede5a2b06d05d6fe02c65a82fb7196",
        ),
        Published(
            "mobile_sam", "dhkim2810/MobileSAM", "mobile_sam.pt", 40_728_226,
            "6dbb90523a35330fedd7f1d3dfc66f995213d81b29a5ca8108dbcdd4e37d6c2f",
        ),
        Published("slimsam_50", "Zigeng/SlimSAM-uniform-50", "model.safetensors", 111_849_152),
        Published("slimsam_77", "Zigeng/SlimSAM-uniform-77", "model.safetensors", 38_896_160),
        *(_sam2("sam2.1", size) for size in _SAM2_BYTES),
        Published(
            "sam2.1_hq_hiera_large", "lkeab/hq-sam", "sam2.1_hq_hiera_large.pt", 899_000_000,
            "03b8be4b4f282c3d7365715a033918d9ac67cbc597660ccc274448aa1c8cdb05",
        ),
        *(_sam2("sam2", size) for size in _SAM2_BYTES),
    )
}  # fmt: skip

#: Files that people have from other places, for messages: name -> address.
ELSEWHERE = {
    **{name: _META + name for name in ("sam_vit_b_01ec64.pth", "sam_vit_l_0b3195.pth", "sam_vit_h_4b8939.pth")},
    **{row.filename: row.url for row in PUBLISHED.values() if row.sha256},
    "mobile_sam.pt": _MOBILE + "mobile_sam.pt",
    **{row.filename: f"{_META_2}{row.filename}" for row in PUBLISHED.values() if row.name.startswith("sam2.1_hiera")},
    **{row.filename: f"{_META_2_0}{row.filename}" for row in PUBLISHED.values() if row.name.startswith("sam2_hiera")},
}


_SIZES = {"t": "tiny", "s": "small", "b": "base_plus", "l": "large"}
#: Ultralytics' names of the originals' files, and ours of these models.
ULTRALYTICS = {
    **{"sam_b.pt": "sam_vit_b", "sam_l.pt": "sam_vit_l", "mobile_sam.pt": "mobile_sam"},
    **{
        f"{family}_{letter}.pt": f"{family}_hiera_{size}"
        for family in ("sam2", "sam2.1")
        for letter, size in _SIZES.items()
    },
}
#: SAM 2's names of configurations, and ours of these models.
CONFIGURATIONS = {
    f"{family}_hiera_{letter.replace('b', 'b+')}": f"{family}_hiera_{size}"
    for family in ("sam2", "sam2.1")
    for letter, size in _SIZES.items()
} | {"sam2.1_hq_hiera_l": "sam2.1_hq_hiera_large"}


def catalogue() -> list[Entry]:
    """Every published model with its place in the cache; does not use the network."""
    return [Entry(row, cached(row.name)) for row in PUBLISHED.values()]


def cached(name: str) -> Path | None:
    """The file or folder of a published model in huggingface_hub's cache; None if it is not there.

    Raises:
        ConfigError: no published model has that name.
    """
    from huggingface_hub import try_to_load_from_cache

    row = published(name)
    path = try_to_load_from_cache(row.repo, row.filename)
    return _place(Path(path)) if isinstance(path, str) else None


def published(name: str) -> Published:
    """The published model called `name`.

    Raises:
        ConfigError: there is none; the message offers the nearest.
    """
    if name not in PUBLISHED:
        raise ConfigError(f"Expected the name of a published model, got {name!r}. {did_you_mean(name, PUBLISHED)}")
    return PUBLISHED[name]


def is_hub_id(source: str) -> bool:
    """Whether the text has the form `owner/repo`, `owner/repo/file` or `owner/repo:file`.

    >>> is_hub_id("facebook/sam-vit-base"), is_hub_id("weights/model.pth"), is_hub_id("./a/b")
    (True, False, False)
    """
    repo, filename = _split(source)
    weights = (".pth", ".pt", ".bin", ".safetensors")
    return bool(_REPO.fullmatch(repo)) and not repo.startswith(".") and (bool(filename) or not repo.endswith(weights))


def fetch(source: str) -> Path:
    """The file or folder on this machine for a published name or a hub id; downloaded if it is not there.

    Raises:
        ConfigError: neither a published name nor a hub id.
        CheckpointError: no network, no such repository or file, no access, or a sha256 that differs.
    """
    if source in MODELS:
        row = published(source)
        repo, filename = row.repo, row.filename
    elif is_hub_id(source):
        repo, filename = _split(source)
    else:
        raise ConfigError(
            f"Expected a model's name or a hub id like owner/repo, got {source!r}. {did_you_mean(source, PUBLISHED)}"
        )
    path = _download(repo, filename) if filename else _download_first(repo)
    if path.name in WEIGHT_NAMES:
        _download_beside(repo, path)
    for row in PUBLISHED.values():
        if (row.repo, row.filename, True) == (repo, filename, row.sha256 is not None):
            check_digest(path, row)
    return _place(path)


def check_digest(path: Path, row: Published) -> None:
    """Checks a file against its published sha256, once for as long as its size and time stay the same.

    Raises:
        CheckpointError: it is another file, or damaged.
    """
    status, notes = path.stat(), _notes()
    stamp: list[object] = [status.st_size, status.st_mtime_ns, row.sha256]
    if notes.get(str(path)) == stamp:
        return
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != row.sha256:
        raise CheckpointError(
            f"Expected {row.name} with sha256 {row.sha256} and {row.size:,} bytes, got {digest.hexdigest()} and "
            f"{status.st_size:,} bytes in {path}. Delete that file and download it again: {row.url}"
        )
    # Without a writable cache the file is checked again next time.
    with contextlib.suppress(CheckpointError):
        write_object(_notes_path(), {**notes, str(path): stamp})


def _download(repo: str, filename: str) -> Path:
    """The file; only from the cache if the hub is out of reach: huggingface_hub would retry for half a minute."""
    from huggingface_hub import constants, hf_hub_download

    local = constants.HF_HUB_OFFLINE or not is_reachable(constants.ENDPOINT)
    return Path(_hub_errors(repo, filename, lambda: hf_hub_download(repo, filename, local_files_only=local)))


def is_reachable(address: str) -> bool:
    """Whether the host of a web address accepts connections; true behind a proxy, which reports its own errors.

    Without a network the answer comes at once. It is remembered for a moment, because a model has several files.
    """
    return _is_reachable(address, int(time.monotonic() / _PROBE_S))


@functools.lru_cache(8)
def _is_reachable(address: str, moment: int) -> bool:
    parts = urllib.parse.urlsplit(address)
    proxies = urllib.request.getproxies()
    if parts.hostname is None or ((parts.scheme in proxies or "all" in proxies) and not _bypasses(parts.hostname)):
        return True
    port = parts.port or (80 if parts.scheme == "http" else 443)
    try:
        socket.create_connection((parts.hostname, port), _PROBE_S).close()
    except OSError:
        return False
    return True


def _bypasses(host: str) -> bool:
    """Whether no proxy is set for this host."""
    return bool(urllib.request.proxy_bypass(host))


def _advice() -> str:
    """What to do if the hub cannot be reached, by the environment's settings."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        return "HF_HUB_OFFLINE is set: unset it for the download"
    return "Check the network; where a proxy is needed, its address goes into HTTPS_PROXY"


def _download_first(repo: str) -> Path:
    """The weights of a repository that transformers wrote; older repositories have no safetensors."""
    for name in WEIGHT_NAMES:
        if path := _download_if_there(repo, name):
            return path
    return _download(repo, WEIGHT_NAMES[0])


def _download_if_there(repo: str, filename: str) -> Path | None:
    """The file, or None if the hub, or offline the cache, does not have it."""
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return _download(repo, filename)
    except CheckpointError as error:
        if isinstance(error.__cause__, EntryNotFoundError):
            return None
        raise


def _download_beside(repo: str, weights: Path) -> None:
    """The files beside the weights in a transformers repository: its settings, and shards if there are any."""
    for name in _SIDE_FILES:
        _download_if_there(repo, name)
    if weights.suffix == ".json":
        listed = read_object(weights).get("weight_map")
        for name in sorted({str(name) for name in listed.values()} if isinstance(listed, dict) else ()):
            _download(repo, name)


def _hub_errors(repo: str, filename: str, download: Callable[[], str]) -> str:
    """The path that `download` returns; the many failures of the hub become one error."""
    from huggingface_hub import errors

    address = f"https://huggingface.co/{repo}"
    failures: tuple[type[BaseException], ...] = (OSError, ValueError, RuntimeError, *_transport_errors())
    by_hand = f"Or download {address}/resolve/main/{filename} elsewhere and give the file's path"
    try:
        return download()
    except errors.LocalEntryNotFoundError as error:
        raise CheckpointError(
            f"Expected {filename} of {repo} on this machine or on the hub, got no connection, and it is not in the "
            f"cache. {_advice()}. {by_hand}."
        ) from error
    except errors.GatedRepoError as error:
        raise CheckpointError(
            f"Expected an open repository, got {repo}, which asks to log in. See {address}."
        ) from error
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise CheckpointError(
            f"Expected a repository on the hub, got {repo!r}, which is neither that nor a path on this machine. "
            f"Check the spelling at {address}."
        ) from error
    except errors.EntryNotFoundError as error:
        raise CheckpointError(
            f"Expected {filename} in {repo}, got no such file. Look at {address}/tree/main."
        ) from error
    except failures as error:
        raise CheckpointError(
            f"Expected to download {filename} of {repo}, got {type(error).__name__}: {str(error)[:160]}. "
            f"{_advice()}. {by_hand}."
        ) from error


def _transport_errors() -> tuple[type[Exception], ...]:
    """Errors of the HTTP library that newer huggingface_hub does not convert; older versions raise OSError."""
    found: list[type[Exception]] = []
    for name in ("httpx", "httpx2"):
        with contextlib.suppress(ImportError):
            found.append(importlib.import_module(name).HTTPError)
    return tuple(found)


def _split(source: str) -> tuple[str, str]:
    """`owner/repo` and the file, "" for none."""
    if ":" in source:
        repo, _, filename = source.partition(":")
        return repo, filename
    parts = source.split("/", 2)
    return "/".join(parts[:2]), parts[2] if len(parts) == 3 else ""


def _place(path: Path) -> Path:
    """The folder of a transformers model, so that its config is read too; otherwise the file."""
    return path.parent if path.name in WEIGHT_NAMES else path


def _notes_path() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(root) / "samhq" / "verified.json"


def _notes() -> dict[str, object]:
    try:
        return dict(read_object(_notes_path()))
    except CheckpointError:
        return {}
