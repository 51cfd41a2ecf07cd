import builtins
from pathlib import Path

import pytest

from samhq.errors import CheckpointError, ConfigError, MissingExtraError, PromptError
from samhq.text.boxfile import BoxFile
from samhq.text.grounding_dino import GroundingDino
from samhq.text.load import DEFAULT, DETECTORS, load_detector
from tests.text import tiny_detectors as tiny


@pytest.mark.parametrize("kind", ["dino", "mm"])
def test_a_folder_that_transformers_wrote(tmp_path: Path, kind: str) -> None:
    folder = tiny.save_dino(tmp_path / "detector", kind)
    detector = load_detector(folder, floor=0.0)
    assert isinstance(detector, GroundingDino)
    (found,) = detector.detect([tiny.picture()], ["a cat", "red car"])
    (expected,) = tiny.dino(kind, floor=0.0).detect([tiny.picture()], ["a cat", "red car"])
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)
    assert load_detector(folder, floor=0.0) is detector, "kept for the next call"
    assert load_detector(folder, floor=0.1) is not detector


def test_an_option_that_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Did you mean 'floor'"):
        load_detector(tiny.save_dino(tmp_path / "detector"), flor=0.1)


def test_objects_and_files_pass(tmp_path: Path) -> None:
    own = tiny.ColourDetector()
    assert load_detector(own) is own
    boxes = load_detector(tiny.coco_boxes(tmp_path / "b.json", {"a.jpg": []}))
    assert isinstance(boxes, BoxFile)
    assert load_detector(boxes) is boxes
    with pytest.raises(ConfigError, match="no options"):
        load_detector(own, batch=2)
    with pytest.raises(ConfigError, match="no options"):
        load_detector(str(boxes.path), batch=2)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("grounding-dino-tyni", "Did you mean 'grounding-dino-tiny'"),
        ("boxes.json", "got no such file"),
        ("./here/boxes.json", "got no such file"),
        ("a/b/c", "got no such file"),
    ],
)
def test_what_is_not_there_is_said(source: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_detector(source)


def test_a_folder_of_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither"):
        load_detector(tmp_path)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text("nothing")
    with pytest.raises(PromptError, match="as JSON, got text that is not"):
        load_detector(tmp_path / "b.json")


def test_offline_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for name in (None, "owlv2-base", "somebody/detector"):
        with pytest.raises(CheckpointError, match="hf download") as caught:
            load_detector(name)
        assert DETECTORS.get(name or DEFAULT, name) in str(caught.value)
        assert "Boxes from a file work" in str(caught.value)


def test_without_transformers_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def refuse(name: str, *args: object, **named: object) -> object:
        if name.split(".")[0] == "transformers":
            raise ModuleNotFoundError(name=name)
        return real(name, *args, **named)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingExtraError, match=r"samhq\[text\]"):
        load_detector("grounding-dino-base", batch=3)


def test_another_kind_of_network_is_said(tmp_path: Path) -> None:
    from transformers import BertConfig

    BertConfig().save_pretrained(tmp_path)
    with pytest.raises(ConfigError, match="got 'bert'"):
        load_detector(tmp_path)
