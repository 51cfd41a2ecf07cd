"""Hints for users of other libraries: names that they may use, and the names in samhq. Knows nothing about networks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from samhq.errors import ConfigError, did_you_mean

#: Arguments of other libraries' calls, and what to write in their place.
_ELSEWHERE = {
    "bbox": "box=[x0, y0, x1, y1]",
    "bboxes": "boxes=[[x0, y0, x1, y1], ...]",
    "input_box": "box=[x0, y0, x1, y1]",
    "input_boxes": "boxes=[[x0, y0, x1, y1], ...]",
    "point": "points=[[x, y]]",
    "point_coords": "points=[[x, y], ...]",
    "input_points": "points=[[x, y], ...]",
    "label": "labels=[1, 0, ...]",
    "point_labels": "labels=[1, 0, ...]",
    "input_labels": "labels=[1, 0, ...]",
    "mask_input": "mask=",
    "input_masks": "mask=",
    "multimask_output": "multimask=True",
    "hq_token_only": 'hq="only"',
    "prompt": "prompts=[samhq.Prompt(...)]",
    "masks": "mask=, or prompts=[samhq.Prompt(mask=...), ...] for several objects",
    "device": "samhq.load(..., device=...)",
    "conf": "nothing, and keep the masks where result.scores is high enough",
    "return_logits": "nothing: the result has them as result.logits",
    **dict.fromkeys(("iou", "imgsz", "retina_masks", "verbose"), "nothing: it has no meaning here"),
    **dict.fromkeys(("save", "save_txt", "show"), "result.save(folder) or result.plot()"),
    "stream": "segment_batch(images, prompts) for several pictures",
}
#: Methods of networks, and what to use in their place.
_METHODS = {
    "to": "samhq.load(..., device=..., dtype=...)",
    "cuda": 'samhq.load(..., device="cuda")',
    "cpu": 'samhq.load(..., device="cpu")',
    "half": 'samhq.load(..., dtype="float16")',
    "eval": "nothing: it is always in evaluation mode",
    "predict": "segment(image, ...)",
    "generate": "samhq.segment_everything(image, model)",
    "set_image": "encode(image), whose result segment takes",
    "forward": "segment(image, ...)",
    "everything": "samhq.segment_everything(image, model)",
    "track": "samhq.load_video_model(...).track(video, prompts)",
    "train": "samhq.train(samhq.TrainConfig(...))",
    "val": "samhq.evaluate(...)",
    "export": "the command samhq export",
    "info": "the command samhq info, or print(model)",
}


class WrongCallError(ConfigError, TypeError):
    """A call with arguments that do not exist."""


def refuse_unknown(unknown: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuses unknown arguments.

    Raises:
        WrongCallError: there is one; the message has its name in samhq.
    """
    for name in unknown:
        hint = f"Write {_ELSEWHERE[name]}." if name in _ELSEWHERE else did_you_mean(name, known)
        raise WrongCallError(f"Expected an argument of segment, got {name}=. {hint}")


class NotCallable:
    """A base for classes used by their methods: a call, or an unknown attribute, gives a helpful error."""

    def __call__(self, *_: Any, **__: Any) -> None:
        """Not a function.

        Raises:
            WrongCallError: always; the message says which method to call.
        """
        raise WrongCallError(
            f"Expected a method of a {type(self).__name__}, got a call of it. Write model.segment(image, box=...); "
            "for masks of everything, samhq.segment_everything(image, model)."
        )

    def __getattr__(self, name: str) -> Any:
        """Called only for unknown attributes.

        Raises:
            AttributeError: always; the message says what to use in place of a network's method.
        """
        hint = f" Use {_METHODS[name]}." if name in _METHODS else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}", name=name)
