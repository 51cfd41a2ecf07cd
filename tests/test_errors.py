from __future__ import annotations

import builtins
import inspect

import pytest

from samhq import errors
from samhq.errors import SamHQError, did_you_mean

CLASSES = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
KINDS = [kind for kind in CLASSES if not issubclass(kind, Warning)]


@pytest.mark.parametrize("kind", KINDS)
def test_all_are_caught_by_the_one(kind: type[Exception]) -> None:
    assert issubclass(kind, SamHQError)
    assert not issubclass(SamHQError, tuple(k for k in KINDS if k is not SamHQError))


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        ("ConfigError", "ValueError"),
        ("ImageError", "ValueError"),
        ("PromptError", "ValueError"),
        ("CheckpointError", "RuntimeError"),
        ("MissingExtraError", "ImportError"),
    ],
)
def test_code_that_knows_only_builtins_catches_them_too(kind: str, builtin: str) -> None:
    assert issubclass(getattr(errors, kind), getattr(builtins, builtin))


def test_the_one_warning_is_no_error() -> None:
    assert [kind for kind in CLASSES if kind not in KINDS] == [errors.SamHQWarning]
    assert issubclass(errors.SamHQWarning, UserWarning)


def test_the_message_is_the_sentence() -> None:
    assert str(errors.PromptError("Expected a, got b.")) == "Expected a, got b."


def test_the_nearest_name_is_offered() -> None:
    assert did_you_mean("mobilesam", ["sam_vit_b", "mobile_sam"]).startswith("Did you mean 'mobile_sam'? ")


def test_nothing_is_offered_where_nothing_is_near() -> None:
    assert did_you_mean("zebra", ["sam_vit_b", "mobile_sam"]) == "Known: sam_vit_b, mobile_sam."


def test_any_iterable_of_names_will_do() -> None:
    assert did_you_mean("a", iter(["a", "b"])) == "Did you mean 'a'? Known: a, b."


def test_of_several_the_one_that_is_wrong_is_named() -> None:
    wrong = errors.PromptError("Expected a, got b.")
    with (
        pytest.raises(errors.PromptError) as caught,
        errors.naming("picture", 0, 2, "'a.jpg'"),
        errors.naming("prompt", 2, 3),
    ):
        raise wrong
    assert caught.value is wrong
    assert str(wrong) == "Picture 0 (of 0 to 1), 'a.jpg': Prompt 2 (of 0 to 2): Expected a, got b."


def test_the_only_one_needs_no_number_and_other_errors_stay() -> None:
    with pytest.raises(errors.ImageError, match=r"^Expected a$"), errors.naming("picture", 0, 1):
        raise errors.ImageError("Expected a")
    with pytest.raises(ValueError, match=r"^bare$"), errors.naming("picture", 0, 2):
        raise ValueError("bare")


def test_without_known_names_a_message_says_so() -> None:
    assert did_you_mean("3", []) == "There are none."
