"""Keeps a network's results that depend on the picture alone, while the tensors they were computed from do not change.

Without it, an interface that takes a picture's features with every call would compute the HQ map, and the work that
all prompts share, at every call. Knows nothing about those interfaces, files or the picture's size.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.modules import module as hooks_of_all

from samhq.model.layers import unwatched
from samhq.model.sam import Sam
from samhq.types import ImageEmbedding, Shared

_CHUNK = 8192  #: Bytes of each checksum; the bytes after the last whole chunk are compared directly.
#: Callers usually alternate between one or two pictures. A kept picture takes about as much memory as its features.
_PICTURES = 2


class PreparedPictures:
    """Prepared embeddings of the pictures that were used last, recomputed when anything they depend on changes.

    An entry belongs to its source tensors by identity and is dropped when one of them is garbage collected. Before it
    is used again, the version counters, addresses and contents of the sources and of the weights are compared, so
    that writes through NumPy, `.data` or an optimizer are noticed. Several threads may use it. Copies are empty.
    """

    def __init__(self, pictures: int = _PICTURES) -> None:
        self._pictures = pictures
        self._entries: tuple[_Entry, ...] = ()
        self._lock = threading.RLock()  # reentrant: garbage collection may run `_drop` inside `_put`

    def __len__(self) -> int:
        """How many pictures are kept."""
        return len(self._entries)

    def __reduce__(self) -> tuple[type[PreparedPictures], tuple[int]]:
        return PreparedPictures, (self._pictures,)

    def prepare(self, network: Sam, sources: Sequence[Tensor], embed: Callable[[], ImageEmbedding]) -> ImageEmbedding:
        """`network.prepared(embed())`, or the equal result of an earlier call.

        `embed` may depend on `sources` and the network's `picture_modules` only; `sources[0]` are the features. Maps in
        `levels` are not kept. Nothing is kept where gradients are recorded, where code is traced or compiled, in
        training mode, or where hooks or adapters watch the modules.
        """
        if not _keeps(network, sources):
            return network.prepared(embed())
        inputs = (*sources, *_tensors(network))
        state = _State.of(inputs), _mode(sources[0])
        known = next((entry for entry in self._entries if entry.belongs_to(sources)), None)
        if known is not None and known.state == state:
            return known.embedding(sources[0])
        embedding = network.prepared(embed())
        self._put(_Entry.of(sources, self._drop, state, embedding), sources)
        return embedding

    def _put(self, new: _Entry, sources: Sequence[Tensor]) -> None:
        with self._lock:
            older = (entry for entry in self._entries if entry.alive and not entry.belongs_to(sources))
            self._entries = (new, *older)[: self._pictures]

    def _drop(self, source: weakref.ref[Tensor]) -> None:
        with self._lock:
            self._entries = tuple(entry for entry in self._entries if all(ref is not source for ref in entry.sources))


@dataclass(frozen=True, eq=False)
class _State:
    """The fingerprint of tensors: facts that are cheap to compare, and checksums of their contents for each device.

    All checksums of a device lie in one tensor, so that a comparison waits for a GPU twice, not twice a tensor.
    """

    facts: tuple[tuple[object, ...], ...]
    sums: dict[torch.device, Tensor]
    rest: dict[torch.device, Tensor]

    @staticmethod
    def of(tensors: Iterable[Tensor]) -> _State:
        """The fingerprint of the tensors as they are now; reads their memory once."""
        facts: list[tuple[object, ...]] = []
        sums: dict[torch.device, list[Tensor]] = {}
        rest: dict[torch.device, list[Tensor]] = {}
        for tensor in tensors:
            value = tensor.detach()
            version = None if tensor.is_inference() else tensor._version
            facts.append((tensor.data_ptr(), value.shape, value.stride(), value.dtype, value.device, version))
            memory = _bytes(value)
            whole = memory.numel() // _CHUNK * _CHUNK
            chunks = memory[:whole].view(torch.int64).view(-1, _CHUNK // 8)
            sums.setdefault(value.device, []).append(chunks.sum(1))
            rest.setdefault(value.device, []).append(memory[whole:])
        return _State(tuple(facts), _joined(sums), _joined(rest))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _State) or self.facts != other.facts:
            return False
        # Equal facts have equal devices.
        return all(
            torch.equal(self.sums[device], other.sums[device]) and torch.equal(self.rest[device], other.rest[device])
            for device in self.sums
        )


def _bytes(value: Tensor) -> Tensor:
    """A tensor's memory as bytes, in the order in which it lies there."""
    by_stride = sorted(range(value.ndim), key=value.stride, reverse=True)
    memory = value.permute(by_stride).contiguous().view(-1).view(torch.uint8)
    return memory.clone() if memory.storage_offset() % 8 else memory


def _joined(parts: dict[torch.device, list[Tensor]]) -> dict[torch.device, Tensor]:
    """The tensors of each device as one, a copy."""
    return {device: torch.cat(some) for device, some in parts.items()}


@dataclass(frozen=True, eq=False)
class _Entry:
    """One picture's result without its sources, so that the entry keeps none of them alive."""

    sources: tuple[weakref.ref[Tensor], ...]
    state: tuple[object, ...]
    features: Tensor | None  #: The features in the weights' dtype and device; None if the source's own already were.
    hq: Tensor | None
    shared: Shared | None

    @staticmethod
    def of(
        sources: Sequence[Tensor],
        drop: Callable[[weakref.ref[Tensor]], None],
        state: tuple[object, ...],
        embedding: ImageEmbedding,
    ) -> _Entry:
        """The entry for an embedding; `drop` is called when a source is garbage collected."""
        refs = tuple(weakref.ref(source, drop) for source in sources)
        features = None if embedding.features is sources[0] else embedding.features
        return _Entry(refs, state, features, embedding.hq, embedding.shared)

    @property
    def alive(self) -> bool:
        """Whether all sources still exist."""
        return all(ref() is not None for ref in self.sources)

    def belongs_to(self, sources: Sequence[Tensor]) -> bool:
        """Whether it was made from these very tensors."""
        same_length = len(self.sources) == len(sources)
        return same_length and all(ref() is source for ref, source in zip(self.sources, sources, strict=True))

    def embedding(self, features: Tensor) -> ImageEmbedding:
        """The whole embedding again."""
        return ImageEmbedding(features if self.features is None else self.features, self.hq, shared=self.shared)


def _tensors(network: Sam) -> Iterator[Tensor]:
    """The weights and buffers that an embedding depends on."""
    for module in network.picture_modules():
        yield from module.parameters()
        yield from module.buffers()


def _mode(features: Tensor) -> tuple[object, ...]:
    """PyTorch's modes that change results or restrict their use: inference mode and autocast's dtype."""
    device = features.device.type
    casts = torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)
    return torch.is_inference_mode_enabled(), torch.get_autocast_dtype(device) if casts else None


def _keeps(network: Sam, sources: Sequence[Tensor]) -> bool:
    """Whether the result of this call may be kept for later calls."""
    if _recorded() or any(
        type(source) is not Tensor or source.is_meta or source.layout != torch.strided for source in sources
    ):
        return False
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (*sources, *_tensors(network))):
        return False
    watched = hooks_of_all._has_any_global_hook()  # type: ignore[no-untyped-call]
    return not watched and all(map(unwatched, network.picture_modules()))


def _recorded() -> bool:
    """Whether a compiler, an exporter or a function transform records operations."""
    traced = torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    return traced or torch._C._are_functorch_transforms_active()
