"""Against transformers' own forward pass and post-processing of the same random network."""

import numpy as np
import pytest
import torch
import transformers

from samhq.errors import PromptError
from samhq.text.detector import Example
from tests.text import tiny_detectors as tiny

PHRASES = ["a cat", "red car", "t-shirt"]
KINDS = pytest.mark.parametrize("kind", ["owlv2", "owlvit"])


@KINDS
@pytest.mark.parametrize("hw", [(60, 80), (90, 40)])
def test_boxes_scores_and_labels_are_those_of_transformers(kind: str, hw: tuple[int, int]) -> None:
    image = tiny.picture(*hw)
    tokens = tiny.clip_tokenizer()(
        [f"a photo of a {name}" for name in PHRASES], padding="max_length", max_length=32, return_tensors="pt"
    )
    processor = tiny.owl_processor(kind)
    pixels = processor(images=[image], return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        output = tiny.owl_model(kind)(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"], **pixels)
    whole = getattr(transformers, {"owlv2": "Owlv2Processor", "owlvit": "OwlViTProcessor"}[kind])
    whole = whole(processor, tiny.clip_tokenizer())
    expected = whole.post_process_grounded_object_detection(output, threshold=0.0, target_sizes=[hw])[0]
    (found,) = tiny.owl(kind, floor=0.0).detect([image], PHRASES)
    order = expected["scores"].argsort(descending=True, stable=True)
    assert found.scores == pytest.approx(expected["scores"][order].numpy(), abs=1e-5)
    assert found.boxes == pytest.approx(expected["boxes"][order].numpy(), abs=1e-3)
    assert found.labels == tuple(PHRASES[number] for number in expected["labels"][order].tolist())


@KINDS
def test_a_picture_does_not_depend_on_its_neighbours(kind: str) -> None:
    images = [tiny.picture(60, 80, seed) for seed in range(3)]
    together = tiny.owl(kind, floor=0.0, batch=2).detect(images, PHRASES)
    for image, found in zip(images, together, strict=True):
        (alone,) = tiny.owl(kind, floor=0.0).detect([image], PHRASES)
        assert found.scores == pytest.approx(alone.scores, abs=1e-5)
        assert found.labels == alone.labels


def test_the_text_is_computed_once_a_list() -> None:
    detector, calls = tiny.owl(), []
    handle = detector.model.owlv2.text_model.register_forward_hook(lambda *_: calls.append(1))
    for names in (PHRASES, PHRASES, PHRASES[:2]):
        detector.detect([tiny.picture()], names)
    handle.remove()
    assert len(calls) == 2


def test_a_class_that_is_too_long_is_said() -> None:
    with pytest.raises(PromptError, match="at most 32 tokens"):
        tiny.owl().detect([tiny.picture()], ["a cat with a very long description of everything that it does"])


@KINDS
def test_an_example_finds_itself(kind: str) -> None:
    """The patch that stands for the example fits its own embedding better than any other's would."""
    detector, image = tiny.owl(kind, floor=0.0), tiny.picture()
    with torch.inference_mode():
        features, _ = detector._patches(transformed(kind, image))
        _, embeddings = detector.model.class_predictor(features)
    (all_found,) = detector.detect([image], ["a cat"])
    box = all_found[:1].boxes[0]
    (found,) = detector.detect_like([image], [Example(image, box, "mug")])
    assert set(found.labels) == {"mug"}
    with torch.inference_mode():
        query = detector._embedded_example(Example(image, box))
    assert any(torch.allclose(query, row) for row in embeddings[0])
    assert len(found) == len(all_found)


def transformed(kind: str, image: np.ndarray) -> torch.Tensor:
    from samhq.text.pixels import prepared

    return prepared(tiny.owl_processor(kind), image)


def test_examples_of_one_label_are_one_class() -> None:
    image = tiny.picture()
    boxes = [[5, 5, 30, 30], [40, 20, 70, 50], [0, 30, 20, 59]]
    examples = [Example(image, box, label) for box, label in zip(boxes, ["mug", "fork", "mug"], strict=True)]
    (found,) = tiny.owl(floor=0.0).detect_like([tiny.picture(seed=1)], examples)
    assert found.names == ("mug", "fork")
    assert len(found) == 16


def test_examples_are_embedded_once_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, looks = tiny.owl(floor=0.0), []
    real = type(detector)._patches
    monkeypatch.setattr(
        type(detector), "_patches", lambda self, pixels: looks.append(len(pixels)) or real(self, pixels)
    )
    example = Example(tiny.picture(), [5, 5, 30, 30])
    (first,) = detector.detect_like([tiny.picture(seed=1)], [example])
    (again,) = detector.detect_like([tiny.picture(seed=1)], [example])
    assert looks == [1, 1, 1], "the example's picture, then twice the other"
    assert np.array_equal(again.scores, first.scores)
    detector.detect_like([tiny.picture(seed=1)], [Example(tiny.picture(), [40, 5, 60, 30])])
    assert len(looks) == 5, "another example"


def test_examples_that_cannot_be_used_are_said() -> None:
    with pytest.raises(PromptError, match="at least one example"):
        tiny.owl().detect_like([tiny.picture()], [])
    with pytest.raises(PromptError, match="boxes"):
        tiny.owl().detect_like([tiny.picture()], [Example(tiny.picture(), [90, 90, 99, 99])])
