"""The command for training is one that the library takes, with data that it reads."""

from __future__ import annotations

import shlex

import pytest
from tests.serve.served import CLICK, Client

from samhq.datasets.open import open_dataset
from samhq.training.config import TrainConfig


@pytest.mark.parametrize("what", ["hq", "decoder", "all", "lora"])
def test_the_command_fits_the_data(client: Client, what: str) -> None:
    client.do(1, "commit", draft=CLICK)
    client.do(2, "commit", draft=CLICK)
    made = client.ask("POST", "/training", {"what": what})
    assert shlex.split(made["command"]) == ["samhq", *made["arguments"]]
    assert (made["images"], made["objects"]) == (2, 2)
    flags = dict(zip(made["arguments"][1::2], made["arguments"][2::2], strict=True))
    fields = {name.removeprefix("--"): value for name, value in flags.items()}
    config = TrainConfig(**fields)
    assert config.mode == ("hq" if what == "hq" else "finetune")
    pictures = open_dataset(fields["data"], images=fields["images"])
    assert [sample.masks.sum() > 0 for sample in (pictures[0], pictures[1])] == [True, True]
