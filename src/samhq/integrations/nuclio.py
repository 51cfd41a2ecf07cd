"""Handlers of the serverless functions of a self-hosted CVAT: an interactor and a detector that give masks.

nuclio calls `init_...` once in each worker and the handler for each request. `examples/cvat_nuclio/` has the files
that CVAT deploys.

Source: cvat-ai/cvat, `cvat/apps/lambda_manager/views.py` (what is sent, and what becomes of answers), and
`serverless/pytorch/saic-vul/hrnet/nuclio/main.py`.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections import OrderedDict
from typing import Any

import numpy as np

from samhq.errors import ImageError, PromptError, SamHQError
from samhq.formats.bridge import bridged
from samhq.image.read import read_image
from samhq.inference.segment import EncodedImage, Segmenter, load
from samhq.integrations.finding import everything_of, named_in
from samhq.masks.polygons import polygons_from_mask
from samhq.results.annotation import Annotation
from samhq.storage import digest

_HELD = 4  #: encoded pictures of a worker
_TOLERANCE = 1.0  #: pixels between a polygon and the exact border


class NuclioModel:
    """The state of a worker: a model, the classes to find, and the last encoded pictures.

    Environment variables choose: SAMHQ_MODEL (default: the starter), SAMHQ_DEVICE, SAMHQ_CLASSES (names with commas
    between them; without them everything is found, with the label "object") and SAMHQ_DETECTOR.
    """

    def __init__(self, model: Segmenter | None = None) -> None:
        chosen = {name: os.environ.get(f"SAMHQ_{name}") or None for name in ("MODEL", "DEVICE", "CLASSES", "DETECTOR")}
        self.classes, self.detector = chosen["CLASSES"], chosen["DETECTOR"]
        self.model = model or load(chosen["MODEL"], device=chosen["DEVICE"])
        self._held: OrderedDict[str, EncodedImage] = OrderedDict()

    def encoded(self, content: bytes) -> EncodedImage:
        """A picture file, encoded; the same bytes again cost nothing.

        Raises:
            ImageError: it is no picture.
        """
        key = digest.of_bytes(content)
        if key not in self._held:
            self._held[key] = self.model.encode(read_image(content))
        self._held.move_to_end(key)
        while len(self._held) > _HELD:
            self._held.popitem(last=False)
        return self._held[key]


def init_context(context: Any) -> None:
    """Loads the model of a worker."""
    context.logger.info("samhq: loading the model")
    context.user_data.model = NuclioModel()
    context.logger.info("samhq: ready")


def interact(context: Any, event: Any) -> Any:
    """The mask for points on and off an object, a box, or both: the mask [H][W] of 0 and 1, and its outline."""
    return _answered(context, event, _interacted)


def detect(context: Any, event: Any) -> Any:
    """The objects of a picture, each as a mask cut to its box and an outline."""
    return _answered(context, event, _detected)


def _answered(context: Any, event: Any, work: Any) -> Any:
    """The work's result as nuclio's response; wrong use is status 400 with a sentence."""
    try:
        status, body = 200, work(context.user_data.model, _request(event.body))
    except SamHQError as error:
        status, body = 400, {"error": str(error)}
    return context.Response(body=json.dumps(body), headers={}, content_type="application/json", status_code=status)


def _request(body: Any) -> dict[str, Any]:
    """The fields of a request, which nuclio has parsed if its content type says JSON, with the picture's bytes."""
    try:
        content = body if isinstance(body, dict) else json.loads(body)
        return content | {"image": base64.b64decode(content["image"], validate=True)}
    except (ValueError, TypeError, KeyError, RecursionError, binascii.Error) as error:
        raise ImageError(f"Expected JSON with a picture as base64 in 'image', got: {error!r:.200}.") from error


def _interacted(worker: NuclioModel, request: dict[str, Any]) -> dict[str, Any]:
    on, off = _points(request, "pos_points"), _points(request, "neg_points")
    points, labels = [*on, *off], [1] * len(on) + [0] * len(off)
    corners = _points(request, "obj_bbox")
    prompt: dict[str, Any] = {"points": points, "labels": labels} if points else {}
    if corners:
        prompt["box"] = np.concatenate([np.min(corners, axis=0), np.max(corners, axis=0)])
    mask = worker.model.segment(worker.encoded(request["image"]), **prompt).masks[0]
    outline = bridged(polygons_from_mask(mask, _TOLERANCE))
    return {"mask": mask.astype(int).tolist(), "points": outline.tolist()}


def _detected(worker: NuclioModel, request: dict[str, Any]) -> list[dict[str, Any]]:
    picture, least = read_image(request["image"]), request.get("threshold")
    if worker.classes is None:
        annotations = everything_of(worker.model, picture)
    else:
        annotations = named_in(worker.model, picture, worker.classes, detector=worker.detector, least=least)
    return [
        _shape(annotation)
        for annotation in annotations
        if annotation.area and (least is None or (annotation.confidence or 0) >= least)
    ]


def _shape(annotation: Annotation) -> dict[str, Any]:
    """A mask as CVAT's server takes it: the pixels of the box, row by row, then the box with its last pixel."""
    x, y, width, height = annotation.bbox_xywh
    box = [x, y, x + width - 1, y + height - 1]
    return {
        "type": "mask",
        "label": annotation.label,
        "confidence": f"{annotation.confidence or 0:.4f}",
        "mask": [*np.asarray(annotation.cropped).astype(int).ravel().tolist(), *box],
        "points": bridged(annotation.polygons(_TOLERANCE)).ravel().tolist(),
    }


def _points(request: dict[str, Any], name: str) -> list[list[float]]:
    """Points [[x, y], ...] of a request; none where the field is missing or null."""
    try:
        points = np.array(request.get(name) or [], np.float64).reshape(-1, 2)
    except (ValueError, TypeError) as error:
        raise PromptError(f"Expected {name} as [[x, y], ...], got {request.get(name)!r:.80}. Send points.") from error
    return points.tolist()
