"""Bodies that cannot be are refused before anything is done with them."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from samhq.serve.messages import Command, DecodeRequest, Draft

COMMAND: TypeAdapter[Any] = TypeAdapter(Command)


@pytest.mark.parametrize(
    "body",
    [
        {"points": [[1, 2, 3]]},
        {"points": [[1, float("nan")]]},
        {"points": [[float("inf"), 1]]},
        {"labels": [2]},
        {"box": [1, 2, 3]},
        {"hq": "yes"},
        {"points": [[1, 1]] * 3000},
        {"kind": "other"},
        {"seq": -1},
        {"unknown": 1},
        {"mask": {"size": [1, 1]}},
    ],
)
def test_prompts(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DecodeRequest.model_validate(body)


@pytest.mark.parametrize(
    "body",
    [
        {"type": "other"},
        {"type": "delete"},
        {"type": "delete", "ids": []},
        {"type": "update", "ids": ["a"], "colour": 1},
        {},
    ],
)
def test_commands(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        COMMAND.validate_python(body)


def test_a_draft_keeps_what_the_page_adds() -> None:
    draft = Draft.model_validate({"points": [[1, 2]], "labels": [1], "zoom": 2.5})
    assert draft.model_dump()["zoom"] == 2.5
