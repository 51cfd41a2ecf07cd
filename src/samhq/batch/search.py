"""Settings of a search by class names: the classes and the detector.

Imports detectors only inside functions, so that help is fast. Annotations are not strings here: flags inherit them in
other modules, where cyclopts reads them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from samhq.errors import PromptError

if TYPE_CHECKING:
    from samhq.text.search import Search


class ClassThreshold(NamedTuple):
    """The lowest score that counts, for one class or, if `name` is empty, for all others."""

    name: str
    score: float


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

    def search(self, text: str, device: str | None) -> "Search":
        """The search for classes, with its detector loaded.

        Raises:
            PromptError: class names that cannot be used, or a class with two thresholds.
            ConfigError, CheckpointError, MissingExtraError: as `samhq.text.search.Search.of`.
        """
        from samhq.text.load import load_detector
        from samhq.text.search import Search

        options = {} if self.short_side is None else {"short_side": self.short_side}
        loaded = load_detector(self.detector, device=device, **options)
        general, by_name = self.thresholds()
        return Search.of(
            text,
            detector=loaded,
            threshold=general,
            thresholds=by_name,
            nms=self.nms,
            max_detections=self.max_detections,
        )

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
class TextSettings(DetectorSettings):
    """Class names in place of prompts."""

    text: str | None = None
    """Class names separated by commas, "cup, red car": find such objects and segment each. Needs samhq[text], or
    boxes from a file."""

    def search_options(self) -> dict[str, Any]:
        """The values of these flags that results depend on; empty without class names."""
        return {} if self.text is None else {"text": self.text, **self.options()}


def detector_files(detector: str | None) -> list[Path]:
    """The files of a detector, if it is a file or folder on this machine; none for a name."""
    path = Path(detector or "")
    if detector and path.is_file():
        return [path]
    if detector and path.is_dir():
        return sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".bin", ".json", ".txt", ".yaml"))
    return []


DEFAULT_DETECTOR, NO_SEARCH = DetectorSettings(), TextSettings()  #: The settings when none is given.
