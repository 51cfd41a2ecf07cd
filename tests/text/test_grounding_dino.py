"""Against transformers' own processing of the same random network, and against rules that hold for any network."""

import copy

import numpy as np
import pytest
import torch
from transformers import GroundingDinoProcessor

from samhq.errors import PromptError
from samhq.results.detections import Selection
from samhq.text.grounding_dino import GroundingDino, TextOnce
from tests.text import tiny_detectors as tiny

PHRASES = ["a cat", "red car", "t-shirt"]
KINDS = pytest.mark.parametrize("kind", ["dino", "mm"])


def theirs(kind: str, image: np.ndarray, text: list[str]) -> tuple[object, object]:
    processor = GroundingDinoProcessor(tiny.picture_processor(), tiny.bert_tokenizer())
    inputs = processor(images=image, text=text, return_tensors="pt", input_data_format="channels_last")
    with torch.inference_mode():
        return processor, tiny.dino_model(kind)(**inputs)


@KINDS
def test_single_words_score_as_in_transformers(kind: str) -> None:
    """With one token a class, the best token's probability is the class's score, so both must agree."""
    image, names = tiny.picture(), ["cat", "car", "cup"]
    processor, output = theirs(kind, image, names)
    expected = processor.post_process_grounded_object_detection(output, threshold=0.0, target_sizes=[image.shape[:2]])[
        0
    ]
    (found,) = tiny.dino(kind, floor=0.0).detect([image], names)
    logits = output.logits[0, :, [1, 3, 5]]
    by_word = logits.max(dim=1).values.sigmoid().sort(descending=True).values
    assert found.scores == pytest.approx(by_word.numpy(), abs=1e-5)
    at = {tuple(box): score for box, score in zip(expected["boxes"].tolist(), expected["scores"].tolist(), strict=True)}
    for box, score in zip(found.boxes.tolist(), found.scores.tolist(), strict=True):
        near = min(at, key=lambda other: np.abs(np.subtract(other, box)).max())
        assert near == pytest.approx(box, abs=1e-2)
        assert score <= at[near] + 1e-5, "theirs may be a special token's probability, never less than a word's"


@KINDS
@pytest.mark.parametrize("reduce", ["mean", "max"])
def test_scores_are_reduced_over_the_tokens_of_a_phrase(kind: str, reduce: str) -> None:
    image = tiny.picture()
    _, output = theirs(kind, image, PHRASES)
    probabilities = output.logits[0].sigmoid().numpy()
    places = [(1, 3), (4, 6), (7, 10)]
    expected = np.stack([getattr(probabilities[:, a:b], reduce)(axis=1) for a, b in places], axis=1)
    (found,) = tiny.dino(kind, reduce=reduce, assign="all", floor=0.0).detect([image], PHRASES)
    assert len(found) == expected.size
    for number, phrase in enumerate(PHRASES):
        own = found.scores[[label == phrase for label in found.labels]]
        assert own == pytest.approx(np.sort(expected[:, number])[::-1], abs=1e-5)


def test_labels_are_the_names_that_were_given() -> None:
    names = ["A Cat?", "T-shirt", "st. car", "[SEP]"]
    (found,) = tiny.dino(floor=0.0).detect([tiny.picture()], names)
    assert set(found.labels) <= set(names)
    assert len(found) == 9


@KINDS
@pytest.mark.parametrize("order", [[2, 0, 1], [1, 0, 2]])
def test_permuting_classes_permutes_the_result(kind: str, order: list[int]) -> None:
    detector, image = tiny.dino(kind, floor=0.0), tiny.picture()
    (one,) = detector.detect([image], PHRASES)
    (other,) = detector.detect([image], [PHRASES[number] for number in order])
    assert one.labels == other.labels
    assert one.scores == pytest.approx(other.scores, abs=1e-5)
    assert one.boxes == pytest.approx(other.boxes, abs=1e-2)


@KINDS
def test_a_picture_does_not_depend_on_its_neighbours(kind: str) -> None:
    images = [tiny.picture(60, 80), tiny.picture(40, 90, 1), tiny.picture(60, 80, 2), tiny.picture(60, 80, 3)]
    together = tiny.dino(kind, floor=0.0, batch=2).detect(images, PHRASES)
    for image, found in zip(images, together, strict=True):
        (alone,) = tiny.dino(kind, floor=0.0, batch=1).detect([image], PHRASES)
        assert found.labels == alone.labels
        assert found.scores == pytest.approx(alone.scores, abs=1e-5)
        assert found.boxes == pytest.approx(alone.boxes, abs=1e-3)


def test_the_text_is_computed_once_and_changes_nothing() -> None:
    detector = tiny.dino(floor=0.0)
    once = detector.model.model.text_backbone
    calls: list[int] = []
    handle = once.network.register_forward_hook(lambda *_: calls.append(1))
    before = detector.detect([tiny.picture(), tiny.picture(40, 90)], PHRASES)
    after = detector.detect([tiny.picture()], PHRASES)
    handle.remove()
    assert calls == [1]
    assert np.array_equal(before[0].scores, after[0].scores)
    plain = copy.copy(detector)
    plain.model = tiny.dino_model()
    assert not isinstance(plain.model.model.text_backbone, TextOnce), "the caller's model is left as it is"
    (found,) = plain.detect([tiny.picture()], PHRASES)
    assert found.scores == pytest.approx(after[0].scores, abs=1e-6)


def test_text_is_forgotten_in_the_order_it_came() -> None:
    class Counting(torch.nn.Module):
        calls = 0

        def forward(self, ids: torch.Tensor, return_dict: bool = True) -> object:
            from transformers.modeling_outputs import BaseModelOutput

            Counting.calls += 1
            return BaseModelOutput(last_hidden_state=ids[..., None].float())

    once = TextOnce(Counting(), limit=2)
    for number in (1, 2, 1, 3, 2, 1):
        features = once(torch.tensor([[number], [number]])).last_hidden_state
        assert features.flatten().tolist() == [number, number]
    assert Counting.calls == 4


def without_talk(model: object) -> object:
    """The network without the paths by which text changes what a query sees: then captions may be split freely."""
    model = copy.deepcopy(model)
    for name, parameter in model.named_parameters():
        if name.endswith(("vision_param", "text_param")) or "encoder_attn_text.out_proj" in name:
            torch.nn.init.zeros_(parameter)
        if "query_position_embeddings" in name:
            torch.nn.init.ones_(parameter)
    return model


def test_splitting_300_classes_equals_one_long_run() -> None:
    """On a network where the text only names what queries see, and all places are queries."""
    words = ["cat", "car", "cup", "mug", "fork", "dog", "shirt"]
    names = [f"{'red ' * (n // 49)}{words[n // 7 % 7]} {words[n % 7]}" for n in range(300)]
    image, queries = tiny.picture(64, 96), 128
    made = {}
    for limit in (64, 2048):
        model = tiny.dino_model("dino", limit, queries)
        detector = GroundingDino(
            without_talk(model), tiny.bert_tokenizer(), tiny.picture_processor(), assign="all", floor=0.0
        )
        made[limit] = len(detector.captions(names)), detector.detect([image], names)[0]
    assert made[64][0] > 10
    assert made[2048][0] == 1
    few, many = made[2048][1], made[64][1]
    for name in names[::37]:
        long = np.sort(few.scores[[label == name for label in few.labels]])[::-1]
        cut = np.sort(many.scores[[label == name for label in many.labels]])[::-1][: len(long)]
        assert cut == pytest.approx(long, abs=1e-5)


def test_split_captions_find_their_own_classes_only() -> None:
    names = [f"{word} cat" for word in ("red", "blue", "a", "dog", "cup", "mug", "fork", "shirt", "st", "car", "t")]
    detector = tiny.dino(assign="all", floor=1e-9)
    assert len(detector.captions(names)) == 2
    (found,) = detector.detect([tiny.picture()], names)
    counts = [found.labels.count(name) for name in names]
    assert counts == [9] * 11, "each query of a class's own caption, none of the other's"


def test_a_smaller_side_may_be_asked_for() -> None:
    seen = []
    detector = tiny.dino(short_side=48)

    def note(_: object, __: object, named: dict) -> None:
        seen.append(named["pixel_values"].shape)

    handle = detector.model.register_forward_pre_hook(note, with_kwargs=True)
    detector.detect([tiny.picture(60, 120)], PHRASES)
    handle.remove()
    assert seen[0][2] <= 48
    assert seen[0][3] <= round(48 * 1333 / 800)


def test_a_class_that_is_too_long_is_said() -> None:
    with pytest.raises(PromptError, match="few words"):
        tiny.dino().detect([tiny.picture()], ["cat " * 40])


def test_no_picture_gives_no_answer() -> None:
    assert tiny.dino().detect([], PHRASES) == []


def test_low_scores_leave_the_best_for_the_message() -> None:
    (found,) = tiny.dino(floor=2.0).detect([tiny.picture()], PHRASES)
    assert len(found) == 1
    assert Selection(1.0).rejected(found).startswith("closest: ")
