"""Settings of a search: class names or examples, and the detector.

Imports detectors only inside functions, so that help is fast. Annotations are not strings here: flags inherit them in
other modules, where cyclopts reads them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from samhq.errors import ConfigError, PromptError
from samhq.options import real_number, whole_number

if TYPE_CHECKING:
    from samhq.text.detector import Example
    from samhq.text.search import Search

_TOGETHER = 4  #: Default number of pictures that a detector on a GPU sees together.
_LONGEST_SIDE = 16384  #: Largest shorter side of pictures for a detector, in pixels.


class ClassThreshold(NamedTuple):
    """The lowest score that counts, for one class or, if `name` is empty, for all others."""

    name: str
    score: float


class ExampleBox(NamedTuple):
    """A rectangle around an example, in pixels of its picture."""

    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True)
class ExampleSettings:
    """Examples of the objects to find: boxes in one picture."""

    like: tuple[ExampleBox, ...] = ()
    """A box x0,y0,x1,y1 around an object: find more like it. Repeat for more examples. Needs an OWL detector."""

    like_in: Path | None = None
    """The picture of the --like boxes. [default: the picture to process, if there is only one]"""

    like_name: str = "example"
    """The class name of objects that --like finds."""

    def examples(self, picture: Any = None) -> "list[Example]":
        """The examples, with their picture: `picture` as pixels or a path, by default that of these settings.

        Raises:
            PromptError: boxes without a picture.
        """
        from samhq.text.detector import Example

        if not self.like:
            return []
        source = self.like_in if picture is None else picture
        if source is None:
            raise PromptError("Expected the picture of the example boxes as like_in, got none. Name it.")
        return [Example(source, list(box), self.like_name) for box in self.like]

    def like_options(self) -> dict[str, Any]:
        """The values of these flags that results depend on; empty without examples.

        Raises:
            OSError: the picture of the examples cannot be read.
        """
        from samhq.storage import digest

        if not self.like:
            return {}
        picture = None if self.like_in is None else digest.of_file(self.like_in)
        return {"like": [list(box) for box in self.like], "like_in": picture, "like_name": self.like_name}


@dataclass(frozen=True)
class DetectorSettings:
    """Which detector to use, and which of its boxes to keep."""

    detector: str | None = None
    """A name (grounding-dino-base, llmdet-tiny, owlv2-base, ...), a folder, a hub id, or boxes: a COCO JSON file or a
    folder of YOLO's text files. [default: grounding-dino-tiny]"""

    threshold: tuple[ClassThreshold, ...] = ()
    """Lowest score of a box to keep: 0.3, or cup=0.35 for one class. Repeat for more. [default: the detector's own,
    0.25 or 0.1 for OWL]"""

    nms: float = 0.8
    """If two boxes of a class have a higher IoU than this, keep the one with the better score. 1: keep all."""

    max_detections: int = 100
    """Largest number of boxes in a picture; the best scores stay."""

    short_side: int | None = None
    """Shorter side in pixels of the pictures that Grounding DINO sees. 480 is faster, 800 finds more. [default:
    800]"""

    detector_batch: int | None = None
    """Number of pictures that the detector sees together; 1 in worker processes. [default: 4 on a GPU, 1 on a CPU]"""

    def together(self, device: str | None) -> int:
        """The number of pictures that the detector sees together.

        Raises:
            ConfigError: fewer than 1, or a device that does not exist.
        """
        if self.detector_batch is not None:
            if self.detector_batch < 1:
                raise ConfigError(f"Expected --detector-batch of 1 or more, got {self.detector_batch}. Leave it out.")
            return self.detector_batch
        if find_spec("torch") is None:  # Boxes from a file need none.
            return 1
        from samhq.device import as_device

        return 1 if as_device(device).type == "cpu" else _TOGETHER

    def search(self, text: str | None, device: str | None, examples: "Sequence[Example]" = ()) -> "Search":
        """The search for classes or for objects like examples, with its detector loaded.

        Raises:
            PromptError: class names that cannot be used, or a class with two thresholds.
            ConfigError, CheckpointError, MissingExtraError: as `samhq.text.search.Search.of`.
        """
        from samhq.text.load import load_detector
        from samhq.text.search import Search, default_detector

        self._check_numbers()
        like = list(examples) or None
        options = {"short_side": self.short_side, "batch": self.detector_batch}
        given = {name: value for name, value in options.items() if value is not None}
        loaded = load_detector(default_detector(self.detector, like), device=device, **given)
        general, by_name = self.thresholds()
        return Search.of(
            text,
            like=like,
            detector=loaded,
            threshold=general,
            thresholds=by_name,
            nms=self.nms,
            max_detections=self.max_detections,
        )

    def _check_numbers(self) -> None:
        """Refuses numbers that cannot be used, before a detector is fetched and loaded.

        Raises:
            ConfigError: one is outside its range.
        """
        whole_number("--max-detections", self.max_detections, 1)
        real_number("--nms", self.nms, 0, 1)
        if self.short_side is not None:
            whole_number("--short-side", self.short_side, 1, _LONGEST_SIDE)

    def thresholds(self) -> tuple[float | None, Mapping[str, float]]:
        """The general threshold, None for the detector's own, and those of single classes by name.

        Raises:
            PromptError: a class with two thresholds.
        """
        names = [limit.name for limit in self.threshold]
        for name in names:
            if names.count(name) > 1:
                raise PromptError(
                    f"Expected one --threshold for {name or 'all classes'}, got {names.count(name)}. Leave one out."
                )
        by_name = {limit.name: limit.score for limit in self.threshold}
        return by_name.pop("", None), by_name

    def options(self) -> dict[str, Any]:
        """The values of these flags that results depend on, as JSON values. Files are named by their content.

        Raises:
            OSError: a file of boxes or of weights cannot be read.
        """
        from samhq.storage import digest

        general, by_name = self.thresholds()
        rules = {"threshold": general, "thresholds": by_name, "nms": self.nms, "most": self.max_detections}
        files = detector_files(self.detector)
        content = digest.of_files(files) if files else None
        return rules | {"detector": self.detector, "content": content, "short_side": self.short_side}


@dataclass(frozen=True)
class TextSettings(DetectorSettings, ExampleSettings):
    """Class names or examples in place of prompts."""

    text: str | None = None
    """Class names separated by commas, "cup, red car": find such objects and segment each. Needs samhq[text], or
    boxes from a file. [default: with boxes from a file, all their classes]"""

    @property
    def wanted(self) -> bool:
        """Whether there is something to search for: class names, examples, or all boxes of a file."""
        return self.text is not None or bool(self.like) or has_boxes(self.detector)

    def search_options(self) -> dict[str, Any]:
        """The values of these flags that results depend on; empty without class names and examples."""
        return {"text": self.text, **self.options(), **self.like_options()} if self.wanted else {}


def has_boxes(detector: str | None) -> bool:
    """Whether the detector is a file of boxes, COCO's JSON or a folder of YOLO's text files, on this machine."""
    if detector is None or not Path(detector).exists():
        return False
    from samhq.text.boxfile import is_box_file

    return is_box_file(Path(detector))


def detector_files(detector: str | None) -> list[Path]:
    """The files of a detector, if it is a file or folder on this machine; none for a name."""
    path = Path(detector or "")
    if detector and path.is_file():
        return [path]
    if detector and path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".bin", ".json", ".txt", ".yaml"))
    return []


#: The default settings.
DEFAULT_DETECTOR, NO_EXAMPLES, NO_SEARCH = DetectorSettings(), ExampleSettings(), TextSettings()
