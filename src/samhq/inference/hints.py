"""Hints for users of other libraries: names that they may use, and the names in samhq. Knows nothing about networks."""

from __future__ import annotations

from typing import Any

from samhq.errors import WrongCallError

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
