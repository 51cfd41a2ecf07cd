"""`samhq models` lists every published model and says which are here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from samhq.checkpoint import hub
from samhq.cli.main import main
from samhq.config import MODELS


def test_every_model_is_listed_with_what_people_choose_by(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["name", "starter", *(name for name in MODELS if name != "starter")]
    tiny = next(line for line in lines if line.startswith("sam_hq_vit_tiny"))
    assert all(word in tiny for word in ("Light HQ-SAM", "43 MB", "lkeab/hq-sam"))


def test_models_on_this_machine_are_marked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(hub, "cached", lambda name: tmp_path if name == "mobile_sam" else None)
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    column = lines[0].index(" no ")
    assert [line.split()[0] for line in lines if line[column : column + 4] == " yes"] == ["mobile_sam"]


def test_json_says_what_the_table_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows[1:]] == list(hub.PUBLISHED), "after the starter"
    assert all(row.keys() >= {"name", "family", "bytes", "path"} for row in rows)
