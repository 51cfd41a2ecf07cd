from __future__ import annotations

import json
from dataclasses import replace

import pytest

from samhq.errors import ConfigError
from samhq.training.config import TrainConfig
from samhq.training.kinds import parse_kinds


def test_what_is_left_out_is_the_recipe_of_the_mode_and_what_is_said_stays():
    assert TrainConfig(mode="hq").learning_rate == 1e-3
    assert TrainConfig(mode="finetune").learning_rate == 5e-4
    assert TrainConfig(mode="hq", learning_rate=5.0).learning_rate == 5
    assert TrainConfig(mode="scratch").init == "random"
    assert TrainConfig(mode="hq").weights.sam == 0, "SAM does not learn in HQ tuning"


def test_the_published_recipe():
    """The numbers of the paper and of its training script: specification 8.3 and 8.4."""
    paper = TrainConfig(mode="hq", preset="paper")
    assert parse_kinds(paper.kinds).keys() == {"tight_box", "clicks", "noise_mask_255"}
    assert (paper.epochs, paper.batch * paper.accumulate, paper.learning_rate) == (12, 32, 1e-3)
    assert (paper.weights.hq, paper.weights.hq_sum, paper.weights.points) == (1, 0, 12544)
    assert (paper.optimiser, paper.weight_decay, paper.beta2, paper.clip, paper.average) == ("adam", 0, 0.999, 0, 0)
    assert paper.scale == (0.1, 2.0)


def test_the_whole_configuration_is_json_with_the_loss_that_counts():
    written = json.loads(json.dumps(TrainConfig(mode="hq", loss="points:64").to_dict()))
    assert written["weights"]["points"] == 64
    assert written["weights"]["hq_sum"] == 1
    assert written["learning_rate"] == 1e-3


def test_epochs_and_batch_are_used_in_place_of_the_stages_of_a_recipe():
    (stage,) = TrainConfig(mode="scratch", epochs=3, batch=2).plan(64).stages
    assert (stage.batch, stage.amount, stage.unit) == (2, 3, "epochs")
    assert len(TrainConfig(mode="scratch").plan(64).stages) == 2


@pytest.mark.parametrize("mode", ["hq", "finetune", "scratch"])
@pytest.mark.parametrize("fields", [{}, {"stages": "96:2:5"}, {"epochs": 3, "batch": 2}])
def test_a_configuration_can_be_made_again_from_its_fields(mode, fields):
    config = TrainConfig(mode=mode, **fields)
    assert replace(config, resume=True, seed=1).plan(64) == config.plan(64)
    written = {name: value for name, value in config.to_dict().items() if name != "weights"}
    assert TrainConfig(**written | {"scale": config.scale}).to_dict() == config.to_dict()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"mode": "hqq"}, "hq"),
        ({"what": "lorra"}, "lora"),
        ({"optimiser": "sgd"}, "adamw"),
        ({"shape": "cosin"}, "'cosine'"),
        ({"best": "biou"}, "boundary_iou"),
        ({"format": "pt"}, "'pth'"),
        ({"cache_dtype": "bfloat16"}, "'float16'"),
        ({"mode": "hq", "preset": "papr"}, "'paper'"),
        ({"seed": -1}, "seed as a whole number of at least 0"),
        ({"seed": 1.5}, "seed as a whole number"),
        ({"learning_rate": "1e-4"}, "YAML reads 1e-4 as text"),
        ({"batch": "4"}, "batch as a whole number"),
        ({"epochs": [3]}, "epochs as a number"),
        ({"epochs": True}, "epochs as a number"),
        ({"scale": "0.5,2"}, "two rising factors"),
        ({"scale": ("a", "b")}, "scale as a number"),
        ({"resume": "False"}, "resume as True or False"),
        ({"tensorboard": "no"}, "tensorboard as True or False"),
        ({"validate_pictures": 2.5}, "validate_pictures"),
        ({"kinds": 5}, "kinds as text"),
        ({"stages": 100}, "stages as text"),
        ({"loss": None}, "loss as text"),
        ({"mode": 3}, "mode"),
        ({"copies": -1}, "copies"),
        ({"clip": float("nan")}, "clip"),
        ({"norm_pictures": 0}, "norm_pictures"),
        ({"model": "sam_hq_vit_tinny"}, "sam_hq_vit_tiny"),
        ({"preset": "paper"}, "mode='hq'"),
        ({"mode": "finetune", "what": "lora", "cache": "features"}, "frozen encoder"),
        ({"kinds": "boxes"}, "box"),
        ({"kinds": "box:none"}, "box:2"),
        ({"loss": "dise:1"}, "dice"),
        ({"loss": "dice:-1"}, "from 0 up"),
        ({"loss": "fine:0"}, "1, 2 or 4 times"),
        ({"loss": "fine:8"}, "1, 2 or 4 times"),
        ({"beta2": 1.5}, "beta2"),
        ({"beta2": 1.0}, "beta2"),
        ({"lora_alpha": float("nan")}, "lora_alpha"),
        ({"lora_alpha": 0.0}, "lora_alpha"),
        ({"validate_minutes": float("nan")}, "validate_minutes"),
        ({"save_minutes": -1.0}, "save_minutes"),
        ({"batch": 0}, "batch"),
        ({"scale": (2.0, 0.5)}, "scale"),
        ({"scale": ()}, "scale"),
        ({"scale": (0.5, 1.0, 2.0)}, "scale"),
        ({"epochs": float("nan")}, "epochs"),
        ({"correct": 1.5}, "correct"),
        ({"model": "sam_hq_vit_b"}, "init='sam_hq_vit_b'.*--init"),
        ({"mode": "scratch", "init": "starter", "model": "sam_hq_vit_b"}, "--init"),
        ({"mode": "hq", "what": "all"}, "mode='finetune'"),
        ({"mode": "scratch", "what": "lora"}, "mode='finetune'"),
        ({"fresh_heads": True}, "mode='hq'"),
        ({"epochs": 3, "stages": "96:2:5"}, "epochs=3.*--stages"),
        ({"mode": "scratch", "batch": 2, "stages": "96:2:5"}, "batch=2"),
    ],
)
def test_refuses_what_means_nothing(fields, said):
    with pytest.raises(ConfigError, match=said):
        TrainConfig(**fields)


@pytest.mark.parametrize(
    ("kinds", "prompt"),
    [("point", "1p"), ("point,mask", "1p"), ("clicks", "1p"), ("tight_box", "box"), ("point,box:0.1", "box")],
)
def test_the_best_checkpoint_is_judged_with_the_prompts_that_are_learnt(kinds: str, prompt: str) -> None:
    """A run that learnt from clicks only kept the checkpoint that was best with boxes."""
    assert TrainConfig(kinds=kinds).judged_with == prompt
