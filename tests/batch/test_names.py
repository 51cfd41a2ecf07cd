"""Every picture's results have a name of their own."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from samhq.batch.names import stems

parts = st.sampled_from(["a", "A", "b", "a_jpg", "a_2", "a_a_jpg"])
paths = st.builds(
    lambda folder, stem, suffix: Path(folder, stem + suffix), parts, parts, st.sampled_from([".jpg", ".png", ""])
)


@given(st.lists(paths, unique=True, max_size=12))
def test_stems_differ_and_are_always_the_same(pictures: list[Path]) -> None:
    found = stems(pictures)
    assert len({name.casefold() for name in found}) == len(found) == len(pictures)
    assert found == stems(pictures)


def test_a_stem_of_its_own_stays() -> None:
    assert stems([Path("x/cat.jpg"), Path("y/dog.jpg")]) == ["cat", "dog"]


def test_long_names_become_shorter_and_stay_different() -> None:
    pictures = [Path("猫" * 80 + ".jpg"), Path("猫" * 79 + "犬.jpg"), Path("a", "🐈" * 60 + ".png"), Path("cat.jpg")]
    names = stems(pictures)
    assert len(set(names)) == 4
    assert names[3] == "cat"
    assert names == stems(pictures)
    assert max(len(f"{name}_cutout_1234_1234.png".encode()) for name in names) < 255
