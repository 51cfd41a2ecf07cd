"""The prompts of each picture: given ones, or boxes that a detector finds.

Imports prompts and detectors only inside functions, so that help is fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from samhq.errors import PromptError

if TYPE_CHECKING:
    from samhq.batch.ahead import PictureSearch
    from samhq.results.prompt import Prompt


#: From a picture's path to its prompts, if they need no detector.
PromptsOf = Callable[[Path], "Sequence[Prompt]"]


@runtime_checkable
class PromptSource(Protocol):
    """Gives the prompts of pictures; picklable."""

    def reader(self) -> PromptsOf:
        """A function that returns the prompts of a picture."""
        ...


@dataclass(frozen=True)
class GivenPrompts:
    """The same prompts for every picture, or those of a file by picture name (`samhq.formats.prompts`)."""

    prompts: Sequence[Prompt] = ()
    file: Path | None = None
    crs: str | None = None  #: The coordinate system of a file of GeoJSON, if not the one that it states.
    features: Mapping[str, Any] | None = None  #: GeoJSON in place of prompts and a file.

    def reader(self) -> PromptsOf:
        """A function that returns the prompts of a picture.

        Raises:
            PromptError: a file that cannot be read or has another form.
        """
        from samhq.formats.prompts import PromptFile, read_prompts

        if self.file is not None:
            return read_prompts(self.file, self.crs).for_picture
        if self.features is not None:
            return PromptFile(Path("--crs"), on_map=self.features, crs=self.crs).for_picture
        prompts = list(self.prompts)
        return lambda _: prompts


NO_OBJECTS = GivenPrompts()  #: No prompts.


def hashes_of_prompts(source: PromptSource, pictures: Sequence[Path]) -> list[str]:
    """A hash of the prompts of every picture, masks by their content; empty for a picture without prompts.

    Raises:
        PromptError: as the source's `reader`.
    """
    prompts_of = source.reader()
    known: dict[int, str] = {}  # Most pictures have the same prompts, which may include a large mask.

    def one(picture: Path) -> str:
        try:
            prompts = prompts_of(picture)
        except PromptError:  # This picture fails later, when it is segmented.
            return ""
        if id(prompts) not in known:
            known[id(prompts)] = prompts_hash(prompts)
        return known[id(prompts)]

    return [one(picture) for picture in pictures]


def prompts_hash(prompts: Sequence[Prompt]) -> str:
    """A hash of a picture's prompts; masks count by their content.

    Raises:
        PromptError: a mask file that cannot be read.
    """
    from samhq.image.read import as_array
    from samhq.results.prompt import as_prompts
    from samhq.storage import digest

    def one(prompt: Prompt) -> list[Any]:
        mask: Any = prompt.mask
        if mask is not None and not isinstance(mask, Mapping):
            values = as_array(mask)
            mask = [str(values.dtype), values.shape, digest.of_bytes(values.tobytes())]
        points, labels, box = map(_listed, (prompt.points, prompt.labels, prompt.box))
        return [points, labels, box, mask, prompt.label, prompt.score]

    return digest.of_json([one(prompt) for prompt in as_prompts(prompts)])


def _listed(values: Any) -> Any:
    """Arrays, tensors, and lists of them as lists of numbers; anything else as it is."""
    if hasattr(values, "tolist"):
        return values.tolist()
    return [_listed(value) for value in values] if isinstance(values, list | tuple) else values


@dataclass(frozen=True)
class PicturePrompts:
    """A picture's prompts and, if a detector found them, the seconds that took."""

    prompts: Sequence[Prompt]
    summary: str = ""
    seconds: float | None = None

    def times(self, seconds: float) -> str:
        """The seconds of the detector and of the segmenter, as text; empty without a detector."""
        return "" if self.seconds is None else f"; found in {self.seconds:.2f} s, segmented in {seconds:.2f} s"


#: From a picture's path to its prompts.
Asking = Callable[[Path], PicturePrompts]


@dataclass(frozen=True)
class PromptsByPath:
    """Given prompts."""

    prompts_of: PromptsOf

    def __call__(self, path: Path) -> PicturePrompts:
        """The prompts of a picture."""
        return PicturePrompts(self.prompts_of(path))


@dataclass(frozen=True)
class FoundPrompts:
    """Prompts that a detector finds."""

    find: PictureSearch

    def __call__(self, path: Path) -> PicturePrompts:
        """The boxes to keep in a picture, as prompts.

        Raises:
            ImageError, PromptError: the picture or the detector's answer cannot be used.
        """
        from samhq.batch.detect import boxes_said

        result, search = self.find(path), self.find.search
        summary = boxes_said(search.selection.apply(result.detections), search.rejected(result.detections))
        return PicturePrompts(search.prompts(result.detections), summary, result.seconds)
