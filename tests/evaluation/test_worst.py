from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests import tiny
from tests.datasets.layouts import disc, photo
from tests.evaluation.painter import SIDE, Painter
from tests.evaluation.test_run import Memory

from samhq.config import Defaults
from samhq.datasets.sample import labelled
from samhq.evaluation.prompt_kinds import PromptKind
from samhq.evaluation.run import evaluate
from samhq.evaluation.worst import Case, Zoom, draw_worst, worst_cases
from samhq.image.draw import PALETTE


def data() -> Memory:
    """In "b" the first object is a disc, of which its filled box is 0.75; all others fill their boxes."""
    full = np.zeros((2, SIDE, SIDE), bool)
    full[0, 5:15, 5:25], full[1, 40:50, 10:60] = True, True
    mixed = np.stack([disc(SIDE, SIDE, (30, 30), 12), full[0]])
    return Memory(labelled("a", photo(SIDE, SIDE), full), labelled("b", photo(SIDE, SIDE, 1), mixed))


def test_the_worst_come_first() -> None:
    found = evaluate(Painter(), data())
    assert worst_cases([found], 1) == [Case("b", 1, PromptKind(box=True))]
    assert len(worst_cases([found], 9)) == 4


def test_a_picture_shows_truth_prompt_and_what_is_wrong(tmp_path: Path) -> None:
    found = evaluate(Painter(), data(), name="painter")
    one, two = (draw_worst([Painter()] * n, data(), [found] * n, tmp_path / str(n), count=2)[0] for n in (1, 2))
    assert one.name == "01.jpg"
    with Image.open(one) as first, Image.open(two) as second:
        assert second.width > 1.2 * first.width, "a panel more"
        sheet = np.asarray(first).astype(int)
    # Of the last panel the corners of the box are false, its middle is hit.
    panel = sheet[46:-6, -326:-6]
    tints = {name: panel - np.array(PALETTE[k]) for k, name in enumerate(("hit", "missed", "false"))}
    near = {name: (abs(values).sum(-1) < 180) for name, values in tints.items()}
    assert near["hit"][150:170, 150:170].mean() > 0.3
    assert near["false"].sum() > 0


def test_the_mask_of_a_click_is_the_one_that_was_measured(tmp_path: Path) -> None:
    samples, sam = Memory(labelled("a", photo(), disc()[None])), tiny.model(tiny.HQ)
    sheets = {}
    for choice in ("best", "single"):
        sam.config = sam.config.replace(defaults=Defaults(click_mask=choice))
        found = evaluate(sam, samples, prompts="1p")
        (sheet,) = draw_worst([sam], samples, [found], tmp_path / choice)
        sheets[choice] = sheet.read_bytes()
    assert sheets["best"] != sheets["single"]
    (asked,) = draw_worst([sam], samples, [found], tmp_path / "asked", click_mask="best")
    with Image.open(asked) as one, Image.open(tmp_path / "best" / "01.jpg") as other:
        same = np.asarray(one)[26:] == np.asarray(other)[26:]  # Below the scores of the title.
    assert same.mean() > 0.99


def test_clicks_alone_have_no_worst_case(hq, tmp_path: Path) -> None:
    samples = Memory(labelled("a", photo(), disc()[None]))
    found = evaluate(hq, samples, prompts="clicks")
    assert draw_worst([hq], samples, [found], tmp_path) == []


def test_a_zoom_shows_all_of_an_object_and_keeps_places() -> None:
    mask = np.zeros((200, 300), bool)
    mask[20:30, 250:300] = True
    zoom = Zoom.on(mask)
    part = zoom.mask(mask)
    assert (part.shape, zoom.size_hw[0]) == (zoom.size_hw, 320)
    assert part.mean() > mask.mean()
    scale = 320 / (zoom.rows.stop - zoom.rows.start)
    assert part.sum() / scale**2 == pytest.approx(mask.sum(), rel=0.05)
    x, y = zoom.points(np.array([[275, 25]], np.float32))[0]
    assert part[round(float(y)), round(float(x))]
    whole = Zoom.on(np.ones((200, 300), bool))
    assert (whole.rows, whole.columns) == (slice(0, 200), slice(0, 300))
