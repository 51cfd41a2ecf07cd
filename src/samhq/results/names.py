"""Names that results of other libraries have, and the same here. Knows nothing about what the names do."""

from __future__ import annotations

from typing import Any

_ARRAYS = "nothing: masks, scores and boxes are NumPy arrays"
#: Attributes and methods of other libraries' results, and what to use in their place.
_ELSEWHERE = {
    "show": "plot()",
    "save_txt": 'save("out") and then the command samhq write out --format yolo',
    "save_crop": "cutout(index)",
    "to_df": "to_records(), which pandas.DataFrame takes",
    "to_csv": "to_records(), which pandas.DataFrame takes",
    "summary": "to_records()",
    "to_json": "annotations(), or save(folder)",
    "tojson": "annotations(), or save(folder)",
    "orig_img": "image",
    "orig_shape": "image.shape[:2]",
    "path": "file_name",
    "names": "labels",
    "conf": "scores",
    "cls": "labels",
    **dict.fromkeys(("iou_scores", "iou_predictions", "predicted_iou"), "scores"),
    "mask": "masks[0]",
    "box": "boxes[0]",
    "score": "scores[0]",
    "xyxy": "boxes",
    "low_res_masks": "low_res_logits",
    "segmentation": "annotations(), where it is COCO's RLE, or masks",
    "pred_masks": "masks, or low_res_logits",
    **dict.fromkeys(("cpu", "cuda", "numpy", "to"), _ARRAYS),
}


class WithOtherNames:
    """A base for results: an unknown attribute gives an error with the name that samhq has."""

    def __getattr__(self, name: str) -> Any:
        """Called only for unknown attributes.

        Raises:
            AttributeError: always; the message says what to use in place of another library's name.
        """
        hint = f" Use {_ELSEWHERE[name]}." if name in _ELSEWHERE else ""
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}.{hint}", name=name, obj=self)
