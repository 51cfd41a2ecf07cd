"""The model of the server: loaded in the background, pictures encoded with progress and kept, prompts decoded.

Everything that touches the network runs in the queue's thread.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from torch import nn

from samhq.errors import CheckpointError
from samhq.inference.cache import EmbeddingCache
from samhq.inference.segment import EncodedImage, Segmenter
from samhq.serve.decoding import full_mask, packed_candidates, possible_masks, prompt_of
from samhq.serve.faults import Fault
from samhq.serve.messages import DecodeRequest, MaskRequest
from samhq.serve.queue import Priority, WorkQueue, milliseconds
from samhq.shapes import UInt8

Answer = TypeVar("Answer")
_HELD = 8  #: Most encoded pictures in memory.
_HELD_BYTES = 1 << 30  #: Most bytes of their pixels and embeddings.


@runtime_checkable
class PixelSource(Protocol):
    """Pictures by their numbers."""

    def pixels(self, image_id: int) -> UInt8[np.ndarray, "H W 3"]:
        """A picture, upright, RGB."""


@dataclass
class Progress:
    """The progress of work; the queue's thread writes it, other threads read it."""

    stage: str = "queued"
    fraction: float = 0.0
    cancelled: bool = False


@dataclass(frozen=True, eq=False)
class Encoding:
    """An encoded picture, how long it took, and whether it had been encoded before."""

    encoded: EncodedImage
    encode_ms: float
    from_cache: bool


@dataclass
class Inference:
    """A model behind a queue, and the pictures that it encodes.

    `load` gives the model; it is called once, in the queue's thread.
    """

    load: Callable[[], Segmenter]
    pictures: PixelSource
    cache: EmbeddingCache | None = None
    queue: WorkQueue = field(default_factory=WorkQueue)
    failed: BaseException | None = None
    _segmenter: Segmenter | None = None
    _held: OrderedDict[int, EncodedImage] = field(default_factory=OrderedDict)
    _known: set[int] = field(default_factory=set)

    def start(self) -> None:
        """Starts the thread, which loads the model first."""
        self.queue.submit(Priority.PROMPT, self.segmenter)
        self.queue.start()

    @property
    def loaded(self) -> Segmenter | None:
        """The model, once it is loaded."""
        return self._segmenter

    def segmenter(self) -> Segmenter:
        """The model; in the queue's thread only.

        Raises:
            Fault: it cannot be loaded.
        """
        if self._segmenter is None and self.failed is None:
            try:
                self._segmenter = self.load()
            except Exception as error:  # noqa: BLE001  # Any error: all later requests report it.
                self.failed = error
        if self._segmenter is None:
            raise Fault(503, f"Expected a model, got none: {self.failed}", "no_model")
        return self._segmenter

    def replace_model(self, load: Callable[[], Segmenter]) -> Future[Segmenter]:
        """Replaces the model, as a future. If the new one cannot be loaded, the old one stays.

        Raises:
            Fault: the queue is full.
        """

        def work() -> Segmenter:
            self._segmenter = segmenter = load()
            self._held.clear()
            self._known.clear()
            return segmenter

        return self.queue.submit(Priority.PROMPT, work)

    def is_encoded(self, image_id: int) -> bool:
        """Whether a picture was encoded since the server started."""
        return image_id in self._known

    def encode(self, image_id: int, progress: Progress, *, ahead: bool = False) -> Future[Encoding]:
        """The encoded picture, as a future.

        Raises:
            Fault: the queue is full.
        """
        return self.queue.submit(Priority.AHEAD if ahead else Priority.ENCODE, lambda: self._encode(image_id, progress))

    def decode(self, image_id: int, request: DecodeRequest) -> Future[bytes]:
        """Candidates of a prompt in their binary form, as a future.

        Raises:
            Fault: as `WorkQueue.submit`; the prompt is empty.
        """
        prompt, started = prompt_of(request), time.perf_counter()
        hover = request.kind == "hover"

        def work() -> bytes:
            waited = milliseconds(started)
            encoded = self._encode(image_id, Progress()).encoded
            began = time.perf_counter()
            possible = possible_masks(self.segmenter(), encoded, prompt, request.hq, only_chosen=hover)
            about = {"seq": request.seq, "decode_ms": milliseconds(began), "wait_ms": waited}
            return packed_candidates(possible, encoded, about)

        priority = Priority.PREVIEW if hover else Priority.PROMPT
        return self.queue.submit(priority, work, client=request.client, seq=request.seq)

    def mask(self, image_id: int, request: MaskRequest) -> Future[tuple[dict, float]]:
        """A prompt's mask at full size as RLE with its predicted IoU, as a future.

        Raises:
            Fault: as `decode`.
        """
        prompt_of(request)
        return self.queue.submit(
            Priority.PROMPT,
            lambda: full_mask(self.segmenter(), self._encode(image_id, Progress()).encoded, request),
        )

    def with_picture(self, image_id: int, work: Callable[[Segmenter, EncodedImage], Answer]) -> Answer:
        """The result of `work` for the model and an encoded picture; in the queue's thread only."""
        encoded = self._encode(image_id, Progress()).encoded
        return work(self.segmenter(), encoded)

    def _encode(self, image_id: int, progress: Progress) -> Encoding:
        progress.stage = "loading"
        segmenter, began = self.segmenter(), time.perf_counter()
        if image_id in self._held:
            self._held.move_to_end(image_id)
            return Encoding(self._held[image_id], 0.0, True)
        progress.stage = "reading"
        pixels = self.pictures.pixels(image_id)
        progress.stage = "encoding"
        kept = None if self.cache is None else self.cache.get(segmenter, pixels)
        if kept is None:
            with _watched(segmenter.model.image_encoder, progress):
                encoded = segmenter.encode(pixels)
            if self.cache is not None:
                # A full disk costs the next server time, not this one its work.
                with suppress(CheckpointError):
                    self.cache.put(segmenter, encoded)
        progress.fraction = 1.0
        self._hold(image_id, encoded if kept is None else kept)
        return Encoding(self._held[image_id], milliseconds(began), kept is not None)

    def _hold(self, image_id: int, encoded: EncodedImage) -> None:
        self._held[image_id] = encoded
        self._known.add(image_id)
        while len(self._held) > 1 and (len(self._held) > _HELD or self._bytes() > _HELD_BYTES):
            self._held.popitem(last=False)

    def _bytes(self) -> int:
        tensors = [
            tensor
            for encoded in self._held.values()
            for tensor in (encoded.embedding.features, encoded.embedding.hq, *encoded.embedding.levels)
            if tensor is not None
        ]
        return sum(encoded.image.nbytes for encoded in self._held.values()) + sum(t.nbytes for t in tensors)


@contextmanager
def _watched(encoder: nn.Module, progress: Progress) -> Iterator[None]:
    """A block in which `progress.fraction` follows the blocks of an encoder."""
    lists = [part for part in encoder.modules() if isinstance(part, nn.ModuleList | nn.Sequential)]
    blocks = list({id(block): block for part in lists for block in part}.values())
    done = 0

    def step(*_: object) -> None:
        nonlocal done
        done += 1
        progress.fraction = min(done / len(blocks), 0.99)

    handles = [block.register_forward_hook(step) for block in blocks]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
