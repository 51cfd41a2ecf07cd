import pytest

from samhq.errors import PromptError
from samhq.text.classes import as_classes, plain_phrase, slash_variants


def test_names_keep_their_spelling_and_phrases_their_order() -> None:
    classes = as_classes({"Cup": ["cup", "Coffee  mug", "CUP."], "fork": "fork"})
    assert classes.names == ("Cup", "fork")
    assert classes.phrases == ("cup", "Coffee mug", "fork"), "a phrase that differs in case or dots only counts once"
    assert classes.owners == (0, 0, 1)
    assert classes.by_name == {"Cup": ["cup", "Coffee mug"], "fork": ["fork"]}
    assert as_classes(classes) is classes


@pytest.mark.parametrize(
    "text", ["cup, red car", ["cup", "red car"], ("cup", "red car"), {"cup": "cup", "red car": ["red car"]}]
)
def test_every_form_means_the_same(text: object) -> None:
    assert as_classes(text) == as_classes(["cup", "red car"])


def test_a_set_has_one_order() -> None:
    assert as_classes({"b", "a", "c"}).names == ("a", "b", "c")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ([], "at least one class"),
        ("", "at least one class"),
        ({}, "at least one class"),
        ({"cup": []}, "each with a phrase"),
        (["cup", ""], "letters or digits"),
        ("cup,,fork", "letters or digits"),
        (["cup", " ?! "], "letters or digits"),
        ({"cup": ["cup", "."]}, "letters or digits"),
        (["cup", "Cup"], "twice"),
        (["st. car", "st car"], "twice"),
        ({"cup": ["mug"], "beaker": ["mug"]}, "'cup' and in 'beaker'"),
        ([["cup"]], "list of strings"),
        (b"cup", "list of strings"),
        (3, "list of strings"),
    ],
)
def test_what_cannot_be_searched_for_is_said(text: object, said: str) -> None:
    with pytest.raises(PromptError, match="Expected") as caught:
        as_classes(text)
    assert said in str(caught.value)


def test_phrases_lose_what_ends_a_phrase() -> None:
    assert plain_phrase("Is it a T-shirt? Yes; no. 5!") == "is it a t-shirt yes no 5"


def test_slashes_make_phrases() -> None:
    assert as_classes(slash_variants(["a/b", "c"])).owners == (0, 0, 1)
    assert slash_variants(["a / a", "a", "/"]) == {"a / a": ["a / a"], "a": ["a"], "/": ["/"]}
