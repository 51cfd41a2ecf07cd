"""Names that other libraries give to arguments, and what to write here. Knows nothing about what the arguments do."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import Parameter
from typing import Any, TypeVar, cast

from samhq.errors import WrongCallError, did_you_mean
from samhq.plural import plural

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Class = TypeVar("_Class", bound=type)

_NOTHING = "nothing: it has no meaning here"
#: Arguments that describe one object.
_OBJECT = {
    **dict.fromkeys(("bbox", "input_box", "box_xyxy", "xyxy"), "box=[x0, y0, x1, y1]"),
    "point": "points=[[x, y]]",
    **dict.fromkeys(("point_coords", "input_points", "clicks"), "points=[[x, y], ...]"),
    **dict.fromkeys(("point_labels", "input_labels"), "labels=[1, 0, ...]"),
    **dict.fromkeys(("mask_input", "input_masks"), "mask="),
}
_BOXES = "boxes=[[x0, y0, x1, y1], ...]"
_BGR = dict.fromkeys(("channel_order", "is_bgr", "image_format"), "image[..., ::-1] for a BGR picture of OpenCV")
_DEVICE = {"device": "samhq.load(..., device=...)"}
#: Arguments of calls that encode a picture.
ENCODE = {**_BGR, **_DEVICE, **dict.fromkeys(("path", "image_path", "source", "img"), "the picture without a name")}
#: Arguments of calls that segment a picture.
SEGMENT = {
    **_OBJECT,
    **dict.fromkeys(("bboxes", "input_boxes"), _BOXES),
    "label": 'labels=[1, 0, ...] for clicks, or prompts=[samhq.Prompt(..., label="cup")] for a class',
    "multimask_output": "multimask=True",
    "hq_token_only": 'hq="only"',
    "prompt": "prompts=[samhq.Prompt(...)]",
    "masks": "mask=, or prompts=[samhq.Prompt(mask=...), ...] for several objects",
    "conf": "nothing, and keep the masks where result.scores is high enough",
    "return_logits": "nothing: the result has them as result.logits",
    **dict.fromkeys(("iou", "imgsz", "retina_masks", "verbose"), _NOTHING),
    **dict.fromkeys(("save", "save_txt", "show"), "result.save(folder) or result.plot()"),
    "stream": "segment_batch(images, prompts) for several pictures",
    **_BGR,
    **_DEVICE,
}
_LISTS = "prompts=[[samhq.Prompt({})], ...]: a list for each picture"
_CLICKS = ("point", "points", "clicks", "point_coords", "input_points", "point_coords_batch")
_LABELS = ("label", "labels", "point_labels", "input_labels", "point_labels_batch")
_CORNERS = ("box", "boxes", "bbox", "bboxes", "input_box", "input_boxes", "box_xyxy", "xyxy", "box_batch")
_MASKS = ("mask", "masks", "mask_input", "input_masks", "mask_input_batch")
#: Arguments of calls that segment several pictures.
SEGMENT_BATCH = {
    **SEGMENT,
    **dict.fromkeys(_CORNERS, _LISTS.format("box=...")),
    **dict.fromkeys((*_CLICKS, *_LABELS), _LISTS.format("points=..., labels=...")),
    **dict.fromkeys(_MASKS, _LISTS.format("mask=...")),
    "text": "segment(image, text=...) for each picture",
    "batch_size": "nothing, and give as many pictures as one call takes",
}
#: Fields of a prompt.
PROMPT = {
    **_OBJECT,
    **dict.fromkeys(("boxes", "bboxes", "input_boxes"), "box=, in a Prompt of its own for every box"),
    **dict.fromkeys(("class_name", "name", "category", "text"), 'label="cup", the class of the object'),
    **dict.fromkeys(("conf", "confidence"), "score="),
}
_FRAME = dict.fromkeys(("frame_idx", "ann_frame_idx", "frame_index", "start_frame_idx"), "frame=")
#: Fields of a prompt for a video.
VIDEO_PROMPT = {
    **dict.fromkeys(("box", "bbox", "input_boxes"), "prompt=samhq.Prompt(box=[x0, y0, x1, y1])"),
    **dict.fromkeys(("points", "point", "labels", "input_points"), "prompt=samhq.Prompt(points=[[x, y]], labels=[1])"),
    **dict.fromkeys(("mask", "input_masks"), "prompt=samhq.Prompt(mask=...)"),
    **dict.fromkeys(("obj_id", "object_id", "id", "obj_ids"), "object=1"),
    **_FRAME,
}
#: Arguments of a prompt while frames come.
VIDEO_CLICK = {
    **_OBJECT,
    **_FRAME,
    **dict.fromkeys(("boxes", "bboxes", "input_boxes"), "box=, in a call of its own for every object"),
    **dict.fromkeys(("obj_id", "obj_ids", "object"), "prompt(1, ...), the number first"),
    "clear_old_points": "nothing: points are added, and a box or a mask starts over",
}
#: Arguments of calls that follow objects.
TRACKER = {
    "non_overlap_masks": "overlap=False",
    "fill_hole_area": "fill_holes=",
    **dict.fromkeys(("max_cond_frames_in_attn", "max_cond_frame_num"), "max_prompted="),
    "add_all_frames_to_correct_as_cond": 'corrections="keep"',
    "reverse": 'track(..., direction="backward")',
    "hq_token_only": 'hq="only"',
    "memory_dtype": "samhq.load_video_model(..., memory_dtype=...)",
    **_DEVICE,
    **dict.fromkeys(
        ("offload_video_to_cpu", "offload_state_to_cpu", "async_loading_frames"),
        "nothing: frames are never all in memory",
    ),
}
#: Arguments of calls that load a model.
LOAD = {
    "torch_dtype": "dtype=",
    "half": 'dtype="float16"',
    "fp16": 'dtype="float16"',
    "bf16": 'dtype="bfloat16"',
    "device_map": 'device="cuda"',
    **dict.fromkeys(
        ("checkpoint", "ckpt_path", "model_path", "weights", "path", "pretrained_model_name_or_path"),
        'load("sam_hq_vit_l.pth"), the path first',
    ),
    **dict.fromkeys(("model", "model_type", "model_name", "name", "model_id"), 'load("sam_hq_vit_l"), the name first'),
    **dict.fromkeys(("config", "model_cfg", "config_file"), "nothing: the weights tell which model it is"),
    **dict.fromkeys(("local_files_only", "offline"), "HF_HUB_OFFLINE=1 in the environment"),
    "cache_dir": "HF_HOME=FOLDER in the environment",
    "token": "HF_TOKEN=... in the environment",
    "revision": 'load("FILE"), after you downloaded that revision',
    **dict.fromkeys(("strict", "eval", "mode", "trust_remote_code"), _NOTHING),
}


def translated(advice: Mapping[str, str]) -> Callable[[_Function], _Function]:
    """A decorator: a call with arguments that the function does not have says what to write in their place.

    `advice` has that by the names of arguments in other libraries. For other names the nearest one is offered. The
    function keeps its signature, so editors and type checkers see what it takes.

    Raises:
        WrongCallError: in a call: an unknown argument, or too many arguments without a name.
    """

    def decorate(function: _Function) -> _Function:
        parameters = list(inspect.signature(function).parameters.values())
        known = [p.name for p in parameters if p.kind != Parameter.POSITIONAL_ONLY and p.name != "self"]
        most = sum(p.kind not in (Parameter.KEYWORD_ONLY, Parameter.VAR_KEYWORD) for p in parameters)
        name = function.__qualname__.split(".")[-2] if function.__name__ == "__init__" else function.__name__

        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            for given in kwargs:
                if given not in known:
                    hint = f"Write {advice[given]}." if given in advice else did_you_mean(given, known)
                    raise WrongCallError(f"Expected an argument of {name}, got {given}=. {hint}")
            if len(args) > most:
                raise WrongCallError(_unnamed(name, parameters, args))
            return function(*args, **kwargs)

        return cast(_Function, checked)

    return decorate


def translated_fields(advice: Mapping[str, str]) -> Callable[[_Class], _Class]:
    """`translated` for making values of a class; it changes the class itself."""

    def decorate(kind: _Class) -> _Class:
        kind.__init__ = translated(advice)(kind.__init__)  # type: ignore[misc]
        return kind

    return decorate


def _unnamed(name: str, parameters: list[Parameter], args: tuple[Any, ...]) -> str:
    """The message about arguments without a name that the function takes only by name."""
    own = [p for p in parameters if p.name != "self"]
    method = len(parameters) - len(own)
    first = [p.name for p in own if p.kind != Parameter.KEYWORD_ONLY]
    by_name = [f"{p.name}=" for p in own if p.kind == Parameter.KEYWORD_ONLY]
    advice = f"Write the name of each other argument: {', '.join(by_name)}" if by_name else "Leave the others out"
    return (
        f"Expected {plural(len(first), 'argument')} without a name in {name}({', '.join(first)}), "
        f"got {len(args) - method}. {advice}."
    )
