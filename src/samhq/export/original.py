"""The graphs of SAM's and SAM-HQ's own export script, for programs that were written for those.

Each call takes one prompt, as points; corners of a box are points with labels 2 and 3. Masks have the picture's size.

Source: the inputs and outputs of scripts/export_onnx_model.py in segment-anything and SAM-HQ.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from samhq.config import HQMode
from samhq.export.graphs import ranked
from samhq.export.surgery import add_nodes
from samhq.export.trace import trace
from samhq.model.sam import Sam
from samhq.types import IGNORED, Choice, ImageEmbedding, Sparse


class OriginalEncoderGraph(nn.Module):
    """Normalised pixels [1,3,S,S] to `image_embeddings` and, for HQ models, `interm_embeddings` [1,1,h,w,e].

    The original decoder reads only the first of the intermediate maps, so this graph gives no others.
    """

    outputs = ("image_embeddings", "interm_embeddings")

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.sam = sam

    def forward(self, pixels: Float[Tensor, "1 3 S S"]) -> tuple[Tensor, ...]:
        """The maps in float32, whatever the weights are."""
        embedding = self.sam.encode(pixels, keep_early=self.sam.config.hq)
        if embedding.early is None:
            return (embedding.features.float(),)
        return embedding.features.float(), embedding.early[None].float()


class OriginalDecoderGraph(nn.Module):
    """One prompt to low-resolution logits [1,K,4g,4g] and IoU [1,K], chosen as in the original script.

    SAM-HQ: one mask, the first, or with `multimask` the best of the three. SAM: all four masks. Without `multimask` SAM
    gives one: the first for prompts of more than two points, including padding, else the best of the three.
    """

    def __init__(self, sam: Sam, hq: HQMode, multimask: bool) -> None:
        super().__init__()
        self.sam, self.hq, self.multimask = sam, hq, multimask

    def forward(
        self,
        image_embeddings: Float[Tensor, "1 C g g"],
        point_coords: Float[Tensor, "1 N 2"],
        point_labels: Float[Tensor, "1 N"],
        mask_input: Float[Tensor, "1 1 G G"],
        has_mask_input: Float[Tensor, " 1"],
        interm_embeddings: Float[Tensor, "L 1 h w e"] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Labels are 1, 0, -1 for padding, 2 and 3 for a box's corners; points are model pixels."""
        sam, dtype = self.sam, self.sam.dtype
        encoder, decoder = sam.prompt_encoder, sam.mask_decoder
        features = image_embeddings.to(dtype)
        embedding = ImageEmbedding(features)
        if interm_embeddings is not None:
            embedding = sam.embed(features, interm_embeddings[0].to(dtype))
        kinds = point_labels.long()
        sparse = Sparse(encoder.embed_places(point_coords, kinds), kinds == IGNORED)
        given = has_mask_input[:, None, None, None] > 0
        dense = torch.where(given, encoder.dense_where_given(mask_input), encoder.dense(None))
        index = torch.zeros(1, dtype=torch.int64)
        attended = decoder.attend(features + dense, encoder.get_dense_pe(), sparse, index)
        choice = self.choice(attended.iou, point_coords.shape[1])
        return decoder.paint(attended, embedding, choice).float(), choice.iou.float()

    def choice(self, iou: Float[Tensor, "1 M"], points: int) -> Choice:
        """The masks to compute."""
        count = iou.shape[1]
        if self.sam.config.hq:
            place = count if self.multimask else 0
            masks = ranked(iou)[:, place : place + 1]
        elif self.multimask:
            masks = torch.arange(count, device=iou.device)[None]
        else:
            first = torch.eye(count, device=iou.device)[:1]
            masks = (iou + 1000 * (points - 2.5) * first).argmax(dim=1, keepdim=True)
        return Choice(masks, iou.gather(1, masks), self.hq)


def original_decoder(model: Sam, hq: HQMode | None, multimask: bool | None) -> Any:
    """The original decoder as an `onnx.ModelProto`; by default all masks of SAM, and SAM-HQ's one for clear prompts.

    Raises:
        ConfigError: `hq` asks for something that the model does not have.
    """
    mode = model.hq_mode(hq)
    several = (not model.config.hq) if multimask is None else multimask
    axes = {name: {1: "num_points"} for name in ("point_coords", "point_labels")}
    if model.config.hq:
        axes["interm_embeddings"] = {0: "maps"}
    graph = OriginalDecoderGraph(model, mode, several)
    proto = trace(graph, _example(model), ["low_res_masks", "iou_predictions"], axes).model_proto
    _add_full_size(proto, model.config.side)
    return proto


def _example(model: Sam) -> dict[str, Tensor]:
    grid, row = model.config.grid, model.config.decoder
    maps = {"image_embeddings": torch.zeros(1, row.dim, grid, grid)}
    if model.config.hq:
        maps["interm_embeddings"] = torch.zeros(4, 1, *model.config.encoder.level_hwc(model.config.side))
    return maps | {
        "point_coords": torch.zeros(1, 5, 2),
        "point_labels": torch.ones(1, 5),
        "mask_input": torch.zeros(1, 1, 4 * grid, 4 * grid),
        "has_mask_input": torch.zeros(1),
    }


def _add_full_size(proto: Any, side: int) -> None:
    """Adds the input `orig_im_size` (height, width) and the output `masks`: logits at that size.

    They are resized in the same two steps as in `samhq.image.frame.Frame.logits_to_image`.
    """
    from onnx import TensorProto, helper, numpy_helper

    def constant(name: str, value: Any) -> Any:
        return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(np.asarray(value), name))

    def resize(source: str, sizes: str, target: str) -> Any:
        return helper.make_node(
            "Resize", [source, "", "", sizes], [target], mode="linear",
            coordinate_transformation_mode="half_pixel", axes=[2, 3],
        )  # fmt: skip

    nodes = [
        constant("square_hw", np.array([side, side], np.int64)),
        constant("square_side", np.float32(side)),
        constant("half", np.float32(0.5)),
        constant("corner", np.zeros(2, np.int64)),
        constant("height_and_width", np.array([2, 3], np.int64)),
        resize("low_res_masks", "square_hw", "square_masks"),
        helper.make_node("ReduceMax", ["orig_im_size"], ["longer_side"], keepdims=0),
        helper.make_node("Div", ["square_side", "longer_side"], ["scale"]),
        helper.make_node("Mul", ["orig_im_size", "scale"], ["scaled_hw"]),
        helper.make_node("Add", ["scaled_hw", "half"], ["raised_hw"]),
        helper.make_node("Floor", ["raised_hw"], ["content_hw"]),
        helper.make_node("Cast", ["content_hw"], ["content_end"], to=TensorProto.INT64),
        helper.make_node("Slice", ["square_masks", "corner", "content_end", "height_and_width"], ["content"]),
        helper.make_node("Cast", ["orig_im_size"], ["original_hw"], to=TensorProto.INT64),
        resize("content", "original_hw", "masks"),
    ]
    size = helper.make_tensor_value_info("orig_im_size", TensorProto.FLOAT, [2])
    masks = helper.make_tensor_value_info("masks", TensorProto.FLOAT, [1, "num_masks", "height", "width"])
    add_nodes(proto, nodes, [size])
    low_res, iou = proto.graph.output
    ordered = [masks, iou, low_res]
    copies = [type(value).FromString(value.SerializeToString()) for value in ordered]
    del proto.graph.output[:]
    proto.graph.output.extend(copies)
