from __future__ import annotations

from pathlib import Path

import pytest
import torch

from samhq.errors import CheckpointError
from samhq.video.saved import read_state, restore, tracker_state, write_state
from samhq.video.tracker import Clicks, ObjectTracker
from tests.video import small
from tests.video.test_tracker import CLICK, passed, seen


def test_a_tracker_goes_on_from_its_saved_state(tmp_path: Path) -> None:
    whole = ObjectTracker(small.shared())
    whole.click(seen(0), 4, CLICK + Clicks(torch.tensor([[1.0, 2.0]]), torch.tensor([0])))
    passed(whole, range(5))
    write_state(tmp_path / "state.pt", {"objects": tracker_state(whole)})
    other = ObjectTracker(small.shared())
    restore(other, read_state(tmp_path / "state.pt")["objects"])
    assert other.object(4).prompted_frames == {0}
    expected, found = passed(whole, range(5, 12)), passed(other, range(5, 12))
    assert all(torch.equal(expected[t][4], found[t][4]) for t in expected)


def test_a_state_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(b"no state")
    with pytest.raises(CheckpointError, match="Start without --resume"):
        read_state(tmp_path / "state.pt")


def test_a_state_with_flipped_bits_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    write_state(path, {"numbers": torch.arange(1000)})
    content = bytearray(path.read_bytes())
    content[content.index(torch.tensor([500, 501]).numpy().tobytes())] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checksum|CRC"):
        read_state(path)
