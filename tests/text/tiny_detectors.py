"""Detectors small enough for any test: random networks of transformers' classes, and a stub that finds colours.

The toy vocabulary puts BERT's special ids, "." and "?" where Grounding DINO has them built in: anywhere else each token
would be a phrase of its own, and tests would pass on a path that no published network takes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

os.environ.setdefault("HF_HUB_OFFLINE", "1")

WORDS = ["a", "cat", "red", "car", "t", "-", "shirt", "st", "cup", "mug", "fork", "##s", "dog", "blue", "sep", "[", "]"]
SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}


def vocabulary() -> dict[str, int]:
    taken = dict(SPECIAL)
    free = iter(number for number in range(1044) if number not in SPECIAL.values())
    taken |= {word: next(free) for word in WORDS}
    return taken | {f"[unused{number}]": number for number in free}


@cache
def bert_tokenizer() -> Any:
    from transformers import BertTokenizer

    return BertTokenizer(vocab=vocabulary(), do_lower_case=True)


@cache
def picture_processor() -> Any:
    from transformers import GroundingDinoImageProcessorPil

    return GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96})


def dino_config(kind: str, max_text_len: int, queries: int) -> Any:
    import transformers

    swin = transformers.SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=12,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 1, 1],
        window_size=4,
        out_indices=[2, 3, 4],
    )
    bert = transformers.BertConfig(
        vocab_size=1044,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    classes = {"dino": transformers.GroundingDinoConfig, "mm": transformers.MMGroundingDinoConfig}
    return classes[kind](
        backbone_config=swin,
        text_config=bert,
        d_model=32,
        num_queries=queries,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=32,
        decoder_ffn_dim=32,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_n_points=2,
        decoder_n_points=2,
        num_feature_levels=4,
        max_text_len=max_text_len,
        disable_custom_kernels=True,
    )


@cache
def dino_model(kind: str = "dino", max_text_len: int = 32, queries: int = 9) -> Any:
    """A random network, the same for every test; not to be changed."""
    import torch
    import transformers

    names = {"dino": "GroundingDinoForObjectDetection", "mm": "MMGroundingDinoForObjectDetection"}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, names[kind])(dino_config(kind, max_text_len, queries)).eval()


def dino(kind: str = "dino", max_text_len: int = 32, queries: int = 9, **options: Any) -> Any:
    """A random Grounding DINO ("dino") or MM Grounding DINO ("mm")."""
    from samhq.text.grounding_dino import GroundingDino

    return GroundingDino(dino_model(kind, max_text_len, queries), bert_tokenizer(), picture_processor(), **options)


def save_dino(folder: Path, kind: str = "dino") -> Path:
    """The network, tokenizer and processor as transformers writes them."""
    dino_model(kind).save_pretrained(folder)
    bert_tokenizer().save_pretrained(folder)
    picture_processor().save_pretrained(folder)
    return folder


@cache
def clip_tokenizer() -> Any:
    from transformers import CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz-"
    words = ["!", *letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: number for number, word in enumerate(words)}, merges=[])


@cache
def owl_model(kind: str = "owlv2") -> Any:
    """A random OWL network whose patches, queries and boxes all differ."""
    import torch
    import transformers

    end = clip_tokenizer().eos_token_id
    text = {"vocab_size": end + 1, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    text |= {"num_attention_heads": 2, "max_position_embeddings": 32, "eos_token_id": end, "bos_token_id": end - 1}
    vision = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision |= {"image_size": 32, "patch_size": 8}
    name = {"owlv2": "Owlv2", "owlvit": "OwlViT"}[kind]
    config = getattr(transformers, f"{name}Config")(text_config=text, vision_config=vision, projection_dim=16)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}ForObjectDetection")(config).eval()
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        return model


def owl_processor(kind: str = "owlv2") -> Any:
    import transformers

    name = {"owlv2": "Owlv2", "owlvit": "OwlViT"}[kind]
    return getattr(transformers, f"{name}ImageProcessorPil")(size={"height": 32, "width": 32})


def owl(kind: str = "owlv2", **options: Any) -> Any:
    from samhq.text.owl import Owl

    return Owl(owl_model(kind), clip_tokenizer(), owl_processor(kind), **options)


def save_owl(folder: Path, kind: str = "owlv2") -> Path:
    """The network, tokenizer and processor as transformers writes them."""
    owl_model(kind).save_pretrained(folder)
    clip_tokenizer().save_pretrained(folder)
    owl_processor(kind).save_pretrained(folder)
    return folder


def picture(height: int = 60, width: int = 80, seed: int = 0) -> np.ndarray:
    """A random picture, uint8 [H,W,3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def blobs(places: dict[str, tuple[int, int, int, int]], size_hw: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A grey picture with rectangles (x0, y0, x1, y1) in named colours, the last pixel left out; others stay grey."""
    image = np.full((*size_hw, 3), 128, np.uint8)
    for colour, (x0, y0, x1, y1) in places.items():
        image[y0:y1, x0:x1] = COLOURS.get(colour, 128)
    return image


class ColourDetector:
    """Finds rectangles of named colours: a class is found where a picture has its colour; counts its calls.

    The score is 0.9 for red, 0.6 for green and 0.3 for blue.
    """

    scores: ClassVar = {"red": 0.9, "green": 0.6, "blue": 0.3}

    def __init__(self) -> None:
        self.calls: list[tuple[int, tuple[str, ...]]] = []

    def detect(self, images: Sequence[np.ndarray], classes: Sequence[str]) -> list[dict[str, Any]]:
        self.calls.append((len(images), tuple(classes)))
        return [self._one(image, classes) for image in images]

    def _one(self, image: np.ndarray, classes: Sequence[str]) -> dict[str, Any]:
        found: dict[str, list[Any]] = {"boxes": [], "scores": [], "labels": []}
        for name in classes:
            colour = next((colour for colour in COLOURS if colour in name.lower().split()), None)
            rows, columns = np.nonzero((image == COLOURS[colour]).all(axis=2)) if colour else ([], [])
            if len(rows):
                found["boxes"].append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                found["scores"].append(self.scores[str(colour)])
                found["labels"].append(name)
        return found


def coco_boxes(path: Path, boxes: dict[str, list[tuple[str, list[float], float]]]) -> Path:
    """A COCO data set of boxes: by file name, lists of (class, (x, y, width, height), score)."""
    names = list(dict.fromkeys(label for rows in boxes.values() for label, _, _ in rows))
    annotations = [
        {"image_id": image, "category_id": names.index(label), "bbox": box, "score": score}
        for image, rows in enumerate(boxes.values())
        for label, box, score in rows
    ]
    images = [{"id": number, "file_name": name} for number, name in enumerate(boxes)]
    categories = [{"id": number, "name": name} for number, name in enumerate(names)]
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": annotations}))
    return path
